"""A fixed split for images that come without one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


def stratified(targets: NDArray[np.int64], test_share: float) -> tuple[Index, Index]:
    """Sorted train and test indices: of each class in turn, `test_share` of its images, rounded, drawn with seed 0.

    A class of two images or more has at least one on each side.
    """
    rng = np.random.RandomState(0)
    test = np.zeros(len(targets), bool)
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        test[members[: np.clip(round(test_share * len(members)), 1, len(members) - 1)]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)
