"""How alike are models? Every metric of pairs of models as a matrix."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness import analysis
from harness.plots import heatmap
from harness_analyses.common import figure_name, mean, paradigms
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Pair

ONE = frozenset((
    "attribution_rank", "attribution_ssim", "cka", "cka_biased", "cka_pooled", "cka_rbf", "knn_jaccard", "mutual_knn",
    "procrustes", "pwcca", "rsa", "svcca",
))  # fmt: skip
"""Metrics that are 1 for a model and itself."""
ORDERED = frozenset({"pwcca"})
"""Metrics that change when the two models change places."""

Scored = tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Matrix:
    """One metric's primary score, its value and interval, by ordered pair of models."""

    task: str
    metric: str
    variant: str
    scores: Mapping[tuple[str, str], Scored]

    @property
    def models(self) -> set[str]:
        return {model for pair in self.scores for model in pair}

    def of(self, models: list[str]) -> NDArray[np.float64]:
        """(M, M); nan where there is no score. A score counts for both orders unless the metric is of ordered pairs."""
        found = np.full((len(models), len(models)), math.nan)
        if self.metric in ONE:
            np.fill_diagonal(found, 1.0)
        at = {model: i for i, model in enumerate(models)}
        for (a, b), (value, _, _) in self.scores.items():
            found[at[a], at[b]] = value
            if self.metric not in ORDERED and (b, a) not in self.scores:
                found[at[b], at[a]] = value
        return found


def draw(board: Board) -> Figures:
    """A heatmap of models against models for every task and metric of pairs, models grouped by paradigm."""
    called, groups = labels(board), paradigms(board)
    shown: Figures = {}
    for each in matrices(board):
        models = [model for model in groups if model in each.models]
        values, names = each.of(models), [called.get(m, m) for m in models]
        marks = [groups[m] for m in models] if any(groups[m] for m in models) else []
        known = each.metric in ONE
        about = [f"{len(models)} models", f"layers {each.variant}" if "~" in each.variant else each.variant]
        about.append("weighted by the row's model" if each.metric in ORDERED else "")
        shown[figure_name(each.metric, each.task)] = heatmap(
            values, names, names, f"{each.task}: {each.metric}", label=each.metric,
            low=min(0.0, float(np.nanmin(values))) if known else None, high=1.0 if known else None,
            subtitle=", ".join(filter(None, about)), row_groups=marks, column_groups=marks,
        )  # fmt: skip
    return shown


@analysis("similarity", figures=draw)
def similarity(board: Board) -> list[dict[str, Any]]:
    """How alike every two models are, by every metric of pairs; the figures are models against models.

    One row for each pair that was measured, with the metric's primary score (of CKA between layers, that of the two
    models' embeddings), its mean over seeds. No rows without pairs: they take two models and a task such as
    ``embed@DATASET`` or ``grams@DATASET`` with their metrics.
    """
    groups = paradigms(board)
    return [
        {
            "task": each.task, "metric": each.metric, "variant": each.variant, "model": a, "partner": b,
            "paradigm": groups[a], "partner_paradigm": groups[b], "value": value, "low": low, "high": high,
        }
        for each in matrices(board)
        for (a, b), (value, low, high) in each.scores.items()
    ]  # fmt: skip


def matrices(board: Board) -> list[Matrix]:
    """Each task's and metric's scores of the variant that stands first."""
    primary: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, str], dict[tuple[str, str], list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for pair in board.pairs:
        key = pair.task, pair.metric
        if primary.setdefault(key, pair.variant) == pair.variant:
            found[key][pair.model, pair.partner].append(pair)
    return [
        Matrix(*key, primary[key], {models: scored(pairs) for models, pairs in sorted(by_models.items())})
        for key, by_models in sorted(found.items())
    ]


def scored(seeds: list[Pair]) -> Scored:
    """The mean over seeds, of the ends of the interval too."""
    return (mean([p.value for p in seeds]) or 0.0, mean([p.low for p in seeds]), mean([p.high for p in seeds]))
