"""How fast do features and predictions change with the strength of a transform?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import analysis
from harness.plots import Axis, Curve, curves
from harness_analyses.common import bars, figure_name, paradigms
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Entry

METRICS = ("invariance_curve", "consistency_curve")
UNITS = {"angle": "°", "quality": "of 100", "bits": "a channel"}
_POINT = re.compile(r"^(?:(?P<layer>.+),)?(?P<parameter>[^,=]+)=(?P<at>[^,=]+)$")


@dataclass(frozen=True)
class Family:
    """One score along a transform's parameter.

    Attributes:
        layer: whose features; "" for the task's own.
        points: by model, of rising parameter.
    """

    task: str
    metric: str
    layer: str
    parameter: str
    unit: str
    points: Mapping[str, Mapping[float, Entry]]


def draw(board: Board) -> Figures:
    """Curves over the transform's parameter, a line a model; of several layers at the one that stands first."""
    called, groups = labels(board), paradigms(board)
    shown: Figures = {}
    found = list(families(board))
    first = {(each.task, each.metric): each for each in reversed(found)}
    for each in (each for each in found if first[each.task, each.metric] is each):
        name = figure_name(each.metric, each.layer, each.task)
        series = [
            Curve(
                called[model], list(points), bars(e.value for e in points.values()),
                bars(e.low for e in points.values()), bars(e.high for e in points.values()), groups[model],
            )
            for model, points in each.points.items()
        ]  # fmt: skip
        x = Axis(f"{each.parameter}, {UNITS[each.parameter]}" if each.parameter in UNITS else each.parameter)
        shown[name] = curves(
            series, x, Axis(f"{each.metric.removesuffix('_curve')}, {each.unit or 'no unit'}"),
            f"{each.task}: {each.metric.removesuffix('_curve')}{each.layer and f' at {each.layer}'}",
            subtitle=f"{len(series)} models; bands are 95 % intervals over images", groups=groups.values(),
        )  # fmt: skip
    return shown


@analysis("invariance_curves", figures=draw)
def invariance_curves(board: Board) -> list[dict[str, Any]]:
    """Invariance of features and consistency of predictions at each value of a transform's one parameter.

    One row for each model and value, of `invariance_curve` and `consistency_curve`; `at` is the parameter's value.
    Where a task has several layers, the rows have all, the figures the deepest. No rows without these metrics of tasks
    whose transforms are a grid of one parameter: ``views[rotation]@DATASET``, ``consistency[rotation]@DATASET``.
    """
    groups = paradigms(board)
    return [
        {
            "task": each.task, "metric": each.metric, "layer": each.layer, "unit": each.unit, "model": model,
            "paradigm": groups[model], "parameter": each.parameter, "at": at, "value": entry.value, "low": entry.low,
            "high": entry.high,
        }
        for each in families(board)
        for model, points in each.points.items()
        for at, entry in points.items()
    ]  # fmt: skip


def families(board: Board) -> Iterator[Family]:
    """Each task's and layer's curves, models grouped by paradigm."""
    rows = {row.model: row for row in board.rows}
    found: dict[tuple[str, ...], dict[float, int]] = defaultdict(dict)
    for i, column in enumerate(board.columns):
        named = _POINT.match(column.variant)
        if column.metric in METRICS and named:
            key = (column.task, column.metric, named["layer"] or "", named["parameter"], column.unit)
            found[key][float(named["at"])] = i
    for (task, metric, layer, parameter, unit), columns in found.items():
        points = {
            model: {at: rows[model].entries[i] for at, i in sorted(columns.items()) if _done(rows[model].entries[i])}
            for model in paradigms(board)
            if model in rows
        }
        points = {model: of for model, of in points.items() if of}
        if points:
            yield Family(task, metric, layer, parameter, unit, points)


def _done(entry: Entry) -> bool:
    return entry.status == "done"
