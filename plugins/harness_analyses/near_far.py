"""What do models lose on targets unlike their source? After Tendle & Hasan 2021 (2109.09150).

The paper's own datasets and statistics could not be established: the definitions here are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import analysis
from harness.errors import HarnessError
from harness.numerics.correlation import FEWEST
from harness.plots import Axis, Point, scatter
from harness_analyses.common import figure_name
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Column, Entry

SOURCE = "imagenet"
NEITHER = ("none", "unknown", "image-text")
RESAMPLES = 2000

Pair = tuple[float, float]


@dataclass(frozen=True)
class Quantity:
    """One kind of score under one protocol: the columns on near and on far datasets."""

    protocol: str
    name: str
    unit: str
    near: tuple[int, ...]
    far: tuple[int, ...]


class Gap(NamedTuple):
    """Means over the near and the far datasets, and the 95 % interval of their difference."""

    near: float
    far: float
    interval: Pair | None = None

    @property
    def gap(self) -> float:
        return self.near - self.far


def draw(board: Board) -> Figures:
    """For each protocol and quantity: every model's mean over far datasets against its mean over near ones."""
    called, paradigms = labels(board), {row.model: row.paradigm for row in board.rows}
    shown: Figures = {}
    for quantity in quantities(board):
        models = of_models(board, quantity)
        if len(models) > 1:
            points = [Point(called[model], gap.near, gap.far, paradigms[model]) for model, gap in models.items()]
            unit = quantity.unit or "no unit"
            x = Axis(f"{quantity.name}, {unit}, mean over {len(quantity.near)} near datasets")
            y = Axis(f"{quantity.name}, {unit}, mean over {len(quantity.far)} far datasets")
            title = f"{quantity.protocol}: {quantity.name} near and far"
            shown[figure_name(quantity.protocol, quantity.name)] = scatter(
                points, x, y, title, subtitle=f"{len(models)} models", groups=paradigms.values()
            )
    return shown


@analysis("near_far", figures=draw)
def near_far(board: Board) -> list[dict[str, Any]]:
    """What each model, and each kind of pretraining, loses from datasets near ImageNet to those far from it.

    Near or far is what the datasets' cards say; ImageNet itself counts as neither. For each protocol with datasets of
    both kinds: ``accuracy`` is the metric that ranks models on each dataset, and every other metric (confidence on
    correct and on wrong predictions, calibration) goes by its own name. `near` and `far` are means over `near_datasets`
    and `far_datasets`, of the models that have all of them; `gap` is near minus far.

    A model's `gap_ci` is normal (1.96 standard errors): the scores' intervals over test images, taken as independent
    between datasets. It says nothing of other datasets. Those of ``self-supervised`` and ``supervised``, and of their
    difference, are 95 % percentile bootstrap intervals over models, the groups resampled apart; a group of fewer than
    four models is not resampled, so that the interval speaks of the other alone. Models without pretraining, of unknown
    paradigm or trained with text are in neither group. Intervals that cannot be given are None.

    Raises `HarnessError` where no protocol has a score on datasets of both kinds.
    """
    found = list(quantities(board))
    if board.rows and not found:
        raise HarnessError(
            "no protocol has a score on both a near and a far dataset (their cards say which: 'harness show DATASET'); "
            "add tasks on datasets of the other kind"
        )
    return [_row(q, *line) for q in found for line in _lines(of_models(board, q), _groups(board))]


def quantities(board: Board) -> Iterator[Quantity]:
    """The kinds of scores that are there for near and far datasets alike."""
    by_protocol: dict[str, list[tuple[int, Column]]] = {}
    for i, column in enumerate(board.columns):
        if column.near is not None and column.dataset != SOURCE:
            by_protocol.setdefault(column.protocol, []).append((i, column))
    for protocol, columns in by_protocol.items():
        made: set[tuple[int, ...]] = set()
        names = ["accuracy", *dict.fromkeys(c.measure for _, c in columns)]
        for name in names:
            fitting = [(i, c) for i, c in columns if (c.ranked if name == "accuracy" else c.measure == name)]
            near, far = (tuple(i for i, c in fitting if c.near is side) for side in (True, False))
            units = {c.unit for _, c in fitting}
            if near and far and len(units) == 1 and near + far not in made:
                made.add(near + far)
                yield Quantity(protocol, name, units.pop(), near, far)


def of_models(board: Board, quantity: Quantity) -> dict[str, Gap]:
    """The gap of each model that has a score on every dataset."""
    found = {}
    for row in board.rows:
        near, far = ([row.entries[i] for i in side] for side in (quantity.near, quantity.far))
        if all(e.status == "done" for e in near + far):
            found[row.model] = _gap(near, far)
    return found


def _gap(near: Sequence[Entry], far: Sequence[Entry]) -> Gap:
    means = [fmean(float(e.value or 0.0) for e in side) for side in (near, far)]
    halves = [[e.half for e in side] for side in (near, far)]
    if any(h is None for side in halves for h in side):
        return Gap(means[0], means[1])
    half = math.sqrt(sum(sum(h**2 for h in side if h is not None) / len(side) ** 2 for side in halves))
    middle = means[0] - means[1]
    return Gap(means[0], means[1], (middle - half, middle + half))  # each half is 1.96 standard errors, so theirs is


def _groups(board: Board) -> dict[str, list[str]]:
    """The models pretrained without and with labels."""
    groups: dict[str, list[str]] = {"self-supervised": [], "supervised": []}
    for row in board.rows:
        if row.paradigm not in NEITHER:
            groups["supervised" if row.paradigm == "supervised" else "self-supervised"].append(row.model)
    return groups


def _lines(models: Mapping[str, Gap], groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, int, Gap]]:
    """Who, how many models, and their gap: the groups and their difference, then every model."""
    members = {name: [models[m] for m in group if m in models] for name, group in groups.items()}
    present = {name: gaps for name, gaps in members.items() if gaps}
    for name, gaps in present.items():
        interval = _interval(_draws([g.gap for g in gaps], 0)) if len(gaps) >= FEWEST else None
        yield name, len(gaps), Gap(fmean(g.near for g in gaps), fmean(g.far for g in gaps), interval)
    if len(present) == 2:
        ours, theirs = present.values()
        draws = [_draws([g.gap for g in gaps], seed) for seed, gaps in enumerate((ours, theirs))]
        interval = _interval(draws[0] - draws[1]) if max(len(ours), len(theirs)) >= FEWEST else None
        near = fmean(g.near for g in ours) - fmean(g.near for g in theirs)
        far = fmean(g.far for g in ours) - fmean(g.far for g in theirs)
        yield " − ".join(present), len(ours) + len(theirs), Gap(near, far, interval)
    yield from ((model, 1, gap) for model, gap in models.items())


def _draws(values: Sequence[float], seed: int) -> NDArray[np.float64]:
    """Means of resampled values, (RESAMPLES,); the plain mean where there are too few to resample."""
    if len(values) < FEWEST:
        return np.full(RESAMPLES, fmean(values))
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    means: NDArray[np.float64] = np.asarray(values, np.float64)[drawn].mean(1)
    return means


def _interval(draws: NDArray[np.float64]) -> Pair:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _row(quantity: Quantity, who: str, models: int, gap: Gap) -> dict[str, Any]:
    return {
        "protocol": quantity.protocol, "quantity": quantity.name, "unit": quantity.unit, "of": who, "models": models,
        "near": gap.near, "far": gap.far, "gap": gap.gap, "gap_ci": None if gap.interval is None else [*gap.interval],
        "near_datasets": len(quantity.near), "far_datasets": len(quantity.far),
    }  # fmt: skip
