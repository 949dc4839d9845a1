"""Neighbourhoods by non-negative kernel regression, NNK (Shekkizhar & Ortega, ICASSP 2020, 1910.09383).

A point's NNK neighbours are those of its k nearest whose kernels, with positive weights, add up best to its own: the
theta > 0 of ``min over theta >= 0 of 1/2 theta' K_SS theta - theta' k_Sq``, where S are the k candidates. Neighbours
that lie behind others get no weight, so that their number follows the local dimension, not k.

Points come as B sets of n, each set among itself, and are scaled to unit length. All is done in float64: kernels of
near points are close to singular (a condition number of 2e5 is common with the cosine), and float32 products change the
neighbours of up to one point in a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from harness.numerics import nnls
from harness.numerics.knn import other_neighbours

Kernel = Literal["cosine", "gaussian"]
Mode = Literal["exact", "reference"]

TOGETHER = 1 << 24
"""Inner products that are kept at a time: 128 MiB."""
CHUNK = 1 << 22
"""Numbers of a temporary array: 32 MiB."""
GATHERED = 1 << 25
"""Numbers of the rows that are gathered at a time, off the CPU: 256 MiB."""
COINCIDENT = 1e-14
"""Squared distances of unit rows below this are rounding: 1e-7 is what float32 features resolve."""


@dataclass(frozen=True)
class Points:
    """R = B * n unit rows.

    Attributes:
        rows: (R, D) float64.
        size: n, the points of a set.
        gram: (R * n,) inner products within the sets, or None.
    """

    rows: Tensor
    size: int
    gram: Tensor | None

    @classmethod
    def of(cls, features: Tensor, whole: bool) -> Points:
        """The points of features (B, n, D), and their `gram` where `whole`; a row of zeros stays one."""
        unit = normalize(features.double(), dim=2)
        return cls(unit.flatten(0, 1), features.shape[1], (unit @ unit.mT).flatten() if whole else None)

    def products(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner products (M, s, t) of the points of indices a (M, s) and b (M, t), each pair of one set."""
        if self.gram is not None:
            at = (a * self.size).unsqueeze(2) + (b % self.size).unsqueeze(1)
            return self.gram.index_select(0, at.flatten()).view(at.shape)
        if self.rows.device.type != "cpu":
            together = max(1, GATHERED // (a.shape[1] * self.rows.shape[1]))
            parts = zip(torch.split(a, together), torch.split(b, together), strict=True)
            return torch.cat([self.rows[left] @ self.rows[right].mT for left, right in parts])
        found = self.rows.new_empty(*a.shape, b.shape[1])  # row by row, as what is gathered then stays in the cache
        rows = self.rows.numpy()
        with nnls.one_thread():
            for out, left, right in zip(found.numpy(), a.numpy(), b.numpy(), strict=True):
                first = rows.take(left, 0)
                np.matmul(first, (first if a is b else rows.take(right, 0)).T, out=out)
        return found


@dataclass(frozen=True)
class Neighbourhoods:
    """Neighbourhoods of R points.

    Attributes:
        index: (R, k) candidates, most similar first, as rows of the flattened sets.
        weight: (R, k) float64: theta, 0 for the candidates that are no neighbours.
    """

    index: Tensor
    weight: Tensor


def neighbourhoods(
    features: Tensor, k: int = 50, *, mode: Mode = "exact", kernel: Kernel = "cosine", batched: bool | None = None
) -> Neighbourhoods:
    """Return the NNK neighbourhoods of features (B, n, D), each set among itself; no point is its own neighbour.

    Args:
        k: candidates, the most cosine-similar; n - 1 where that is less.
        mode: how theta is found, see `harness.numerics.nnls`.
        kernel: ``cosine``: (1 + cos) / 2. ``gaussian``: exp(-d^2 / 2 sigma^2) of distances d between unit rows, with
            sigma a third of the mean distance to the k-th candidate, over the points of a set.
        batched: see `harness.numerics.nnls.exact`.

    Raises ValueError if a set has fewer than two points, or k is not positive.
    """
    found = [(points, among(points, k, mode, kernel, batched)) for points in groups(features, k, k * k // 2)]
    starts = np.cumsum([0, *(len(points.rows) for points, _ in found)]).tolist()
    index = torch.cat([each.index + start for (_, each), start in zip(found, starts, strict=False)])
    return Neighbourhoods(index, torch.cat([each.weight for _, each in found]))


def groups(features: Tensor, k: int, whole: int) -> Iterator[Points]:
    """Yield sets of features (B, n, D) together whose inner products fit in memory; errors as `neighbourhoods`.

    Args:
        whole: sets of up to so many points get all their inner products; for larger ones that would be more work than
            those that are asked for.
    """
    if features.ndim != 3 or features.shape[1] < 2 or k < 1:
        raise ValueError(f"expected features (B, n > 1, D) and k > 0: got {tuple(features.shape)}, {k}")
    size = features.shape[1]
    return (Points.of(sets, size <= whole) for sets in torch.split(features, max(1, TOGETHER // size**2)))


def among(points: Points, k: int, mode: Mode, kernel: Kernel, batched: bool | None = None) -> Neighbourhoods:
    """Return the neighbourhoods of all points; arguments as `neighbourhoods`."""
    solve = nnls.exact if mode == "exact" else nnls.reference
    index = candidates(points, min(k, points.size - 1))
    sigma = None if kernel == "cosine" else _widths(points, index[:, -1])
    weights = []
    for at in torch.split(torch.arange(len(index), device=index.device), max(1, CHUNK // (index.shape[1] + 1) ** 2)):
        members = torch.cat([index[at], at.unsqueeze(1)], 1)
        products = points.products(members, members)
        if sigma is None:
            similarity = (1 + products) / 2
        else:
            similarity = (-squared_distances(products) / (2 * sigma[at].square()).view(-1, 1, 1)).exp()
        weights.append(solve(similarity[:, :-1, :-1], similarity[:, :-1, -1], batched=batched))
    return Neighbourhoods(index, torch.cat(weights))


def candidates(points: Points, k: int) -> Tensor:
    """Return the k rows of its own set nearest to each point, without the point itself, (R, k)."""
    sets = torch.split(points.rows, points.size)
    return torch.cat([other_neighbours(x, k) + points.size * i for i, x in enumerate(sets)])


def squared_distances(products: Tensor) -> Tensor:
    """Return the squared distances (M, s, s) of points from their inner products, those of coinciding points 0."""
    own = products.diagonal(dim1=1, dim2=2)
    squared = own.unsqueeze(2) + own.unsqueeze(1) - 2 * products
    return torch.where(squared < COINCIDENT, 0, squared)


def _widths(points: Points, farthest: Tensor) -> Tensor:
    """The sigma of each point's set (R,), from each point's farthest candidate (R,)."""
    distance: Tensor = torch.linalg.vector_norm(points.rows - points.rows[farthest], dim=1)
    return (distance.view(-1, points.size).mean(1) / 3).clamp(min=1e-7).repeat_interleave(points.size)
