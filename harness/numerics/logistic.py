"""L2-regularised logistic regression at a whole grid of strengths at once, multinomial or one fit for each label.

The objective is scikit-learn's with C = 1 / weight_decay, sum of losses + weight_decay / 2 |W|^2 with free biases,
divided by the number of images. Features are not standardised, as in Ericsson et al., How Well Do Self-Supervised
Models Transfer?, CVPR 2021, whose grid this is.

Memory, besides the features (N, D) and the path (G, C, D): a copy of the features in their eigenbasis, the path in it,
a D x D float64 matrix or two, `lbfgs.BLOCK` logits, and the `memory` that a batch of fits may take. Nothing else grows
with N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from harness.numerics.continuation import follow
from harness.numerics.eigenbasis import ROWS, Eigenbasis
from harness.numerics.lbfgs import Problems
from harness.numerics.losses import Binary, Loss, Softmax

WEIGHT_DECAYS = torch.logspace(-6, 5, 45, dtype=torch.float64)
RTOL = 1e-9
Start = tuple[Tensor, Tensor]
"""Weights (C, D) and biases (C,) near the optimum at the strongest weight decay."""


@dataclass(frozen=True)
class LogisticPath:
    """One fit at each of G weight decays, to C classes or to C independent labels."""

    weight: Tensor
    """(G, C, D)"""
    bias: Tensor
    """(G, C)"""
    iterations: Tensor
    """(G,), or (G, C) for labels."""
    objective: Tensor
    """Mean loss + weight_decay / (2 N) |W|^2, (G,) float64, or (G, C) for labels, as the optimiser saw it."""
    converged: Tensor
    """(G,) bool, or (G, C) for labels."""

    def logits(self, x: Tensor, g: int) -> Tensor:
        """Return the logits (M, C) of the features x (M, D) at the g-th weight decay."""
        return torch.addmm(self.bias[g], x, self.weight[g].T)


def fit_path(
    x: Tensor,
    y: Tensor,
    weight_decays: Tensor,
    num_classes: int,
    *,
    start: Start | None = None,
    rtol: float = RTOL,
    max_iter: int = 1000,
    memory: int = 1 << 30,
) -> LogisticPath:
    """Fit multinomial logistic regression to features x (N, D) and targets y (N,), int64, at each weight decay (G,).

    A fit converges when L-BFGS promises a decrease of less than `rtol` of its objective, and ends as well, not
    `converged`, where the dtype resolves no decrease. `start` saves the way there from the prior.

    Two classes have two columns of weights, as any number has; scikit-learn's binary model, which has one, is the same
    classifier at half the weight decay. A class without targets would get the bias -inf: it is left out of the fit,
    and the A such classes get zero weights and the bias -log(N A), while the other biases sum to zero. So they are
    never predicted, and share at most 1 / N of the probability.

    Raises ValueError where the features, targets or weight decays can't be fitted.
    """
    _check(x, y, weight_decays)
    if y.ndim != 1 or y.dtype != torch.int64 or y.amin() < 0 or y.amax() >= num_classes:
        raise ValueError(f"targets must be int64, (N,), from 0 to {num_classes - 1}")
    seen, targets = torch.unique(y, return_inverse=True)
    strengths, absent = len(weight_decays), num_classes - len(seen)
    if len(seen) > 1:
        near = None if start is None else (start[0][seen].unsqueeze(0), _centred(start[1][seen]).unsqueeze(0))
        path = _fit(x, Softmax(targets, len(seen), x.dtype), weight_decays, near, rtol, max_iter, memory)
    else:
        path = _unfitted(x, (strengths,), 1, objective=0.0)
    if not absent:
        return path
    weight = x.new_zeros(strengths, num_classes, x.shape[1])
    bias = x.new_full((strengths, num_classes), -math.log(len(x) * absent))
    weight[:, seen], bias[:, seen] = path.weight, path.bias
    return replace(path, weight=weight, bias=bias)


def fit_path_multilabel(
    x: Tensor,
    y: Tensor,
    weight_decays: Tensor,
    *,
    start: Start | None = None,
    rtol: float = RTOL,
    max_iter: int = 1000,
    memory: int = 1 << 30,
) -> LogisticPath:
    """Fit a binary logistic regression to x (N, D) and each column of y (N, L), in {0, 1}, at each weight decay (G,).

    Everything else is as in `fit_path`. A label that all images share would get an infinite bias: it gets zero weights
    and the bias +-log N, the odds of N images against one.

    Raises ValueError where the features, targets or weight decays can't be fitted.
    """
    _check(x, y, weight_decays)
    if y.ndim != 2 or not ((y == 0) | (y == 1)).all():
        raise ValueError("multi-label targets must be (N, L), each 0 or 1")
    strengths, labels = len(weight_decays), y.shape[1]
    path = _unfitted(x, (strengths, labels), labels, objective=math.log1p(1 / len(x)))
    path.bias[:] = (2 * y[0].to(x.dtype) - 1) * math.log(len(x))
    varied = (y != y[0]).any(0)
    if varied.any():
        near = None if start is None else (start[0][varied].unsqueeze(1), start[1][varied].unsqueeze(1))
        fitted = _fit(x, Binary(y[:, varied], x.dtype), weight_decays, near, rtol, max_iter, memory)
        for field in fields(LogisticPath):
            whole, part = getattr(path, field.name), getattr(fitted, field.name)
            whole[:, varied] = part.reshape(whole[:, varied].shape)
    return path


def objective(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, weight_decays: Tensor) -> Tensor:
    """Return the objective of anyone's weights (G, C, D) and biases (G, C) in float64: (G,), or (G, C) for labels.

    It is the mean loss + weight_decay / (2 N) |W|^2 on x (N, D) and y, (N,) or (N, C); a block of images at a time.
    """
    loss = Softmax(y, weight.shape[1], torch.float64) if y.ndim == 1 else Binary(y, torch.float64)
    labels = torch.arange(loss.labels, device=x.device)
    square = weight.double().square().sum(2).view(len(weight), loss.labels, -1).sum(2)
    total = weight_decays.to(square).unsqueeze(1) / 2 * square
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        block = x[rows].double().T
        for g in range(len(weight)):
            logits = torch.addmm(bias[g].double().unsqueeze(1), weight[g].double(), block)
            total[g] += loss(logits.view(loss.labels, loss.columns, -1), rows, labels)
    return (total if y.ndim == 2 else total.squeeze(1)) / len(x)


def _check(x: Tensor, y: Tensor, weight_decays: Tensor) -> None:
    finite = x.ndim == 2 and x.dtype in (torch.float32, torch.float64)
    if not finite or not all(bool(block.isfinite().all()) for block in torch.split(x, ROWS)):
        raise ValueError(f"features must be finite, (N, D), float32 or float64; got {x.dtype} {tuple(x.shape)}")
    if not len(x) or len(x) != len(y):
        raise ValueError(f"{len(x)} features and {len(y)} targets: there must be as many, and one at least")
    if weight_decays.ndim != 1 or not ((weight_decays > 0) & weight_decays.isfinite()).all():
        raise ValueError("weight decays must be (G,), positive and finite")


def _fit(
    x: Tensor, loss: Loss, weight_decays: Tensor, start: Start | None, rtol: float, max_iter: int, memory: int
) -> LogisticPath:
    """Fit G L problems, l fastest, in the features' eigenbasis, from the strongest weight decay to the weakest."""
    basis = Eigenbasis.of(x)
    near = None if start is None else basis.rotate(*start)
    ascending, index = torch.unique(weight_decays.to(x.device, torch.float64), return_inverse=True)
    strengths = ascending.flip(0) / len(x)
    given = Problems(basis.design, basis.variance, loss, strengths.repeat_interleave(loss.labels))
    found = follow(given, strengths, near, rtol=rtol, max_iter=max_iter, memory=memory)
    labels = torch.arange(loss.labels, device=x.device)
    place = ((len(strengths) - 1 - index).unsqueeze(1) * loss.labels + labels).flatten()
    weight = x.new_empty(len(place), loss.columns, x.shape[1])
    bias = x.new_empty(len(place), loss.columns)
    for b, at in enumerate(place.tolist()):
        weight[b], bias[b] = basis.restore(found.weight[at])
    return LogisticPath(weight, bias, found.iterations[place], found.objective[place], found.converged[place])


def _centred(bias: Tensor) -> Tensor:
    """Biases (C,) that sum to zero: the loss does not change with a number added to all."""
    return bias - bias.mean()


def _unfitted(x: Tensor, shape: tuple[int, ...], columns: int, objective: float) -> LogisticPath:
    """Return a path of zero weights and biases, whose statistics have this shape."""
    return LogisticPath(
        x.new_zeros(shape[0], columns, x.shape[1]),
        x.new_zeros(shape[0], columns),
        torch.zeros(shape, dtype=torch.int64, device=x.device),
        torch.full(shape, objective, dtype=torch.float64, device=x.device),
        torch.ones(shape, dtype=torch.bool, device=x.device),
    )
