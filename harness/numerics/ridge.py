"""Ridge regression at a whole grid of strengths, from one eigendecomposition (Hoerl & Kennard, 1970).

The objective is scikit-learn's, |Y - X W - b|^2 + weight_decay |W|^2 with a free b. Centred X is turned into its
eigenbasis, by the smaller of its Gram matrices, where each strength is a division. All in float64: besides the
features, two copies of them are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.numerics.eigenbasis import Eigenbasis


@dataclass(frozen=True)
class RidgePath:
    """One fit at each of G weight decays, to T targets, float64."""

    weight: Tensor
    """(G, T, D)"""
    bias: Tensor
    """(G, T)"""

    def predict(self, x: Tensor, g: int) -> Tensor:
        """Return the estimates (M, T), float64, of the features x (M, D) at the g-th weight decay."""
        return torch.addmm(self.bias[g], x.double(), self.weight[g].T)


def fit_ridge_path(x: Tensor, y: Tensor, weight_decays: Tensor) -> RidgePath:
    """Fit ridge regression to features x (N, D) and targets y (N, T) at each weight decay (G,).

    A direction in which the features do not vary gets no weight.

    Raises ValueError where the features, targets or weight decays can't be fitted.
    """
    if x.ndim != 2 or y.ndim != 2 or not len(x) or len(x) != len(y):
        raise ValueError(f"features must be (N, D), targets (N, T), N > 0: got {tuple(x.shape)}, {tuple(y.shape)}")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("features and targets must be finite")
    if weight_decays.ndim != 1 or not ((weight_decays > 0) & weight_decays.isfinite()).all():
        raise ValueError("weight decays must be (G,), positive and finite")
    basis, mean = Eigenbasis.of(x.double()), y.mean(0, dtype=torch.float64)
    covariance = (y.double() - mean).T @ basis.design[:, :-1] / len(x)
    strengths = weight_decays.to(mean).view(-1, 1, 1) / len(x)
    weight = covariance / (basis.variance[:-1] + strengths)
    bias = mean.expand(len(weight), -1).unsqueeze(2)
    fits = [basis.restore(fit) for fit in torch.cat([weight, bias], 2)]
    return RidgePath(torch.stack([weight for weight, _ in fits]), torch.stack([bias for _, bias in fits]))
