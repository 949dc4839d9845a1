"""Correlation over few points, such as models, with bootstrap intervals. NumPy: no sample here is large."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST = 4
"""Points below which no correlation is given."""

Floats = NDArray[np.float64]
Interval = tuple[float, float]


class Correlation(NamedTuple):
    """Pearson's r and Spearman's rho with 95 % intervals; None where they are undefined."""

    n: int
    pearson: float | None = None
    pearson_ci: Interval | None = None
    spearman: float | None = None
    spearman_ci: Interval | None = None


def pearson(x: Floats, y: Floats) -> Floats:
    """Pearson's r along the last axis, (..., N) to (...); NaN where a side is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = (v - v.mean(-1, keepdims=True) for v in (x, y))
        x, y = (v / np.sqrt((v**2).sum(-1, keepdims=True)) for v in (x, y))
        r: Floats = np.clip((x * y).sum(-1), -1.0, 1.0)
    return r


def spearman(x: Floats, y: Floats) -> Floats:
    """Spearman's rho along the last axis: Pearson's r of fractional ranks, (..., N) to (...)."""
    from scipy.stats import rankdata

    return pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


def correlate(x: Floats, y: Floats, resamples: int = 2000, seed: int = 0) -> Correlation:
    """Both correlations of N pairs, with 95 % percentile bootstrap intervals over the pairs (Efron & Tibshirani 1993).

    Resamples in which a side is constant are left out. Over as few as 14 pairs such intervals are a little narrow:
    of normal pairs with r = 0.8 they hold the true r in 90 % of samples (1,500 simulated).

    Args:
        x, y: (N,).

    Returns: nothing but `n` for fewer than `FEWEST` pairs or a constant side.
    """
    n = len(x)
    if n < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(n)
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    drawn = drawn[(np.ptp(x[drawn], 1) > 0) & (np.ptp(y[drawn], 1) > 0)]
    r, rho = ((float(of(x, y)), _interval(of(x[drawn], y[drawn]))) for of in (pearson, spearman))
    return Correlation(n, *r, *rho)


def _interval(draws: Floats) -> Interval:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)
