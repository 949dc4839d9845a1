"""How features are distributed over the unit sphere and over their units."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from harness.errors import UndefinedError
from harness.numerics.influence import Estimate, estimate

BLOCK = 2048


def directions(x: Tensor) -> Tensor:
    """Return rows (..., D) scaled to length 1, float64. Raises `UndefinedError` where one is all zero."""
    unit = normalize(x.double(), dim=-1, eps=0)
    if not bool(unit.isfinite().all()):
        row = int((~unit.isfinite().reshape(len(x), -1).all(1)).nonzero()[0])
        raise UndefinedError(f"the features of image {row} are all zero and have no direction")
    return unit


def uniformity(x: Tensor, t: float) -> Estimate:
    """Return the log of the mean of exp(-t |z_i - z_j|^2) over all pairs of different images, z = x / |x|.

    Wang & Isola, Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere, ICML 2020, section 4.1.2. Products are in the features' dtype.

    Args:
        x: (N, D).

    Raises `UndefinedError` for fewer than two images or all-zero features of one.
    """
    if len(x) < 2:
        raise UndefinedError("uniformity needs two images")
    blocks = torch.split(directions(x).to(x.dtype), BLOCK)
    potential = torch.zeros(len(blocks), BLOCK, dtype=torch.float64)
    for i, one in enumerate(blocks):
        for j, other in enumerate(blocks[: i + 1]):
            kernel = (one @ other.T).sub_(1).mul_(2 * t).exp_()
            if i == j:
                kernel.fill_diagonal_(0)
            else:
                potential[j, : len(other)] += kernel.sum(0, dtype=torch.float64)
            potential[i, : len(one)] += kernel.sum(1, dtype=torch.float64)
    potential = potential.flatten()[: len(x)] / (len(x) - 1)
    mean = potential.mean()
    return estimate(float(mean.log()), 2 * potential / mean)


def hoyer(x: Tensor) -> Tensor:
    """Return each row's sparseness (sqrt(D) - |x|_1 / |x|_2) / (sqrt(D) - 1), (N,): 0 all equal, 1 one unit alone.

    Hoyer, Non-negative matrix factorization with sparseness constraints, JMLR 5 (2004), section 3.1.

    Raises `UndefinedError` for D = 1 or a row of zeros.
    """
    root = math.sqrt(x.shape[1])
    if root == 1:
        raise UndefinedError("the sparseness of a single unit is undefined")
    return (root - directions(x).abs().sum(1)) / (root - 1)
