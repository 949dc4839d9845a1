"""Which layers are alike, within a model and between two? After Grigg et al. 2021 (2110.00528)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import analysis
from harness.plots import heatmap
from harness_analyses.common import figure_name, paradigms
from harness_analyses.labels import labels
from harness_analyses.layer_names import VIEW, by_depth, parity
from harness_analyses.similarity import Scored, scored

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Pair
    from harness.plots import Figure

BETWEEN = "~"
MOST = 12
"""Pairs of models that are drawn, of each task and metric."""


@dataclass(frozen=True)
class Matrix:
    """Similarities of one model's layers with another's, or with its own.

    Attributes:
        layers, others: of the model and its partner, shallow to deep.
        scores: by layer and partner's layer; within a model each two layers once.
    """

    task: str
    metric: str
    model: str
    partner: str
    layers: Sequence[str]
    others: Sequence[str]
    scores: Mapping[tuple[str, str], Scored]

    def value(self, layer: str, other: str) -> float:
        """nan where there is none. A layer is as similar as can be to itself."""
        within = self.model == self.partner
        if within and layer == other:
            return 1.0
        found = self.scores.get((layer, other)) or (self.scores.get((other, layer)) if within else None)
        return found[0] if found else math.nan

    def parity(self, layer: str, other: str) -> str:
        """Of both layers, where they agree."""
        both = parity(layer, self.layers), parity(other, self.others)
        return both[0] if both[0] == both[1] else ""


def draw(board: Board) -> Figures:
    """Heatmaps of layers against layers, within every model and between pairs; odd and even layers also apart."""
    shown: Figures = {}
    found = list(matrices(board))
    drawn = [each for each in found if each.model == each.partner]
    notes: dict[tuple[str, str], str] = {}
    for key in dict.fromkeys((m.task, m.metric) for m in found if m.model != m.partner):
        pairs = [m for m in found if (m.task, m.metric) == key and m.model != m.partner]
        some, notes[key] = _chosen(pairs, paradigms(board))
        drawn += some
    called = labels(board)
    for each in drawn:
        note = notes.get((each.task, each.metric), "") if each.model != each.partner else ""
        models = [called.get(m, m) for m in (each.model, each.partner)]
        who = models[0] if each.model == each.partner else f"{models[0]} (rows) and {models[1]} (columns)"
        of = "+".join(dict.fromkeys((each.model, each.partner)))
        for kind in ("", "odd", "even") if _apart(each) else ("",):
            shown[figure_name(each.metric, of, kind, each.task)] = _figure(each, kind, who, note)
    return shown


@analysis("layer_similarity", figures=draw)
def layer_similarity(board: Board) -> list[dict[str, Any]]:
    """Similarity of every two layers, of one model (`cka_layers`) and of two, after Grigg et al. 2021 (2110.00528).

    One row for each two layers: `layer` of `model`, `partner_layer` of `partner`; within a model each two layers once,
    and its own name as partner. `parity` is ``odd`` for two residual branches before their additions, ``even`` for two
    others, empty for one of each and for models without such taps. Layers of single views of images are left out.
    Values are means over seeds. The figures have at most 12 pairs of each task and metric, those with a supervised
    model first; the rows have all. No rows without a task such as ``grams@DATASET``.
    """
    return [
        {
            "task": each.task, "metric": each.metric, "model": each.model, "partner": each.partner, "layer": layer,
            "partner_layer": other, "parity": each.parity(layer, other), "value": value, "low": low, "high": high,
        }
        for each in matrices(board)
        for (layer, other), (value, low, high) in each.scores.items()
    ]  # fmt: skip


def matrices(board: Board) -> list[Matrix]:
    """Within models, then between them, models grouped by paradigm."""
    return [*_within(board), *_between(board)]


def _within(board: Board) -> Iterator[Matrix]:
    groups: dict[tuple[str, str], list[tuple[tuple[str, str], int]]] = defaultdict(list)
    for i, column in enumerate(board.columns):
        if (names := _two(column.variant)) is not None:
            groups[column.task, column.metric].append((names, i))
    rows = {row.model: row for row in board.rows}
    for (task, metric), columns in groups.items():
        scores: dict[str, dict[tuple[str, str], Scored]] = {}
        for model in paradigms(board):
            entries = {names: rows[model].entries[i] for names, i in columns if model in rows}
            done = {names: (e.value, e.low, e.high) for names, e in entries.items() if e.value is not None}
            if done:
                scores[model] = done
        layers = by_depth(board, task, {model: _seen(done) for model, done in scores.items()})
        for model, done in scores.items():
            yield Matrix(task, metric, model, model, layers[model], layers[model], done)


def _between(board: Board) -> Iterator[Matrix]:
    groups: dict[tuple[str, ...], dict[tuple[str, str], list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for pair in board.pairs:
        if (names := _two(pair.variant)) is not None:
            groups[pair.task, pair.metric, pair.model, pair.partner][names].append(pair)
    place = {model: at for at, model in enumerate(paradigms(board))}
    for key, by_layers in sorted(groups.items(), key=lambda g: (g[0][:2], place[g[0][2]], place[g[0][3]])):
        task, metric, model, partner = key
        layers, others = (list(dict.fromkeys(names[side] for names in by_layers))[::-1] for side in (0, 1))
        scores = {names: scored(seeds) for names, seeds in by_layers.items()}
        yield Matrix(task, metric, model, partner, layers, others, scores)


def _two(variant: str) -> tuple[str, str] | None:
    """The two layers that a variant names, ``layer4~layer3``."""
    first, between, second = variant.partition(BETWEEN)
    return (first, second) if between and VIEW not in variant else None


def _seen(names: Mapping[tuple[str, str], object]) -> list[str]:
    """The layers of pairs, in their order: the first of pairs, then what is second only."""
    return list(dict.fromkeys([*(a for a, _ in names), *(b for _, b in names)]))


def _apart(each: Matrix) -> bool:
    """Whether there are odd and even layers on both sides."""
    return all({"odd", "even"} <= {parity(x, side) for x in side} for side in (each.layers, each.others))


def _chosen(pairs: Sequence[Matrix], groups: Mapping[str, str]) -> tuple[Sequence[Matrix], str]:
    """The pairs to draw, and what to say of the others."""
    if len(pairs) <= MOST:
        return pairs, ""
    first = sorted(pairs, key=lambda m: "supervised" not in (groups[m.model], groups[m.partner]))
    return first[:MOST], f"{MOST} of {len(pairs)} pairs are drawn, those with a supervised model first"


def _figure(each: Matrix, kind: str, who: str, note: str) -> Figure:
    rows, columns = (
        [x for x in side if not kind or parity(x, side) == kind] for side in (each.layers, each.others)
    )  # fmt: skip
    said = {"odd": "odd layers: residual branches before their additions", "even": "even layers", "": ""}[kind]
    return heatmap(
        np.array([[each.value(a, b) for b in columns] for a in rows]), rows, columns, who, label=each.metric, low=0.0,
        high=1.0, origin="lower", subtitle="; ".join(filter(None, (each.task, said, note))),
    )  # fmt: skip
