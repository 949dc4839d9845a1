"""Figures of analyses: one style, as SVG and PNG, with the numbers beside them. Matplotlib loads when one is drawn."""

from __future__ import annotations

from harness.plots.axes import LINEAR, LOG, Axis, Scale, logit
from harness.plots.curves import Curve, curves
from harness.plots.dendrogram import dendrogram
from harness.plots.figure import Figure
from harness.plots.gallery import gallery
from harness.plots.heatmap import heatmap
from harness.plots.ranks import rank_diagram
from harness.plots.scatter import Point, scatter
from harness.plots.style import Style, paradigm_style

__all__ = [
    "LINEAR", "LOG", "Axis", "Curve", "Figure", "Point", "Scale", "Style", "curves", "dendrogram", "gallery",
    "heatmap", "logit", "paradigm_style", "rank_diagram", "scatter",
]  # fmt: skip
