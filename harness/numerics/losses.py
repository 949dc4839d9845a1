"""Losses of a batch of linear classifiers, with their residuals, exact in float32 however small they get.

Logits are (A, C, n): A problems, C columns of weights a problem, n images, innermost so that a pass over any number of
classes is vectorised. The textbook cross-entropy, logsumexp(z) - z_y, is a difference of numbers of the logits' size;
float32 can't resolve it below about 1e-6, where the weakly regularised fits live. Here it is
softplus(logsumexp_{j != y}(z_j) - z_y), which keeps its relative accuracy down to the smallest float, and the residual
of y is minus the sum of the others.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus

LINEAR_ABOVE = 100.0
"""Where softplus(x) is x in float64 as well."""


class Loss(Protocol):
    """B classification problems on the same N images, at each strength L of them: B = strengths L."""

    columns: int
    """C, the columns of weights a problem has."""

    labels: int
    """L, the problems that differ in targets: b has those of b % L."""

    curvature: Tensor
    """(L,) mean eigenvalue of the loss's Hessian in the logits, at the prior."""

    prior: Tensor
    """(L, C) the biases that are optimal when all weights are zero."""

    def __call__(self, logits: Tensor, rows: slice, problems: Tensor) -> Tensor:
        """Return the loss summed over the images `rows`, (A,) float64, of the problems with these indices (A,).

        Overwrites the logits (A, C, n) with the residual, each image's derivative of its loss by its logits.
        """
        ...


class Softmax:
    """Multinomial cross-entropy: problems that share the targets (N,), in which each of the C > 1 classes occurs."""

    labels = 1

    def __init__(self, targets: Tensor, classes: int, dtype: torch.dtype) -> None:
        self.targets = targets
        self.columns = classes
        self.curvature = torch.full((1,), (1 - 1 / classes) / classes, dtype=dtype, device=targets.device)
        log_frequency = targets.bincount(minlength=classes).double().log()
        self.prior = (log_frequency - log_frequency.mean()).to(dtype).unsqueeze(0)

    def __call__(self, logits: Tensor, rows: slice, problems: Tensor) -> Tensor:
        target = self.targets[rows].expand(len(logits), 1, -1)
        own = logits.gather(1, target)
        logits.scatter_(1, target, -torch.inf)
        top = logits.amax(1, keepdim=True)
        odds = logits.sub_(top).exp_()
        total = odds.sum(1, keepdim=True)
        rival = total.log() + (top - own)
        error = rival.sigmoid()
        odds.mul_(error / total).scatter_(1, target, -error)
        return softplus(rival, threshold=LINEAR_ABOVE).sum((1, 2), dtype=torch.float64)


class Binary:
    """Logistic loss of each column of the targets (N, L), in {0, 1}."""

    columns = 1

    def __init__(self, targets: Tensor, dtype: torch.dtype) -> None:
        self.signs = (2 * targets.to(dtype) - 1).T.contiguous()
        self.labels = len(self.signs)
        frequency = targets.double().mean(0)
        self.curvature = (frequency * (1 - frequency)).to(dtype)
        self.prior = frequency.logit().to(dtype).unsqueeze(1)

    def __call__(self, logits: Tensor, rows: slice, problems: Tensor) -> Tensor:
        sign = self.signs[:, rows][problems % self.labels].unsqueeze(1)
        rival = logits.mul_(-sign)
        loss = softplus(rival, threshold=LINEAR_ABOVE).sum((1, 2), dtype=torch.float64)
        rival.sigmoid_().mul_(-sign)
        return loss
