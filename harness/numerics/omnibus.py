"""Several models on several tasks: Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006.

Values are (T, M), tasks by models, all finite, oriented so that higher is better. NumPy and SciPy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import UndefinedError

COMPUTED = 2000
"""Distances whose p-value is computed each; more are interpolated between as many."""
ENUMERATED, BLOCK = 13, 500
"""Tasks up to which every pattern of signs is looked at, and pairs of models tested at a time."""

Floats = NDArray[np.float64]


class Friedman(NamedTuple):
    """The statistic, its p-value from chi-squared with M - 1 degrees of freedom, and average ranks (M,), 1 the best."""

    statistic: float
    p: float
    ranks: Floats


class Nemenyi(NamedTuple):
    """P-values (M, M), 1 on the diagonal, and the difference of average ranks at which they are 1 - confidence."""

    p: Floats
    critical_difference: float


def friedman(values: ArrayLike) -> Friedman:
    """Friedman's test that all models rank alike, corrected for ties (Conover 1999).

    Raises `UndefinedError` for fewer than three models or two tasks, and where all models tie everywhere; ValueError
    for values that are not (T, M) and finite.
    """
    from scipy.stats import chi2

    ranks = _ranks(values)
    tasks, models = ranks.shape
    middle = (models + 1) / 2
    spread = np.square(ranks - middle).sum()
    if spread == 0:
        raise UndefinedError("all models have the same scores: there is nothing to compare")
    average = ranks.mean(0)
    statistic = float(tasks**2 * (models - 1) * np.square(average - middle).sum() / spread)
    return Friedman(statistic, float(chi2.sf(statistic, models - 1)), average)


def nemenyi(values: ArrayLike, confidence: float = 0.95) -> Nemenyi:
    """Nemenyi's test of all pairs by their average ranks (Demšar 2006).

    Raises as `friedman` does, but ties are no obstacle.
    """
    from scipy.stats import studentized_range

    ranks = _ranks(values)
    tasks, models = ranks.shape
    unit = math.sqrt(models * (models + 1) / (12 * tasks))  # of the range of independent average ranks
    average = ranks.mean(0)
    distances = np.abs(average[:, None] - average) / unit
    asked, where = np.unique(distances.round(9), return_inverse=True)
    known = asked if len(asked) <= COMPUTED else np.linspace(0.0, asked[-1], COMPUTED)
    p = np.interp(asked, known, studentized_range.sf(known, models, np.inf))[where].reshape(distances.shape)
    np.fill_diagonal(p, 1.0)
    return Nemenyi(p.clip(0.0, 1.0), float(studentized_range.ppf(confidence, models, np.inf)) * unit)


def wilcoxon_holm(values: ArrayLike) -> Floats:
    """Wilcoxon's signed-rank test of every pair of models, (M, M), corrected by Holm's method; 1 on the diagonal.

    Tasks of equal scores are left out. Exact up to 13 tasks, and up to 50 without ties; else normal, as SciPy's are.
    Benavoli, Corani & Mangili (JMLR 2016) advise it instead of Nemenyi's test, in which what is found of two models
    depends on the others.

    Raises `UndefinedError` for fewer than two models or tasks, ValueError as `friedman` does.
    """
    v = _checked(values, 2)
    v /= np.abs(v).max() or 1.0
    first, second = np.triu_indices(v.shape[1], 1)
    test = _enumerated if len(v) <= ENUMERATED else _wilcoxon
    blocks = (slice(at, at + BLOCK) for at in range(0, len(first), BLOCK))
    found = [test(np.round(v[:, first[some]] - v[:, second[some]], 12)) for some in blocks]  # what looks tied is
    p = np.ones((v.shape[1], v.shape[1]))
    p[first, second] = p[second, first] = holm(np.concatenate(found))
    return p


def holm(p: Floats) -> Floats:
    """P-values (K,) adjusted for their number (Holm, Scandinavian Journal of Statistics 1979)."""
    order = np.argsort(p)
    adjusted: Floats = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order])
    return adjusted.clip(max=1.0)


def win_rates(values: ArrayLike) -> Floats:
    """The share of tasks where the row's model is better than the column's, ties half, (M, M); 0.5 on the diagonal."""
    v = _checked(values, 1, 1)
    wins = np.zeros((v.shape[1], v.shape[1]))
    for row in v:
        wins += np.sign(row[:, None] - row)
    return 0.5 + wins / (2 * len(v))


def _enumerated(differences: Floats) -> Floats:
    """Exact p-values of the columns of (T, K), from all 2^T patterns of signs, of which half mirror the others."""
    from scipy.stats import rankdata

    magnitudes = np.where(differences == 0, math.nan, np.abs(differences))
    ranks = np.nan_to_num(rankdata(magnitudes, axis=0, nan_policy="omit"))
    patterns = 1.0 - 2 * (np.arange(2 ** (len(ranks) - 1))[:, None] >> np.arange(len(ranks)) & 1)
    seen = np.abs((np.sign(differences) * ranks).sum(0))
    p: Floats = (np.abs(patterns @ ranks) >= seen - 0.25).mean(0)  # sums of ranks are multiples of a half
    return p


def _wilcoxon(differences: Floats) -> Floats:
    """P-values of the columns of (T, K); 1 for one that is zero throughout."""
    from scipy.stats import wilcoxon

    magnitudes = np.sort(np.abs(differences), axis=0)
    exact = (len(differences) <= 50) & (magnitudes[0] > 0) & (np.diff(magnitudes, axis=0) > 0).all(0)
    p = np.ones(differences.shape[1])
    for some, method in ((exact, "exact"), (~exact & (magnitudes[-1] > 0), "asymptotic")):
        if some.any():
            p[some] = wilcoxon(differences[:, some], axis=0, method=method).pvalue
    return p


def _ranks(values: ArrayLike) -> Floats:
    """Fractional ranks within each task, (T, M), 1 is the best."""
    from scipy.stats import rankdata

    found: Floats = rankdata(-_checked(values, 3), axis=1)
    return found


def _checked(values: ArrayLike, models: int, tasks: int = 2) -> Floats:
    v = np.array(values, np.float64)
    if v.ndim != 2 or not np.isfinite(v).all():
        raise ValueError(f"values must be (T, M) and finite: got {v.shape}")
    if len(v) < tasks or v.shape[1] < models:
        raise UndefinedError(f"it takes {models} models and {tasks} tasks: there are {v.shape[1]} and {len(v)}")
    return v
