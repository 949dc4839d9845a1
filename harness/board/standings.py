"""From the scores of the ranked columns to the order of the models, and what of it the evidence supports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.board.statistics import ranks
from harness.board.table import Column, Entry, Rule, Standing
from harness.draws import paired
from harness.numerics.ranking import FEWEST, Inference, over_images, over_tasks, rank_intervals, tie_runs
from harness.suite import Ranking

Scores = NDArray[np.float64]
WORDS = {
    "score": "the mean of their scores, each on 0 to 100",
    "logit": "the mean of their scores on the logit scale, shown on 0 to 100",
    "rank": "the mean of their ranks",
}
LISTED = 6
"""Groups that the rule's line names."""
METHODS = {
    "images": "a paired bootstrap over test images of these tasks",
    "tasks": "paired sign flips over datasets like these",
}


class Standings(NamedTuple):
    """The outcome, of models in the order given.

    Attributes:
        order: the models by standing.
        ties: between places of that order.
        column_ranks: of each model, its fractional rank in each column.
    """

    rule: Rule
    of: tuple[Standing, ...]
    order: tuple[int, ...]
    ties: tuple[tuple[int, int], ...]
    average_ranks: tuple[float, ...]
    column_ranks: tuple[tuple[float, ...], ...]


def counted(columns: Sequence[Column], ranking: Ranking) -> list[Column]:
    """The columns, each with whether it counts: those that the ranking requires, or the primary ones."""
    if not ranking.require:
        return list(columns)
    wanted = [c.higher_is_better is not None and any(_matches(c, p) for p in ranking.require) for c in columns]
    return [replace(c, ranked=counts) for c, counts in zip(columns, wanted, strict=True)]


def absent(columns: Sequence[Column], ranking: Ranking) -> list[str]:
    """The required patterns that no column fits: then nobody has all that is required."""
    return [p for p in ranking.require if not any(c.ranked and _matches(c, p) for c in columns)]


def _matches(column: Column, pattern: str) -> bool:
    """Of a task that the pattern fits, the columns that count anyway, not all metrics; a bracket is part of a name."""
    escaped = pattern.replace("[", "[[]")
    return column.ranked if fnmatchcase(column.task, escaped) else fnmatchcase(column.name, escaped)


def standings(
    columns: Sequence[Column], entries: Sequence[Sequence[Entry]], ranking: Ranking, names: Sequence[str]
) -> Standings:
    """Order M models that have a score in all of T columns.

    Args:
        columns: T, those that count.
        entries: of each model, T.
        names: of the models; the order of those with the same score.
    """
    values = np.array([[e.value for e in row] for row in entries], np.float64).T  # (T, M)
    placed = [ranks(list(v), bool(c.higher_is_better)) for c, v in zip(columns, values, strict=True)]
    by, why = _possible(columns, ranking)
    weights, groups = _weights(columns, ranking)
    averages = tuple((weights @ np.array(placed)).tolist())
    scale = (
        np.array(placed) if by == "rank" else np.stack([scaled(v, c, by) for c, v in zip(columns, values, strict=True)])
    )
    total = weights @ scale
    sign = -1.0 if by == "rank" else 1.0
    over, inference, reason = _inferred(columns, entries, sign * scale, by, ranking, weights)
    shown = _shown(total, by)
    order = sorted(range(len(names)), key=lambda i: (round(-sign * float(total[i]), 12), names[i]))
    place = {i: at + 1 for at, i in enumerate(order)}
    best, worst = rank_intervals(inference.above) if inference is not None else (None, None)
    found = [
        Standing(
            float(shown[i]), *_interval(inference, i, by, sign), place[i],
            None if best is None else int(best[i]), None if worst is None else int(worst[i]),
        )
        for i in range(len(names))
    ]  # fmt: skip
    ties = tuple(tie_runs(inference.above, order)) if inference is not None else ()
    told = _told(columns, ranking, by, why, over, reason, groups)
    shares = dict(zip((c.name for c in columns), weights.tolist(), strict=True))
    rule = Rule(by, over, told, shares)
    return Standings(rule, tuple(found), tuple(order), ties, averages, tuple(zip(*placed, strict=True)))


def _possible(columns: Sequence[Column], ranking: Ranking) -> tuple[str, str]:
    """What to order by: ranks where a metric has no bounds to put its scores on one scale by; and why."""
    if ranking.by != "rank" and (free := [c for c in columns if None in c.bounds]):
        return "rank", f", as {free[0].measure} has no bounds to put it on one scale with others"
    return ranking.by, ""


def _weights(columns: Sequence[Column], ranking: Ranking) -> tuple[Scores, dict[str, list[int]]]:
    """Each column's weight (T,), which sum to 1, and the columns of each group."""
    groups: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        name = column.name if ranking.group == "none" else str(getattr(column, ranking.group)) or "none"
        groups.setdefault(name, []).append(i)
    weights = np.zeros(len(columns))
    for name, members in groups.items():
        weights[members] = ranking.weights.get(name, 1.0) / len(members)
    return weights / weights.sum(), groups


def scaled(values: Scores, column: Column, by: str) -> Scores:
    """Scores on 0 (the metric's worst) to 100 (its best), or their logits, clipped to what 10,000 images can tell."""
    low, high = column.bounds
    assert low is not None
    assert high is not None
    share = (values - low) / (high - low)
    share = share if column.higher_is_better else 1 - share
    if by == "score":
        return 100 * share
    share = share.clip(0.5e-4, 1 - 0.5e-4)
    return np.log(share / (1 - share))


def _shown(total: Scores, by: str) -> Scores:
    """Totals as people read them."""
    return 100 / (1 + np.exp(-total)) if by == "logit" else total


def _interval(found: Inference | None, i: int, by: str, sign: float) -> tuple[float | None, float | None]:
    if found is None or not (np.isfinite(found.low[i]) and np.isfinite(found.high[i])):
        return None, None
    ends = np.sort(sign * np.array([found.low[i], found.high[i]]))
    low, high = _shown(ends, by).clip(*((1, len(found.above)) if by == "rank" else (0, 100)))
    return float(low), float(high)


def _inferred(
    columns: Sequence[Column], entries: Sequence[Sequence[Entry]], scale: Scores, by: str, ranking: Ranking,
    weights: Scores,
) -> tuple[str, Inference | None, str]:  # fmt: skip
    """What the comparisons are over, the comparisons, and why there are none.

    Args:
        scale: (T, M), higher is better.
    """
    if scale.shape[1] < 2:
        return "", None, "there is one model"
    asked = by == "rank" or ranking.over == "tasks"
    reason = "not every score has bootstrap draws"
    if not asked:
        drawn = _drawn(columns, entries, by, weights)
        if drawn is not None:
            return "images", over_images(weights @ scale, drawn), ""
    if ranking.over == "images":
        return "", None, reason
    units: dict[str, list[int]] = {}
    for at, column in enumerate(columns):  # scores of the same images are one sample, however many there are
        units.setdefault(column.dataset.partition("[")[0], []).append(at)
    if len(units) < FEWEST:
        many = f"{len(units)} sets of images are" if len(units) > 1 else "one set of images is"
        few = f"{many} too few to speak of other datasets, which takes {FEWEST}"
        return "", None, few if asked else f"{reason}, and {few}"
    share = np.array([weights[members].sum() for members in units.values()])
    sums = np.stack([weights[members] @ scale[members] for members in units.values()])
    return "tasks", over_tasks(sums / share[:, None], share), ""


def _drawn(columns: Sequence[Column], entries: Sequence[Sequence[Entry]], by: str, weights: Scores) -> Scores | None:
    """Each model's total on every resample of the images, (R, M)."""
    if any(e.draws is None for row in entries for e in row):
        return None
    total: Scores | None = None
    for i, column in enumerate(columns):
        drawn = paired(row[i].draws for row in entries)
        assert drawn is not None
        part = weights[i] * scaled(drawn, column, by)
        total = part if total is None else total[: len(part)] + part[: len(total)]
    return total


def _told(
    columns: Sequence[Column], ranking: Ranking, by: str, why: str, over: str, reason: str,
    groups: Mapping[str, list[int]],
) -> str:  # fmt: skip
    """The rule in a line."""
    many = f"{len(columns)} columns" if len(columns) > 1 else "one column"
    listed = f" ({', '.join(groups)})" if len(groups) <= LISTED else ""
    grouped = "" if len(groups) == len(columns) else f", each {ranking.group} counting the same{listed}"
    weighed = ", ".join(f"{name} {weight:g}" for name, weight in ranking.weights.items() if name in groups)
    text = f"Ordered by {WORDS[by]} in {many}{why}{grouped}{f', weighed {weighed}' if weighed else ''}."
    if idle := ", ".join(name for name in ranking.weights if name not in groups):
        text += f" Weights that fit no {'column' if ranking.group == 'none' else ranking.group}: {idle}."
    if not over:
        return f"{text} No comparison: {reason}."
    return f"{text} Intervals and ties: 95 %, by {METHODS[over]}, all pairs of models at once."
