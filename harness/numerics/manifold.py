"""Metrics of the manifold on which features lie, from their NNK neighbourhoods.

After Cosentino et al. 2022 (2209.08622), which tells no formulas: the definitions are our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.numerics import nnk
from harness.numerics.nnk import CHUNK, Kernel, Mode, Neighbourhoods, Points

WHOLE = 1 << 12
"""Sets of up to so many points keep all inner products (128 MiB); larger ones make them where they are asked for."""
FLAT, FLOOR = 1e-8, nnk.COINCIDENT
"""Share of the largest variance among neighbours below which a direction is none of their span's, and its least."""


@dataclass(frozen=True)
class Geometry:
    """Of B sets of n points, each (B, n) float64.

    Attributes:
        neighbours: numbers of NNK neighbours: the local dimension.
        diameter: the greatest distance between two neighbours; 0 where there are fewer than two.
        affinity: 0 to 1, how little the tangent space turns from a point to its neighbours.
    """

    neighbours: Tensor
    diameter: Tensor
    affinity: Tensor


def manifold(
    features: Tensor, k: int = 50, *, mode: Mode = "exact", kernel: Kernel = "cosine", batched: bool | None = None
) -> Geometry:
    """Return the geometry of features (B, n, D), each set among itself, scaled to unit length (our definitions).

    A point's tangent space is the span of its neighbours less their mean, with an orthonormal basis U. Its affinity is
    the mean, over its neighbours j, of |U_i' U_j|_F / sqrt(min(d_i, d_j)), d the dimensions: 1 where one space holds
    the other, as a space of no dimension is held by any. A point without neighbours has affinity 1.

    No basis is ever written out: all comes from inner products, so that D costs nothing but these. Memory: 128 MiB of
    them, R * w^2 numbers for R points of up to w neighbours, and temporary arrays of 32 MiB.

    Arguments and errors as `harness.numerics.nnk.neighbourhoods`.
    """
    groups = nnk.groups(features, k, WHOLE)
    parts = [_geometry(points, nnk.among(points, k, mode, kernel, batched)) for points in groups]
    whole = (torch.cat(each).view(features.shape[:2]) for each in zip(*parts, strict=True))
    return Geometry(*whole)


def _geometry(points: Points, found: Neighbourhoods) -> tuple[Tensor, Tensor, Tensor]:
    """Number of neighbours, diameter and affinity of each point, (R,)."""
    count = (found.weight > 0).sum(1)
    first = (found.weight > 0).int().argsort(dim=1, descending=True, stable=True)
    index = found.index.gather(1, first[:, : max(1, int(count.max()))])
    bases, diameters = [], []
    block = max(1, CHUNK // index.shape[1] ** 2)
    for members, size in zip(torch.split(index, block), torch.split(count, block), strict=True):
        products = points.products(members, members)
        inside = torch.arange(members.shape[1], device=members.device) < size.unsqueeze(1)
        both = inside.unsqueeze(2) & inside.unsqueeze(1)
        diameters.append(torch.where(both, nnk.squared_distances(products), 0).amax((1, 2)).sqrt())
        bases.append(_basis(products * both, inside.double()))
    return count.double(), torch.cat(diameters), _affinity(points, index, count, torch.cat(bases))


def _basis(products: Tensor, inside: Tensor) -> Tensor:
    """Coefficients A (M, w, w) of orthonormal bases X' A of centred neighbours, from their products X X' (M, w, w).

    Columns beyond the dimension are 0, and so are rows that are not `inside` (M, w).
    """
    mean = (products @ inside.unsqueeze(2)) / inside.sum(1).clamp(min=1).view(-1, 1, 1)
    grand = (mean.squeeze(2) * inside).sum(1) / inside.sum(1).clamp(min=1)
    centred = (products - mean - mean.mT + grand.view(-1, 1, 1)) * inside.unsqueeze(2) * inside.unsqueeze(1)
    variance, vector = torch.linalg.eigh(centred)
    variance, vector = variance.flip(1), vector.flip(2)  # the largest first, so that cuts to fewer columns keep all
    spans = (variance > FLAT * variance[:, :1]) & (variance > FLOOR)
    basis: Tensor = vector * torch.where(spans, variance, torch.inf).rsqrt().unsqueeze(1) * inside.unsqueeze(2)
    return basis


def _affinity(points: Points, index: Tensor, count: Tensor, basis: Tensor) -> Tensor:
    """Affinity of each point (R,), from its neighbours, the first `count` (R,) of `index` (R, w), and bases' A."""
    inside = torch.arange(index.shape[1], device=index.device) < count.unsqueeze(1)
    source = torch.arange(len(index), device=index.device).repeat_interleave(count)
    target = index[inside]
    ends = torch.minimum(source, target) * len(index) + torch.maximum(source, target)
    pairs, which = torch.unique(ends, return_inverse=True)  # a pair's affinity is that of both its ends
    table = torch.zeros_like(index, dtype=torch.float64)
    table[inside] = _pairs(points, index, count, basis, torch.stack([pairs // len(index), pairs % len(index)]))[which]
    return torch.where(count > 0, table.sum(1) / count.clamp(min=1), 1)


def _pairs(points: Points, index: Tensor, count: Tensor, basis: Tensor, pairs: Tensor) -> Tensor:
    """Affinity of each pair of points (2, P), (P,). Pairs of about as many neighbours go together, to pad little."""
    dimension = (basis != 0).any(1).sum(1)
    width, order = count[pairs].amax(0).sort()
    found = torch.empty_like(width, dtype=torch.float64)
    together = max(1, CHUNK // index.shape[1] ** 2)
    for block, widths in zip(torch.split(order, together), torch.split(width, together), strict=True):
        w = int(widths[-1])
        i, j = pairs[:, block]
        left, right = basis[i, :w, :w], basis[j, :w, :w]
        overlap = (left.mT @ points.products(index[i, :w], index[j, :w]) @ right).square().sum((1, 2))
        least = torch.minimum(dimension[i], dimension[j])
        found[block] = torch.where(least > 0, (overlap / least.clamp(min=1)).sqrt().clamp(max=1), 1)
    return found
