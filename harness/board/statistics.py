"""Ranks of models within columns. Plain Python: no table is large enough to need more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def ranks(values: Sequence[float], higher_is_better: bool = True) -> list[float]:
    """Fractional ranks: 1 is best, ties share the mean of the places they take (Kendall 1945; Demšar, JMLR 2006).

    Args:
        values: N scores.

    Returns: N ranks, which sum to N (N + 1) / 2.
    """
    result = [0.0] * len(values)
    order = sorted(range(len(values)), key=values.__getitem__, reverse=higher_is_better)
    before = 0
    for _, group in groupby(order, key=values.__getitem__):
        tied = list(group)
        for i in tied:
            result[i] = before + (len(tied) + 1) / 2
        before += len(tied)
    return result


def places(values: Sequence[float | None], higher_is_better: bool = True) -> list[int | None]:
    """1 for the best value, 2 for the second best distinct one, None for the rest and for absent values."""
    distinct = sorted({v for v in values if v is not None}, reverse=higher_is_better)
    place = {value: i + 1 for i, value in enumerate(distinct[:2])}
    return [None if v is None else place.get(v) for v in values]
