"""Leave-one-out prediction of a number from a few others, over few points such as models, with permutation p-values.

NumPy and scikit-learn: no sample here is large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.numerics.correlation import spearman

Floats = NDArray[np.float64]
Predict = Callable[[Floats, Floats], Floats]
"""From features (N, P) and R rows of targets (R, N) to what is predicted of each target from the others, (R, N)."""

STRENGTHS = 10.0 ** np.arange(-2, 3.1, 0.5)
"""L2 strengths that ridge chooses from, times the number of features."""
DEPTH = 2
"""Of the tree."""
FLAT = 1e-12
"""A feature varies if its range is more than this share of its greatest value."""


class Predicted(NamedTuple):
    """How well each of N points is predicted from the others.

    Attributes:
        values: (N,) predictions.
        r2: 1 - SSE / SST, SST about the mean of the others.
        spearman: of predictions and truth; None where all predictions are the same.
        p: how often permuted targets are predicted with an R² as large, (b + 1) / (m + 1).
    """

    values: Floats
    r2: float
    spearman: float | None
    p: float


def leave_one_out(x: Floats, y: Floats, predict: Predict, permutations: int, seed: int = 0) -> Predicted:
    """Predict targets y (N,) from features x (N, P), and targets permuted over the points for the p-value.

    The mean of the other points has an R² of 0; its rank correlation is -1, so that of useless predictions is often
    negative.

    Raises ValueError where y is constant, or there are fewer than three points.
    """
    if len(y) < 3 or np.ptp(y) == 0:
        raise ValueError(f"{len(y)} targets: three at least are needed, and not all the same")
    random = np.random.default_rng(seed)
    targets = np.concatenate([y[None], random.permuted(np.tile(y, (permutations, 1)), axis=1)])
    values = predict(x, targets)
    found = r2(targets, values)
    p = (1 + int((found[1:] >= found[0]).sum())) / (1 + permutations)
    rho = float(spearman(values[0], y))
    return Predicted(values[0], float(found[0]), rho if np.isfinite(rho) else None, p)


def r2(y: Floats, predicted: Floats) -> Floats:
    """1 - SSE / SST along the last axis, (..., N) to (...), with SST about the mean of the other points."""
    n = y.shape[-1]
    total: Floats = (n / (n - 1)) ** 2 * np.square(y - y.mean(-1, keepdims=True)).sum(-1)
    found: Floats = 1 - np.square(y - predicted).sum(-1) / total
    return found


def by_ridge(x: Floats, targets: Floats) -> Floats:
    """What ridge regression (Hoerl & Kennard 1970) predicts of each point from the others; see `Predict`.

    Every fold z-scores its features and chooses among `STRENGTHS` by the leave-one-out error of its own points, whose
    residuals are e_i / (1 - h_ii) (Allen 1974). It never sees the point that it predicts.
    """
    n, features = x.shape
    found = np.empty_like(targets)
    for i in range(n):
        rest = np.arange(n) != i
        z, point = _standardised(x[rest], x[i])
        y = targets[:, rest]
        size, u = np.linalg.eigh(z @ z.T)
        shrunk = 1 / (np.maximum(size, 0) + features * STRENGTHS[:, None])  # (G, N - 1)
        hat = 1 / len(z) + np.einsum("ij,gj,kj->gik", u, shrunk * size, u)
        residual = (np.eye(len(z)) - hat) / (1 - np.einsum("gii->gi", hat))[:, :, None]
        errors = np.stack([np.square(y @ of.T).sum(1) for of in residual])  # (G, R)
        weights = 1 / len(z) + (shrunk * (u.T @ (z @ point))) @ u.T  # (G, N - 1)
        chosen = np.argmin(errors, axis=0)
        found[:, i] = np.take_along_axis(weights @ y.T, chosen[None], 0)[0]
    return found


def by_tree(x: Floats, targets: Floats) -> Floats:
    """What a regression tree of depth `DEPTH` (Breiman et al. 1984) predicts of each point from the others.

    See `Predict`. Of splits that are equally good, a fixed seed decides.
    """
    from sklearn.tree import DecisionTreeRegressor

    found = np.empty_like(targets)
    single = np.asfortranarray(x, np.float32)  # what scikit-learn's trees split on
    tree = DecisionTreeRegressor(max_depth=DEPTH, random_state=0)
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        kept, point = np.asfortranarray(single[rest]), np.ascontiguousarray(single[i : i + 1])
        for r, y in enumerate(targets[:, rest]):
            found[r, i] = tree.fit(kept, y[:, None], check_input=False).predict(point, check_input=False)[0]
    return found


def _standardised(x: Floats, point: Floats) -> tuple[Floats, Floats]:
    """Features (N, P) and another point (P,) in standard deviations from the mean; 0 where they do not vary."""
    mean, sd = x.mean(0), x.std(0)
    varies = np.ptp(x, 0) > FLAT * np.abs(x).max(0)
    scale = np.where(varies, sd, np.inf)
    return (x - mean) / scale, (point - mean) / scale
