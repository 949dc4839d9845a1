"""Features in the eigenbasis of their covariance, where the Hessian of a linear classifier is almost diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROWS = 4096
"""Images turned to float64 at a time."""


@dataclass(frozen=True)
class Eigenbasis:
    """Centred features on their R <= min(N, D) principal axes, strongest first, and a column of ones for the bias.

    A free bias absorbs the centring and an L2 penalty does not change under rotation, so a penalised linear classifier
    has the same optimum here as on the features. An axis without variance, whose optimal weight is 0, is dropped.
    """

    design: Tensor
    """(N, R + 1), in the features' dtype."""
    variance: Tensor
    """(R + 1,) mean square of each column."""
    mean: Tensor
    """(D,) float64"""
    axes: Tensor
    """(D, R) float64, orthonormal columns."""

    @classmethod
    def of(cls, x: Tensor) -> Eigenbasis:
        """Rotate the features x (N, D), by one float64 eigendecomposition of the smaller Gram matrix."""
        mean = x.mean(0, dtype=torch.float64)
        variance, axes = (_gram_axes if len(x) < x.shape[1] else _covariance_axes)(x, mean)
        design = x.new_ones(len(x), len(variance) + 1)
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            design[rows, :-1] = ((x[rows] - mean) @ axes).to(x.dtype)
        return cls(design, torch.cat([variance, variance.new_ones(1)]).to(x.dtype), mean, axes)

    def restore(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Turn weights on the design (C, R + 1) into weights (C, D) and biases (C,) on the features, float64."""
        weight = weight.double()
        on_features = weight[:, :-1] @ self.axes.T
        return on_features, weight[:, -1] - on_features @ self.mean

    def rotate(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Turn weights (B, C, D) and biases (B, C) on the features into weights (B, C, R + 1) on the design."""
        weight, bias = weight.double(), bias.double()
        return torch.cat([weight @ self.axes, (bias + weight @ self.mean).unsqueeze(2)], 2).to(self.design.dtype)


def _covariance_axes(x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nonzero variances (R,), descending, and their axes (D, R) from the D x D covariance."""
    variance, axes = torch.linalg.eigh(second_moments(x, mean))
    kept = above_rounding(variance, mean)
    return variance[kept].flip(0), axes[:, kept].flip(1)


def _gram_axes(x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same from the N x N Gram matrix. QR restores the orthonormality that weak axes lose."""
    centred = x - mean
    variance, images = torch.linalg.eigh(centred @ centred.T / len(x))
    kept = above_rounding(variance, mean)
    variance = variance[kept].flip(0)
    axes = centred.T @ images[:, kept].flip(1) / (len(x) * variance).sqrt()
    return variance, torch.linalg.qr(axes).Q


def second_moments(x: Tensor, shift: Tensor) -> Tensor:
    """Return (x - shift)'(x - shift) / N of features x (N, D), float64; `ROWS` of them are turned to it at a time."""
    moments = shift.new_zeros(len(shift), len(shift))
    for block in torch.split(x, ROWS):
        moved = block - shift
        moments.addmm_(moved.T, moved)
    return moments / len(x)


def above_rounding(values: Tensor, shift: Tensor) -> Tensor:
    """Return which eigenvalues (R,) of second moments are more than the rounding of those and of the shift (D,)."""
    eps = torch.finfo(values.dtype).eps
    return values > len(shift) * (eps * values.amax() + (eps * shift).square().amax())
