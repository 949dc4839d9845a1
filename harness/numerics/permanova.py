"""Whether groups explain distances: permutational analysis of variance (Anderson 2001, Austral Ecology 26:32)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

TOLERANCE = 1e-10
"""Sums of squares this close, relative to the total, are ties."""


class Permanova(NamedTuple):
    """The test's outcome.

    Attributes:
        f: pseudo-F; infinite where no two members of a group are apart.
        r2: the share of the squared distances that lies between groups.
        p: how often relabelled points give a pseudo-F as large.
        permutations: labellings looked at.
        exact: whether they are all there are.
    """

    f: float
    r2: float
    p: float
    permutations: int
    exact: bool


def permanova(distances: Floats, groups: Sequence[str], permutations: int = 9999, seed: int = 0) -> Permanova:
    """Pseudo-F of a grouping of N points (Anderson 2001, equations 1 to 4), and its permutation p-value.

    p is exact, over every distinct labelling, where those are no more than `permutations`; otherwise it is
    (b + 1) / (m + 1) of m random ones. Groups that differ in spread alone can give a small p as well.

    Args:
        distances: (N, N), symmetric.
        groups: the N labels.

    Raises ValueError for sizes that do not fit, for one group, for groups of one point each, and where all points
    coincide.
    """
    names, labels = np.unique(np.asarray(list(groups)), return_inverse=True)
    n, many = len(labels), len(names)
    squared = np.square(np.asarray(distances, np.float64))
    if squared.shape != (n, n):
        raise ValueError(f"distances must be ({n}, {n}), as there are {n} labels: got {squared.shape}")
    if not 1 < many < n:
        raise ValueError(f"{n} points in {many} groups: there must be two groups, and one of two points")
    total = float(squared.sum()) / (2 * n)
    if total == 0:
        raise ValueError("all points coincide")
    within = float(within_groups(squared, labels[None])[0])
    drawn, exact = _labellings(labels, permutations, seed)
    hits = int((within_groups(squared, drawn) <= within + TOLERANCE * total).sum())  # F falls as this sum rises
    between = max(total - within, 0.0)
    f = between / (many - 1) / (within / (n - many)) if within > TOLERANCE * total else math.inf
    p = hits / len(drawn) if exact else (hits + 1) / (len(drawn) + 1)
    return Permanova(f, between / total, p, len(drawn), exact)


def within_groups(squared: Floats, labels: Integers) -> Floats:
    """Sums of squares within groups, (P,), of squared distances (N, N) under P labellings (P, N)."""
    found = np.zeros(len(labels))
    for group in range(int(labels.max()) + 1):
        members = (labels == group).astype(np.float64)
        found += ((members @ squared) * members).sum(1) / (2 * members.sum(1))
    return found


def _labellings(labels: Integers, most: int, seed: int) -> tuple[Integers, bool]:
    """All distinct labellings with groups of the same sizes, (P, N), or `most` random ones; and whether it is all."""
    sizes = [size for _, size in sorted(Counter(labels.tolist()).items())]
    if math.factorial(len(labels)) // math.prod(map(math.factorial, sizes)) <= most:
        return np.array(list(_distinct(sizes))), True
    random = np.random.default_rng(seed)
    return random.permuted(np.tile(labels, (most, 1)), axis=1), False


def _distinct(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Every distinct labelling by groups of these sizes."""
    *first, last = sizes
    if not first:
        yield [0] * last
        return
    n = sum(sizes)
    for chosen in map(set, combinations(range(n), last)):
        for before in _distinct(first):
            others = iter(before)
            yield [len(first) if i in chosen else next(others) for i in range(n)]
