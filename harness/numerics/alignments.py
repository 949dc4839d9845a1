"""Procrustes similarity and representational similarity analysis of two features of the same images, in float64."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.correlation import spearman

SPREAD = 1e-6
"""Features are constant where no value leaves its mean by more than this part of the largest: float32 rounding."""

RSA_IMAGES = 4096
"""RSA compares the pairs of so many images at most, 8.4 million; of more images it takes one fixed random choice."""


def centred(x: Tensor) -> Tensor:
    """Features (N, D) less their mean, float64. Raises `UndefinedError` where all images have the same."""
    x = x.double()
    out = x - x.mean(0)
    if out.abs().max() <= SPREAD * x.abs().max():
        raise UndefinedError(f"all {len(x)} images have the same features")
    return out


def compact(x: Tensor) -> Tensor:
    """Rows with the same inner products in no more dimensions than there are rows: (N, D) to (N, min(N, D))."""
    return x if x.shape[1] <= len(x) else torch.linalg.qr(x.T, mode="r").R.T


def procrustes(x: Tensor, y: Tensor) -> float:
    """Orthogonal Procrustes similarity of (N, D) and (N, E), 0 to 1: the nuclear norm of X'Y.

    X and Y are centred and of Frobenius norm 1. It is 1 - d^2 / 2 with d the distance of X from Y after the best
    orthogonal map (Ding et al. 2021, 2108.01661, equation 4, have d^2), and the cosine of the angular shape distance
    (Williams et al. 2021, 2110.14739). Raises `UndefinedError` for constant features.
    """
    a, b = (compact(centred(z)) for z in (x, y))
    return min(1.0, float(torch.linalg.svdvals((a / a.norm()).T @ (b / b.norm())).sum()))


def rsa(x: Tensor, y: Tensor) -> float:
    """Spearman correlation of the dissimilarities, 1 - Pearson's r over features, of all pairs of images, -1 to 1.

    Kriegeskorte et al. 2008, doi 10.3389/neuro.06.004.2008. Each pair of images counts once. Of more than `RSA_IMAGES`
    images those are drawn. Raises `UndefinedError` for constant features, an image whose features are all equal, and
    where all pairs are equally far apart.
    """
    if len(x) > RSA_IMAGES:
        drawn = torch.from_numpy(np.sort(np.random.RandomState(0).permutation(len(x))[:RSA_IMAGES])).to(x.device)
        x, y = x[drawn], y[drawn]
    rho = float(spearman(*(_dissimilarities(z).cpu().numpy() for z in (x, y))))
    if not np.isfinite(rho):
        raise UndefinedError(f"all pairs of {len(x)} images are equally far apart")
    return rho


def _dissimilarities(x: Tensor) -> Tensor:
    """1 - Pearson's r of each pair of rows of (N, D), (N (N - 1) / 2,)."""
    centred(x)  # raises where they are constant
    x = x.double()
    rows = x - x.mean(1, keepdim=True)
    flat = rows.abs().amax(1) <= SPREAD * x.abs().amax(1)
    if flat.any():
        raise UndefinedError(f"{int(flat.sum())} of {len(x)} images have features that are all equal: no correlation")
    rows = rows / rows.norm(dim=1, keepdim=True)
    first, second = torch.triu_indices(len(x), len(x), 1, device=x.device)
    similarity: Tensor = rows @ rows.T
    return (1 - similarity[first, second]).round(decimals=10)  # equal distances stay equal, as ranks need
