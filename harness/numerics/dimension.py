"""Intrinsic dimension from the distances to nearest neighbours."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.influence import Estimate, estimate

SPARE = 4
"""Neighbours found beyond the k asked for, whose order by rounded distances may be wrong."""


def nearest(x: Tensor, k: int, *, chunk: int = 1 << 22) -> tuple[Tensor, Tensor]:
    """Return the Euclidean distances (N, k), float64, ascending, and indices of each row's k nearest other rows.

    They are found by products in the features' dtype, and their distances taken from differences, which lose no
    digits where rows are close. At most about `chunk` products are alive at a time.

    Args:
        x: (N, D).

    Raises `UndefinedError` for fewer than k + 1 rows.
    """
    if len(x) <= k:
        raise UndefinedError(f"{k} neighbours need more than {k} images, there are {len(x)}")
    x = (x - x.mean(0, dtype=torch.float64)).to(x.dtype)
    squares, found = x.square().sum(1), min(k + SPARE, len(x) - 1)
    rows = max(1, min(chunk // len(x), chunk // (found * x.shape[1])))
    distances, indices = [], []
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        ranked = torch.addmm(squares, block, x.T, alpha=-2)
        own = torch.arange(len(block), device=x.device)
        ranked[own, start + own] = math.inf
        index = ranked.topk(found, largest=False).indices
        differences = x[index].sub_(block[:, None])
        distance, order = torch.linalg.vector_norm(differences, dim=2).sort(1)
        distances.append(distance[:, :k].double())
        indices.append(index.gather(1, order[:, :k]))
    return torch.cat(distances), torch.cat(indices)


def two_nn(x: Tensor, discard: float = 0.1) -> Estimate:
    """Return the dimension of features (N, D) by TwoNN: Facco et al., Scientific Reports 7, 12140 (2017).

    The slope, through the origin, of -log(1 - F) in log mu: mu is the distance to the second neighbour over that to the
    first, F(mu_i) = i / N for the i-th smallest, and the share `discard` of the greatest is left out. So are images
    whose features another shares.

    Raises `UndefinedError` for too few such images, and where all are as far from their second neighbour as from the
    first.
    """
    distances, index = nearest(x, 2)
    distinct = distances[:, 0] > 0
    ratios, order = (distances[distinct, 1] / distances[distinct, 0]).log().sort()
    kept = int(len(ratios) * (1 - discard))
    if kept < 2 or not bool(ratios[kept - 1] > 0):
        raise UndefinedError(f"TwoNN has {max(kept, 0)} distances that differ to fit, of {len(x)} images")
    ratios = ratios[:kept]

    def slope(weights: Tensor) -> Tensor:
        rank = -torch.log1p(-(weights.cumsum(0) / weights.sum())[:kept])
        return (weights[:kept] * ratios) @ rank / ((weights[:kept] * ratios) @ ratios)

    with torch.enable_grad():
        weights = torch.ones_like(order, dtype=torch.float64).requires_grad_()
        found = slope(weights)
        (change,) = torch.autograd.grad(found, weights)
    influence = torch.zeros(len(x), dtype=torch.float64)
    influence[distinct.nonzero()[order, 0]] = len(order) * change
    return estimate(float(found.detach()), influence, index)


def maximum_likelihood(x: Tensor, k: int) -> Estimate:
    """Return the maximum-likelihood dimension of features (N, D) from the distances r_1 ... r_k to k neighbours.

    Levina & Bickel, NIPS 2004, whose local estimates' inverses, the means of log(r_k / r_j) over j < k, are averaged
    as MacKay & Ghahramani (2005) correct it. Images whose features another shares are left out.

    Raises `UndefinedError` for fewer than k + 1 images, or where all neighbours are equally far.
    """
    distances, index = nearest(x, k)
    distinct = distances[:, 0] > 0
    inverse = (distances[:, -1:] / distances[:, :-1]).log().mean(1)[distinct]
    if not len(inverse) or not bool(inverse.mean() > 0):
        raise UndefinedError("the dimension is undefined: the images' features coincide, or are equally far apart")
    value = 1 / float(inverse.mean())
    influence = torch.zeros(len(x), dtype=torch.float64)
    influence[distinct] = (inverse.mean() - inverse) * value**2 * len(x) / len(inverse)
    return estimate(value, influence, index)
