"""Does ImageNet top-1 predict transfer? Section 4.6 and appendix A.7 of Ericsson et al. 2021 (2011.13377)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness import analysis
from harness.numerics.correlation import Correlation, correlate
from harness.plots import LINEAR, Axis, Point, Scale, logit, scatter
from harness_analyses.common import figure_name
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Column, Entry

LAST_DIGIT = 0.005
"""Half of the last digit of a percentage with two decimals."""

Values = Mapping[str, float]


class Rescaled(NamedTuple):
    """How the scores of a column enter a correlation, and on which axis they stand."""

    scale: Scale
    bounded: bool
    sign: int

    def of(self, entry: Entry, low: float, high: float) -> float:
        value = float(entry.value or 0.0)
        if not self.bounded:
            return self.sign * value
        share = 1 / (2 * entry.n) if entry.n else LAST_DIGIT / 100
        least, most = low + share * (high - low), high - share * (high - low)
        return self.scale.to(min(max(value, least), most))


@dataclass(frozen=True)
class Series:
    """What is correlated with ImageNet top-1: one column, or the average over a setting's datasets.

    Attributes:
        values: by model, as they enter.
    """

    column: str
    setting: str
    values: Values
    label: str
    scale: Scale


def draw(board: Board) -> Figures:
    """A scatter plot of every series that has a correlation: averages of settings, and single columns."""
    top1 = imagenet_top1(board)
    shown: Figures = {}
    called, paradigms = labels(board), {row.model: row.paradigm for row in board.rows}
    reported = _reported(board)
    for each in series(board):
        found, models = _correlated(each, top1)
        if found.pearson is None:
            continue
        mixed = 0 < sum(m in reported for m in models) < len(models)
        points = [
            Point(called[m], top1[m], each.values[m], paradigms[m], hollow=mixed and m in reported) for m in models
        ]
        what = each.setting if each.column == "average" else each.column
        x = Axis("ImageNet top-1, % (logit scale)", logit(0, 100))
        name = f"average {each.setting}" if each.column == "average" else each.column
        shown[figure_name(name)] = scatter(
            points, x, Axis(each.label, each.scale), f"{what}: r = {_signed(found.pearson)}", subtitle=_said(found),
            hollow="reported", groups=paradigms.values(),
        )  # fmt: skip
    return shown


@analysis("imagenet_correlation", figures=draw)
def imagenet_correlation(board: Board) -> list[dict[str, Any]]:
    """How ImageNet top-1 correlates, over models, with each column and with each setting (Ericsson et al. 2021, A.7).

    A setting is a protocol on a collection of datasets; its row, ``average``, correlates the mean over the datasets of
    what enters for each one's ranking metric, of the models that have all of them.

    What enters is logit((score - low) / (high - low)) of a score with two bounds and the bare score of others, not
    negated where lower is better, except errors in degrees, which the paper leaves bare and negates. A score at a bound
    is moved off it by half a test image (by 0.005 % of the range where their number is unknown).

    ImageNet top-1 is the score on the dataset ``imagenet`` where the board has one, else the ``imagenet_top1`` that the
    model's card reports. `left_out` counts the models that have the score but no ImageNet top-1.

    `pearson_ci` and `spearman_ci` are 95 % percentile bootstrap intervals over the models; over as few as 14 they are
    a little narrow. All four are None below four models, or where a side is constant. There are no rows where no
    model's ImageNet top-1 is known.
    """
    top1, rows = imagenet_top1(board), []
    for each in series(board) if top1 else ():
        found, models = _correlated(each, top1)
        rows.append(
            {
                "column": each.column, "setting": each.setting, "n": found.n,
                "pearson": found.pearson, "pearson_ci": _list(found.pearson_ci),
                "spearman": found.spearman, "spearman_ci": _list(found.spearman_ci),
                "left_out": len(each.values) - len(models),
            }
        )  # fmt: skip
    return rows


def imagenet_top1(board: Board) -> dict[str, float]:
    """The logit of each model's ImageNet top-1, of the models that have one."""
    at = _imagenet_column(board)
    found = {}
    for row in board.rows:
        if at is not None and row.entries[at].status == "done":
            found[row.model] = _rescaled(board.columns[at]).of(row.entries[at], 0, 100)
        elif (card := (row.card.get("reported") or {}).get("imagenet_top1")) is not None:
            found[row.model] = logit(0, 100).to(min(max(float(card), LAST_DIGIT), 100 - LAST_DIGIT))
    return found


def series(board: Board) -> Iterator[Series]:
    """The settings' averages, then every column, without the one that ImageNet top-1 comes from."""
    at = _imagenet_column(board)
    columns = [(i, c) for i, c in enumerate(board.columns) if i != at]
    for name, group in groupby(sorted(columns, key=lambda ic: _setting(ic[1])), key=lambda ic: _setting(ic[1])):
        if found := _average(board, name, list(group)):
            yield found
    for i, column in columns:
        label = f"{'−' if _rescaled(column).sign < 0 else ''}{column.measure}, {column.unit or 'no unit'}"
        scale = _rescaled(column).scale
        yield Series(column.name, _setting(column), _values(board, i), f"{label}{_note(column)}", scale)


def _average(board: Board, name: str, columns: Sequence[tuple[int, Column]]) -> Series | None:
    """The average of a setting's ranking metrics; None where a dataset has several, or bounded and others would mix."""
    ranked = [(i, c) for i, c in columns if c.ranked] or columns
    datasets = Counter(c.dataset for _, c in ranked)
    if max(datasets.values()) > 1 or len({_rescaled(c).bounded for _, c in ranked}) > 1:
        return None
    found = [_values(board, i) for i, _ in ranked]
    models = [m for m in found[0] if all(m in values for values in found)]
    first = ranked[0][1]
    measures = list(dict.fromkeys(c.measure for _, c in ranked))
    over = f"mean over {len(ranked)} datasets" if len(ranked) > 1 else first.dataset
    label = f"{', '.join(measures[:3])}, {first.unit or 'no unit'}, {over}{_note(first)}"
    mean = {m: math.fsum(values[m] for values in found) / len(found) for m in models}
    return Series("average", name, mean, label, _rescaled(first).scale)


def _setting(column: Column) -> str:
    return f"{column.protocol} {column.collection}".strip()


def _rescaled(column: Column) -> Rescaled:
    low, high = column.bounds
    if column.unit == "°":
        return Rescaled(LINEAR, False, -1)
    if low is None or high is None:
        return Rescaled(LINEAR, False, 1)
    return Rescaled(logit(low, high), True, 1)


def _values(board: Board, at: int) -> dict[str, float]:
    """What enters of a column, by model."""
    rescaled, (low, high) = _rescaled(board.columns[at]), board.columns[at].bounds
    done = [(row.model, row.entries[at]) for row in board.rows if row.entries[at].status == "done"]
    return {model: rescaled.of(entry, low or 0.0, high or 0.0) for model, entry in done}


def _imagenet_column(board: Board) -> int | None:
    """Where ImageNet top-1 stands; of several protocols, that with the most scores."""
    found = [i for i, c in enumerate(board.columns) if (c.dataset, c.metric) == ("imagenet", "top1")]
    return max(found, key=lambda i: sum(row.entries[i].status == "done" for row in board.rows), default=None)


def _correlated(each: Series, top1: Values) -> tuple[Correlation, list[str]]:
    """The correlation, and the models that it is of."""
    models = [model for model in each.values if model in top1]
    x, y = (np.array([v[m] for m in models], np.float64) for v in (top1, each.values))
    return correlate(x, y), models


def _list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _note(column: Column) -> str:
    return " (logit scale)" if _rescaled(column).bounded else ""


def _said(found: Correlation) -> str:
    """The correlations in words."""
    parts = [("Pearson", found.pearson, found.pearson_ci), ("Spearman", found.spearman, found.spearman_ci)]
    words = [f"{name} {_signed(r)} ({' to '.join(map(_signed, ci))})" for name, r, ci in parts if r is not None and ci]
    return f"{', '.join(words)}, 95 % intervals; {found.n} models"


def _signed(r: float) -> str:
    return f"{r:.2f}".replace("-", "−")


def _reported(board: Board) -> set[str]:
    """The models of which every score is reported."""
    kinds = {row.model: {e.kind for e in row.entries if e.status == "done"} for row in board.rows}
    return {model for model, found in kinds.items() if found == {"reported"}}
