"""Losses of a batch of linear classifiers, with their residuals, exact in float32 however small they get.

Logits are (n, A, C): n images, A problems, C columns of weights a problem. The textbook cross-entropy,
logsumexp(z) - z_y, is a difference of numbers of the logits' size; float32 can't resolve it below about 1e-6, where
the weakly regularised fits live. Here it is softplus(logsumexp_{j != y}(z_j - z_y)), which keeps its relative accuracy
down to the smallest float, and the residual of y is minus the sum of the others.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

LINEAR_ABOVE = 100.0
"""Where softplus(x) is x in float64 as well."""


class Loss(Protocol):
    """B classification problems on the same N images."""

    columns: int
    """C, the columns of weights a problem has."""

    curvature: Tensor
    """(B,) mean eigenvalue of the loss's Hessian in the logits, at the prior."""

    prior: Tensor
    """(B, C) the biases that are optimal when all weights are zero."""

    def __call__(self, logits: Tensor, rows: slice, problems: Tensor) -> Tensor:
        """Return the loss summed over the images `rows`, (A,) float64, of the problems with these indices (A,).

        Overwrites the logits (n, A, C) with the residual, each image's derivative of its loss by its logits.
        """
        ...


class Softmax:
    """Multinomial cross-entropy: B problems that share the targets (N,), in which each of the C > 1 classes occurs."""

    def __init__(self, targets: Tensor, classes: int, problems: int, dtype: torch.dtype) -> None:
        self.targets = targets
        self.columns = classes
        self.curvature = torch.full((problems,), (1 - 1 / classes) / classes, dtype=dtype, device=targets.device)
        log_frequency = targets.bincount(minlength=classes).double().log()
        self.prior = (log_frequency - log_frequency.mean()).to(dtype).expand(problems, classes)

    def __call__(self, logits: Tensor, rows: slice, problems: Tensor) -> Tensor:
        image = torch.arange(len(logits), device=logits.device)
        target = self.targets[rows]
        margin = logits.sub_(logits[image, :, target].unsqueeze(2))
        margin[image, :, target] = -torch.inf
        top = margin.amax(2, keepdim=True)
        odds = margin.sub_(top).exp_()
        total = odds.sum(2, keepdim=True)
        rival = total.log() + top
        error = rival.sigmoid()
        odds.mul_(error / total)
        odds[image, :, target] = -error.squeeze(2)
        return softplus(rival, threshold=LINEAR_ABOVE).sum((0, 2), dtype=torch.float64)


class Binary:
    """Logistic loss of G * L problems: problem g * L + l has the l-th column of the targets (N, L), in {0, 1}."""

    columns = 1

    def __init__(self, targets: Tensor, strengths: int, dtype: torch.dtype) -> None:
        self.signs = 2 * targets.to(dtype) - 1
        frequency = targets.double().mean(0).repeat(strengths)
        self.curvature = (frequency * (1 - frequency)).to(dtype)
        self.prior = frequency.logit().to(dtype).unsqueeze(1)

    def __call__(self, logits: Tensor, rows: slice, problems: Tensor) -> Tensor:
        sign = self.signs[rows][:, problems % self.signs.shape[1]].unsqueeze(2)
        rival = logits.mul_(-sign)
        loss = softplus(rival, threshold=LINEAR_ABOVE).sum((0, 2), dtype=torch.float64)
        rival.sigmoid_().mul_(-sign)
        return loss
