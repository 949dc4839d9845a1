"""Scatter plots: models on two axes, each labelled; or many points of a map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.plots.axes import Axis, draw_axis, span
from harness.plots.figure import Figure, Sheet, clear, drawing, marker, width
from harness.plots.placement import Box, place
from harness.plots.style import FAINT, SOFT, Style, paradigm_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS, UP = 6.6, 4.4
PIXELS = 100  # of placement, an inch
BEHIND = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}  # a label
MANY = 60  # points, beyond which marks are small


@dataclass(frozen=True)
class Point:
    """A point, `x` and `y` already on their axes' scales; `group` decides colour and marker, `label` may be ""."""

    label: str
    x: float
    y: float
    group: str = ""
    hollow: bool = False

    @property
    def finite(self) -> bool:
        return math.isfinite(self.x) and math.isfinite(self.y)


@drawing()
def scatter(
    points: Sequence[Point], x: Axis, y: Axis, title: str, *, subtitle: str = "", hollow: str = "",
    groups: Iterable[str] = (), line: bool = True, steps: Sequence[tuple[float, float]] = (),
) -> Figure:  # fmt: skip
    """A scatter plot with every point labelled, clear of the others, and the least-squares line.

    Args:
        points: those that are not finite are left out, and the subtitle counts them.
        hollow: what a hollow mark means.
        groups: all that other plots have, so that each has its colour in all of them.
        line: whether the least-squares line is drawn.
        steps: where a stair rises, from the left, such as a Pareto front.

    Its rows are `label`, `group`, `hollow`, and `x` and `y` in original units.
    """
    shown = [p for p in points if p.finite]
    styles = paradigm_style({*groups, *(p.group for p in points)})
    ends = span(p.x for p in shown), span(p.y for p in shown)
    sheet = Sheet(ACROSS, UP)
    axes = sheet.axes(0, 0, ACROSS, UP)
    draw_axis(axes, "x", x, ends[0], ACROSS)
    draw_axis(axes, "y", y, ends[1], UP)
    stair = [*steps, (ends[0][1], steps[-1][1])] if steps else []
    _labels(sheet, shown, ends, stair)
    if line and (found := fitted([(p.x, p.y) for p in shown])):
        axes.plot(*zip(*found, strict=True), color=SOFT, linewidth=1.1, linestyle=(0, (1, 3)), dash_capstyle="round")
    if stair:
        axes.plot(*zip(*stair, strict=True), color=SOFT, linewidth=1.1, drawstyle="steps-post")
    _marks(axes, shown, styles)
    left_out = f"{len(points) - len(shown)} without a value left out" if len(shown) < len(points) else ""
    sheet.header(
        title, "; ".join(filter(None, (subtitle, left_out))),
        {name: style for name, style in styles.items() if any(p.group == name for p in shown)},
        hollow=hollow if any(p.hollow for p in shown) else "",
    )  # fmt: skip
    rows = [
        {"label": p.label, "group": p.group, "hollow": p.hollow, "x": x.original(p.x), "y": y.original(p.y)}
        for p in points
    ]
    return sheet.finish(title, rows)


def _marks(axes: Axes, points: Sequence[Point], styles: Mapping[str, Style]) -> None:
    """The points, group by group."""
    size = 6.0 if len(points) <= MANY else 3.0
    for name, style in styles.items():
        for hollow in (False, True):
            of = [p for p in points if (p.group, p.hollow) == (name, hollow)]
            if of:
                look = marker(style, size, hollow) | ({"markeredgewidth": 0.2} if len(points) > MANY else {})
                places = [p.x for p in of], [p.y for p in of]
                axes.plot(*places, linestyle="none", clip_on=False, zorder=3, **look)


def _labels(
    sheet: Sheet, points: Sequence[Point], ends: tuple[tuple[float, float], tuple[float, float]],
    stair: Sequence[tuple[float, float]],
) -> None:  # fmt: skip
    """The labels, clear of the stair, and lines to those that stand away from their points."""
    (left, right), (bottom, top) = ends

    def pixels(x: float, y: float) -> tuple[float, float]:
        return PIXELS * ACROSS * (x - left) / (right - left), PIXELS * UP * (top - y) / (top - bottom)

    places = [pixels(p.x, p.y) for p in points]
    named = [i for i, p in enumerate(points) if p.label]
    if not named:
        return
    texts = clear([points[i].label for i in named])
    order = [places[i] for i in named]
    widths, frame = [PIXELS * width(t) + 2 for t in texts], Box(0, 0, PIXELS * ACROSS, PIXELS * UP)
    lines = treads([pixels(*at) for at in stair])
    for text, (px, py), at in zip(texts, order, place(widths, order, frame, lines), strict=True):
        box = at.box
        if at.leader:
            ends_at = min(max(px, box.left), box.right), min(max(py, box.top + 2), box.bottom - 2)
            where = [px / PIXELS, ends_at[0] / PIXELS], [UP - py / PIXELS, UP - ends_at[1] / PIXELS]
            sheet.line(*where, color=FAINT, linewidth=0.7)
        middle = (box.left + box.right) / 2 / PIXELS, UP - (box.top + box.bottom) / 2 / PIXELS
        sheet.text(*middle, text, ha="center", va="center_baseline", bbox=BEHIND)


def treads(corners: Sequence[tuple[float, float]]) -> list[Box]:
    """The lines of a stair that rises at each of its corners, in pixels: along to the next one, then up to it."""
    along = [Box(x, y - 1, after, y + 1) for (x, y), (after, _) in pairwise(corners)]
    return along + [Box(x - 1, y, x + 1, before) for (_, before), (x, y) in pairwise(corners)]


def fitted(places: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The ends of the least-squares line over the points; None where all stand above one another."""
    n = len(places)
    if n < 2:
        return None
    mx, my = math.fsum(x for x, _ in places) / n, math.fsum(y for _, y in places) / n
    spread = math.fsum((x - mx) ** 2 for x, _ in places)
    if spread == 0:
        return None
    slope = math.fsum((x - mx) * (y - my) for x, y in places) / spread
    ends = min(x for x, _ in places), max(x for x, _ in places)
    return (ends[0], my + slope * (ends[0] - mx)), (ends[1], my + slope * (ends[1] - mx))
