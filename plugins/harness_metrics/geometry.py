"""Metrics of manifold geometry: each describes a representation, and is no merit.

The mean over points is the score, and beside it stand their standard deviation and quartiles.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness import metric
from harness.evidence import Manifold
from harness.metrics import Weighted

if TYPE_CHECKING:
    from torch import Tensor

QUARTILES = {"q25": 0.25, "q50": 0.5, "q75": 0.75}
Summary = dict[str, "Tensor | Weighted"]


@metric("nnk_neighbours", accepts=Manifold, bounds=(0, float("inf")), higher_is_better=None)
def nnk_neighbours(m: Manifold) -> Summary:
    """Number of a point's NNK neighbours: the local dimension (our definition, after Cosentino et al. 2022).

    See 2209.08622. A description, not a merit. Mean, standard deviation and quartiles over points.
    """
    return _summary(m.neighbours)


@metric("nnk_diameter", accepts=Manifold, bounds=(0, 2), higher_is_better=None)
def nnk_diameter(m: Manifold) -> Summary:
    """Greatest distance between a point's NNK neighbours, of features of unit length (our definition): the spread.

    Small on an augmentation manifold means invariant. A description, not a merit. Mean, standard deviation and
    quartiles over points.
    """
    return _summary(m.diameter)


@metric("nnk_affinity", accepts=Manifold, bounds=(0, 1), higher_is_better=None)
def nnk_affinity(m: Manifold) -> Summary:
    """Affinity of a point's tangent space with those of its NNK neighbours (our definition): 1 is flat, low is curved.

    A description, not a merit. Mean, standard deviation and quartiles over points.
    """
    return _summary(m.affinity)


def _summary(values: Tensor) -> Summary:
    """Mean, standard deviation and quartiles over all points of (N, V), of which an image's go together."""
    points = values.double()
    mean, square = points.mean(1), (points - points.mean()).square().mean(1)
    shift = mean - points.mean()

    def sd(w: Tensor) -> Tensor:
        total = w.sum(1)
        return (w @ square / total - (w @ shift / total).square()).clamp(min=0).sqrt()

    quartiles = {name: Weighted(partial(_quantile, points, q)) for name, q in QUARTILES.items()}
    return {"mean": mean, "sd": Weighted(sd), **quartiles}


def _quantile(values: Tensor, q: float, weights: Tensor) -> Tensor:
    """The quantile of (N, V) whose rows are repeated by weights (R, N), linear between ranks as NumPy's: (R,)."""
    import torch

    flat, order = values.flatten().sort()
    ends = weights[:, order // values.shape[1]].cumsum(1)
    rank = q * (ends[:, -1:] - 1)
    below = torch.searchsorted(ends, torch.cat([rank.floor(), rank.floor() + 1], 1), right=True)
    low, high = flat[below.clamp(max=len(flat) - 1)].unbind(1)
    return torch.lerp(low, high, (rank - rank.floor()).squeeze(1))
