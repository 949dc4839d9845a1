"""How do scores change with depth? After Grigg et al. 2021 (2110.00528), and others that probe every layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import analysis
from harness.names import parse_task
from harness.plots import Axis, Curve, curves
from harness.tasks import EMBEDDING
from harness_analyses.common import bars, figure_name, paradigms
from harness_analyses.labels import labels
from harness_analyses.layer_names import VIEW, by_depth, parity

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Column, Entry

SAYS = {
    "odd": "odd layers: residual branches before their additions",
    "even": "even layers: all but residual branches",
    "": "",
}


@dataclass(frozen=True)
class Family:
    """One kind of score at the layers of models.

    Attributes:
        of: which of a metric's several scores; "" for the only one.
        layers: of each model, shallow to deep.
        entries: by model and layer.
    """

    task: str
    metric: str
    of: str
    unit: str
    layers: Mapping[str, list[str]]
    entries: Mapping[tuple[str, str], Entry]

    @property
    def measure(self) -> str:
        return f"{self.metric}[{self.of}]" if self.of else self.metric

    def depth(self, model: str, layer: str) -> float:
        return self.layers[model].index(layer) / (len(self.layers[model]) - 1)

    def parity(self, model: str, layer: str) -> str:
        return parity(layer, self.layers[model])


def draw(board: Board) -> Figures:
    """Curves over relative depth, a line a model; where models have residual taps, odd and even layers apart."""
    called, groups = labels(board), paradigms(board)
    shown: Figures = {}
    for each in families(board):
        found = {each.parity(m, layer) for m, layer in each.entries}
        for kind in ("odd", "even") if "odd" in found else ("",):
            series = [_curve(each, m, called[m], groups[m], kind) for m in each.layers]
            series = [curve for curve in series if curve.x]
            subtitle = "; ".join(filter(None, (f"{len(series)} models", SAYS[kind])))
            shown[figure_name(each.measure, kind, each.task)] = curves(
                series, Axis("relative depth (0: first layer, 1: last)"),
                Axis(f"{each.measure}, {each.unit or 'no unit'}"), f"{each.task}: {each.measure}", subtitle=subtitle,
                groups=groups.values(),
            )  # fmt: skip
    return shown


@analysis("layer_curves", figures=draw)
def layer_curves(board: Board) -> list[dict[str, Any]]:
    """Every score that has a value at each of several layers, against depth: probes, CKA, class separation, invariance.

    One row for each layer of each model. `depth` is its place among the model's layers with that score, 0 for the first
    and 1 for the last; `parity` is ``odd`` for a residual branch before its addition and ``even`` for every other layer
    of a model that has such taps (Grigg et al. 2021, 2110.00528); `of` names one of a metric's several scores. Layers
    of single views of images are left out. No rows without scores by layer: tasks such as ``layers@DATASET``,
    ``grams@DATASET`` or ``views[layers=*]@DATASET`` have them.
    """
    groups = paradigms(board)
    return [
        {
            "task": each.task, "metric": each.metric, "of": each.of, "unit": each.unit, "model": model,
            "paradigm": groups[model], "layer": layer, "parity": each.parity(model, layer),
            "depth": each.depth(model, layer), "value": entry.value, "low": entry.low, "high": entry.high,
        }
        for each in families(board)
        for model, layers in each.layers.items()
        for layer in layers
        for entry in [each.entries[model, layer]]
    ]  # fmt: skip


def families(board: Board) -> Iterator[Family]:
    """The kinds of scores whose variants are layers, with the models that have two or more."""
    rows = sorted(board.rows, key=lambda row: list(paradigms(board)).index(row.model))
    for (task, metric, of), columns in _columns(board).items():
        entries = {
            (row.model, layer): row.entries[i]
            for row in rows
            for layer, i in columns.items()
            if row.entries[i].status == "done"
        }
        layers: dict[str, list[str]] = defaultdict(list)
        for model, layer in entries:
            layers[model].append(layer)
        several = {model: names for model, names in layers.items() if len(names) > 1}
        kept = {key: entry for key, entry in entries.items() if key[0] in several}
        if several:
            unit = board.columns[next(iter(columns.values()))].unit
            yield Family(task, metric, of, unit, by_depth(board, task, several), kept)


def _columns(board: Board) -> dict[tuple[str, str, str], dict[str, int]]:
    """Where each family's layers stand, in the order of the columns."""
    by_metric: dict[tuple[str, str], list[tuple[Column, int]]] = defaultdict(list)
    for i, column in enumerate(board.columns):
        by_metric[column.task, column.metric].append((column, i))
    found: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    for (task, metric), columns in by_metric.items():
        named = [(*_split(column.variant), i) for column, i in columns]
        if _layered(task, {layer for layer, _, _ in named}):
            for layer, of, i in named:
                if "=" not in of:  # a strength of a transform
                    found[task, metric, of][layer] = i
    return {key: at for key, at in found.items() if len(at) > 1 and not any(VIEW in layer for layer in at)}


def _split(variant: str) -> tuple[str, str]:
    """A layer and which of its scores, ``stage3,gain``."""
    layer, _, of = variant.partition(",")
    return layer, of


def _layered(task: str, names: set[str]) -> bool:
    """Whether the names are layers': the embedding is among them, or the task was told its layers or is about them."""
    if any("~" in name for name in names):
        return False
    protocol = parse_task(task)[0]
    return EMBEDDING in names or protocol.name == "layers" or "layers" in protocol.options


def _curve(each: Family, model: str, label: str, group: str, kind: str) -> Curve:
    """One model's, of the layers of a parity; of all of a model without residual taps among the even."""
    layers = [x for x in each.layers[model] if (each.parity(model, x) or ("even" if kind else "")) == kind]
    entries = [each.entries[model, layer] for layer in layers]
    low, high = bars(e.low for e in entries), bars(e.high for e in entries)
    depths = [each.depth(model, layer) for layer in layers]
    return Curve(label, depths, bars(e.value for e in entries), low, high, group)
