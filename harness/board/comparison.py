"""Two models, column by column: how far apart they are, how surely, and what it comes to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.board.table import Board, Column, Entry
from harness.draws import paired
from harness.errors import HarnessError, nearest
from harness.numerics.omnibus import wilcoxon_holm
from harness.numerics.ranking import FEWEST, over_tasks

TAILS = (0.025, 0.975)
Verdict = Literal["a", "b", "undecided", ""]
Method = Literal["paired", "unpaired", ""]
Floats = NDArray[np.float64]


class Difference(NamedTuple):
    """One column of two models.

    Attributes:
        value: of the scores, in the metric's unit, positive where the first model is better; of a metric that only
            describes, the first less the second; None where one has no score.
        low, high: its 95 % interval; None where the scores have none.
        method: ``paired`` by the bootstrap's draws of the same images, ``unpaired`` from the two scores' intervals.
        verdict: which one is better, where the interval leaves out 0; empty for what cannot be judged.
        note: why it is not paired, or not judged.
    """

    column: Column
    a: Entry
    b: Entry
    value: float | None = None
    low: float | None = None
    high: float | None = None
    method: Method = ""
    verdict: Verdict = ""
    note: str = ""

    @property
    def scale(self) -> float | None:
        """What makes the difference one of scores on 0 to 100; None for a metric without bounds."""
        low, high = self.column.bounds
        return None if low is None or high is None else 100 / (high - low)


class Overall(NamedTuple):
    """What the columns come to that both models have, that are ranked, and whose metrics have bounds.

    Attributes:
        datasets: sets of images.
        mean: of the differences, each score on 0 to 100, weighed as the board's rule weighs them.
        over: what its interval (low, high) generalises over: other test ``images`` of these tasks, by paired draws;
            other ``datasets`` like these, from the spread of their means (`harness.numerics.ranking.over_tasks`);
            empty where it has none.
        wilcoxon: p of the signed-rank test over datasets (`harness.numerics.omnibus`); None below six.
    """

    columns: int
    datasets: int
    mean: float
    low: float | None = None
    high: float | None = None
    over: Literal["images", "datasets", ""] = ""
    wilcoxon: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Model `a` against model `b`. `counts` are of ranked columns: ``a``, ``b``, ``undecided``, ``unjudged``."""

    a: str
    b: str
    differences: tuple[Difference, ...]
    counts: dict[str, int]
    overall: Overall | None

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        shown = ("value", "low", "high", "n", "mark", "status")
        rows = [
            {"task": d.column.task, "metric": d.column.measure, "unit": d.column.unit,
             "higher_is_better": d.column.higher_is_better, "ranked": d.column.ranked,
             **{side: {name: getattr(e, name) for name in shown} for side, e in (("a", d.a), ("b", d.b))},
             "difference": d.value, "low": d.low, "high": d.high, "method": d.method, "verdict": d.verdict,
             "note": d.note}
            for d in self.differences
        ]  # fmt: skip
        overall = None if self.overall is None else self.overall._asdict()
        return {"a": self.a, "b": self.b, "counts": self.counts, "overall": overall, "columns": rows}


def compare(board: Board, a: str, b: str) -> Comparison:
    """Compare two models of a board. Raises `HarnessError` for a name that is not on it, and for one given twice."""
    rows = {row.model: row for row in board.rows}
    for name in (a, b):
        if name not in rows:
            raise HarnessError(f"no model named {name!r} in these runs{nearest(name, rows)}")
    if a == b:
        raise HarnessError(f"{a!r} is given twice: a comparison takes two models")
    pairs = zip(board.columns, rows[a].entries, rows[b].entries, strict=True)
    found = [difference(*pair) for pair in pairs if any(e.status != "missing" for e in pair[1:])]
    judged = Counter(d.verdict or "unjudged" for d in found if d.column.ranked)
    counts = {name: judged[name] for name in ("a", "b", "undecided", "unjudged")}
    return Comparison(a, b, tuple(found), counts, _overall(found, board.rule.weights))


def difference(column: Column, a: Entry, b: Entry) -> Difference:
    """The difference of two models' entries in a column."""
    if a.value is None or b.value is None:
        absent = " and ".join(f"{side} is {e.status}" for side, e in (("A", a), ("B", b)) if e.value is None)
        return Difference(column, a, b, note=absent)
    sign = -1 if column.higher_is_better is False else 1
    value, why = sign * (a.value - b.value), _unpaired(a, b)
    found = Difference(column, a, b, value, note=why)
    if not why:
        low, high = (value + np.quantile(_noise(found), TAILS)).tolist()
        found = found._replace(low=low, high=high, method="paired")
    elif a.low is not None and a.high is not None and b.low is not None and b.high is not None:
        low, high = _recovered((a.value, a.low, a.high), (b.value, b.low, b.high), sign)
        found = found._replace(low=low, high=high, method="unpaired")
    if column.higher_is_better is None:
        return found._replace(note="neither is better: the metric describes")
    if found.low is None or found.high is None:
        return found._replace(note="a score has no interval")
    return found._replace(verdict="a" if found.low > 0 else "b" if found.high < 0 else "undecided")


def _unpaired(a: Entry, b: Entry) -> str:
    """Why two scores cannot be paired; empty where they can."""
    if a.draws is None or b.draws is None:
        lacking = [side for side, e in (("A", a), ("B", b)) if e.draws is None]
        return f"not paired: no bootstrap draws of {' and '.join(lacking)}"
    if a.n != b.n or a.limit != b.limit:
        return f"not paired: {_images(a)} for A, {_images(b)} for B"
    return ""


def _images(entry: Entry) -> str:
    limit = "" if entry.limit is None else f" (limit {entry.limit:,})"
    return f"{entry.n:,} test images{limit}"


def _noise(found: Difference) -> Floats:
    """The paired bootstrap of a difference, about its own mean (R,); resampling biases some metrics, such as ECE."""
    drawn = paired((found.a.draws, found.b.draws))
    assert drawn is not None
    sign = -1 if found.column.higher_is_better is False else 1
    apart = sign * (drawn[:, 0] - drawn[:, 1])
    centred: Floats = apart - apart.mean()
    return centred


def _recovered(a: tuple[float, float, float], b: tuple[float, float, float], sign: int) -> tuple[float, float]:
    """The interval of ``sign * (a - b)`` from two independent values' own (value, low, high).

    Each end recovers the variance from the ends it depends on (MOVER: Zou & Donner, Statistics in Medicine 2008).
    """
    if sign < 0:
        a, b = b, a
    value = a[0] - b[0]
    return value - math.hypot(a[0] - a[1], b[2] - b[0]), value + math.hypot(a[2] - a[0], b[0] - b[1])


def _overall(found: Sequence[Difference], rule: Mapping[str, float]) -> Overall | None:
    counted = [d for d in found if d.column.ranked and d.value is not None and d.scale is not None]
    if not counted:
        return None
    scaled = np.array([float(d.value or 0.0) * float(d.scale or 0.0) for d in counted])
    names = [d.column.dataset for d in counted]
    alike = [1 / names.count(name) for name in names]  # where the rule ranked nobody it has no weights
    weights = np.array([rule.get(d.column.name, 0.0) for d in counted] if any(rule.values()) else alike)
    if not weights.any():
        return None
    weights = weights / weights.sum()
    means, share = _by_images(names, scaled, weights)
    overall = Overall(len(counted), len(means), float(weights @ scaled), wilcoxon=_wilcoxon(means))
    if all(d.method == "paired" for d in counted):
        noise = [w * float(d.scale or 0.0) * _noise(d) for w, d in zip(weights, counted, strict=True)]
        total = np.stack([each[: min(map(len, noise))] for each in noise]).sum(0)
        low, high = (overall.mean + np.quantile(total, TAILS)).tolist()
        return overall._replace(low=low, high=high, over="images")
    if len(means) < FEWEST or np.ptp(means) <= 1e-9 * np.abs(means).max():  # no spread, nothing to learn from it
        return overall
    spread = over_tasks(means[:, None], share)
    return overall._replace(low=float(spread.low[0]), high=float(spread.high[0]), over="datasets")


def _by_images(names: Sequence[str], scaled: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean difference and weight of each set of images: ``scenes[colour]`` and ``scenes[shape]`` are of the same."""
    plain = np.array([name.partition("[")[0] for name in names])
    members = [plain == name for name in dict.fromkeys(plain.tolist())]
    share = np.array([weights[own].sum() for own in members])
    return np.array([weights[own] @ scaled[own] for own in members]) / share, share


def _wilcoxon(means: Floats) -> float | None:
    """Of differences on 0 to 100; what only rounding makes a difference, or unequal, is none."""
    if len(means) < FEWEST:
        return None
    apart = np.round(means, 9)
    return float(wilcoxon_holm(np.stack([apart, np.zeros_like(apart)], 1))[0, 1])
