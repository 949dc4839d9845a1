"""Canonical correlations of two features of the same images, in float64.

SVCCA: Raghu et al. 2017, 1706.05806. PWCCA: Morcos et al. 2018, 1806.05759.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.alignments import centred

RANK = 1e-5
"""Directions whose singular value is below this part of the greatest count as none: the eigenvalues of the inner
products, in which it is squared, still tell it from rounding, and float32 features hold little more."""


def principal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (N, R) and singular values (R,), greatest first, of centred features (N, D) of rank R.

    Raises `UndefinedError` for constant features.
    """
    x = centred(x)
    wide = x.shape[1] >= len(x)
    values, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    values, vectors = values.flip(0), vectors.flip(1)
    rank = int((values > RANK**2 * values[0]).sum())
    singular, vectors = values[:rank].sqrt(), vectors[:, :rank]
    return (vectors if wide else x @ vectors / singular), singular


def svcca(x: Tensor, y: Tensor, variance: float = 0.99) -> float:
    """Mean canonical correlation of the first principal components of each, 0 to 1.

    Of each side, as few components are kept as hold `variance` of the sum of the squared singular values.

    Raises `UndefinedError` for constant features, and where the components of both sides are more than N - 1 together:
    some correlations are 1 then, whatever the features.
    """
    sides = []
    for z in (x, y):
        basis, singular = principal(z)
        share = singular.square().cumsum(0) / singular.square().sum()
        sides.append(basis[:, : int((share < variance).sum()) + 1])
    return float(correlate(*sides)[1].mean())


def pwcca(x: Tensor, y: Tensor) -> float:
    """Mean canonical correlation weighted by how much of x the canonical variates account for, 0 to 1; not symmetric.

    Variate h_i, a unit vector over the images, weighs sum_j |<h_i, x_j>| over the centred features x_j of x (section
    3.2 of the paper). Errors as `svcca`, of the full ranks.
    """
    basis, _ = principal(x)
    directions, correlations = correlate(basis, principal(y)[0])
    weights = (directions.T @ (basis.T @ centred(x))).abs().sum(1)
    return float(weights @ correlations / weights.sum())


def correlate(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Of two orthonormal bases (N, R) and (N, Q): canonical directions in the first, (R, K), and correlations (K,)."""
    images, ranks = len(a), (a.shape[1], b.shape[1])
    if sum(ranks) > images - 1:
        raise UndefinedError(
            f"{ranks[0]} and {ranks[1]} directions of {images} images: {sum(ranks) - images + 1} of the canonical "
            "correlations are 1 whatever the features; take more images"
        )
    directions, correlations, _ = torch.linalg.svd(a.T @ b, full_matrices=False)
    return directions, correlations.clamp(max=1.0)
