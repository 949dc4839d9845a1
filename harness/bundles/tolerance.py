"""When two records of one cell and key agree: the same computation, on another machine."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.records import Record, ScoreData

TOLERANCE = 2e-3
"""Of a metric's range, beside two images' share of it; of the score's size, where the metric has no bounds."""


def differences(one: Record, other: Record, tolerance: float = TOLERANCE) -> Iterator[str]:
    """What two records of a cell and key do not agree on, one line each, the first record's value first.

    A value and the ends of its interval may differ by `slack`: kernels of other devices and libraries round
    differently, and an image on the edge between two classes may fall to the other side.
    """
    if one.status != other.status:
        yield f"{_told(one)}, and {_told(other)}"
        return
    mine, theirs = ({score.variant: score for score in record.scores} for record in (one, other))
    for variant in mine.keys() ^ theirs.keys():
        yield f"{_named(variant)}is there once only"
    for variant in (v for v in mine if v in theirs):
        yield from _score(mine[variant], theirs[variant], one, tolerance)


def slack(a: float, b: float, n: int, record: Record, tolerance: float) -> float:
    """By how much two values of a metric may differ: `tolerance` of its range and two images, or of their size."""
    low, high = record.metric.get("bounds") or (None, None)
    if low is None or high is None:
        return tolerance * max(abs(a), abs(b))
    return float(high - low) * (tolerance + 2 / max(n, 1))


def _score(a: ScoreData, b: ScoreData, record: Record, tolerance: float) -> Iterator[str]:
    if a.n != b.n:
        yield f"{_named(a.variant)}{a.n:,} images, and {b.n:,}"
        return
    for what, x, y in (("", a.value, b.value), ("low end of interval ", a.low, b.low), ("high end ", a.high, b.high)):
        if x is None or y is None:
            if x is not y:
                yield f"{_named(a.variant)}{what}is there once only"
        elif not math.isclose(x, y, rel_tol=0, abs_tol=slack(x, y, a.n, record, tolerance)):
            yield f"{_named(a.variant)}{what}{x:.6g}, and {y:.6g}"


def _told(record: Record) -> str:
    return f"{record.score.value:.6g}" if record.status == "done" else f"{record.status} ({record.reason[:80]})"


def _named(variant: str) -> str:
    return f"{variant}: " if variant else ""
