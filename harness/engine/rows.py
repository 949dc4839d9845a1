"""Orders of a split's rows: a sweep's, and those of the arrays that it fills."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def not_sorted(rows: NDArray[np.int64]) -> bool:
    """Whether rows are in a random order."""
    return bool((np.diff(rows) < 0).any())


def in_order_of(first: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """All `rows`, those of `first` at the beginning and in its order."""
    return np.concatenate([first, np.setdiff1d(rows, first)])


def placed(own: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of a sweep's rows stands among a sink's own; -1 for those that are not."""
    order = np.argsort(own)
    at = np.minimum(np.searchsorted(own, rows, sorter=order), len(own) - 1)
    return np.where(own[order[at]] == rows, order[at], -1)
