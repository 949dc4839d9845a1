"""L2-regularised logistic regression at a whole grid of strengths at once, multinomial or one fit for each label.

The objective is scikit-learn's with C = 1 / weight_decay, sum of losses + weight_decay / 2 |W|^2 with free biases,
divided by the number of images. Features are not standardised, as in Ericsson et al., How Well Do Self-Supervised
Models Transfer?, CVPR 2021, whose grid this is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.numerics.eigenbasis import Eigenbasis
from harness.numerics.lbfgs import LIVE_TENSORS, minimise
from harness.numerics.losses import Binary, Loss, Softmax

WEIGHT_DECAYS = torch.logspace(-6, 5, 45, dtype=torch.float64)


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
    """Mean loss + weight_decay / (2 N) |W|^2, (G,) float64, or (G, C) for labels."""
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
    rtol: float = 1e-7,
    max_iter: int = 1000,
    memory: int = 1 << 30,
) -> LogisticPath:
    """Fit multinomial logistic regression to features x (N, D) and targets y (N,), int64, at each weight decay (G,).

    A fit converges when L-BFGS promises a decrease of less than `rtol` of its objective. The objective then exceeds
    the optimum by a share of about 10 `rtol`, by 50 at the weakest decays, and by 2000 in the worst case met, a weakly
    regularised fit of classes that only just can be separated. `memory` bounds the bytes of the logits, three tensors
    of N G C numbers: a larger grid is fitted part by part, at least one fit at a time.

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
        loss = Softmax(targets, len(seen), strengths, x.dtype)
        path = _fit(x, loss, weight_decays, rtol, max_iter, memory)
    else:
        path = _unfitted(x, (strengths,), 1, objective=0.0)
    weight = x.new_zeros(strengths, num_classes, x.shape[1])
    bias = x.new_full((strengths, num_classes), -math.log(len(x) * max(absent, 1)))
    weight[:, seen], bias[:, seen] = path.weight, path.bias
    return replace(path, weight=weight, bias=bias)


def fit_path_multilabel(
    x: Tensor,
    y: Tensor,
    weight_decays: Tensor,
    *,
    rtol: float = 1e-7,
    max_iter: int = 1000,
    memory: int = 1 << 30,
) -> LogisticPath:
    """Fit a binary logistic regression to x (N, D) and each column of y (N, L), in {0, 1}, at each weight decay (G,).

    Accuracy and memory are those of `fit_path`. A label that all images share would get an infinite bias: it gets zero
    weights and the bias +-log N, the odds of N images against one.

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
        loss = Binary(y[:, varied], strengths, x.dtype)
        fitted = _fit(x, loss, weight_decays.repeat_interleave(int(varied.sum())), rtol, max_iter, memory)
        for field in ("weight", "bias", "iterations", "objective", "converged"):
            whole, part = getattr(path, field), getattr(fitted, field)
            whole[:, varied] = part.view_as(whole[:, varied])
    return path


def _check(x: Tensor, y: Tensor, weight_decays: Tensor) -> None:
    if x.ndim != 2 or x.dtype not in (torch.float32, torch.float64) or not x.isfinite().all():
        raise ValueError(f"features must be finite, (N, D), float32 or float64; got {x.dtype} {tuple(x.shape)}")
    if not len(x) or len(x) != len(y):
        raise ValueError(f"{len(x)} features and {len(y)} targets: there must be as many, and one at least")
    if weight_decays.ndim != 1 or not ((weight_decays > 0) & weight_decays.isfinite()).all():
        raise ValueError("weight decays must be (G,), positive and finite")


def _fit(x: Tensor, loss: Loss, weight_decays: Tensor, rtol: float, max_iter: int, memory: int) -> LogisticPath:
    """Fit B problems, each with its weight decay (B,), in groups that keep the logits within `memory` bytes."""
    basis = Eigenbasis.of(x)
    l2 = (weight_decays / len(x)).to(x)
    group = max(1, memory // (LIVE_TENSORS * len(x) * loss.columns * x.element_size()))
    solutions = [
        minimise(basis.design, basis.variance, loss, l2, problems, rtol=rtol, max_iter=max_iter)
        for problems in torch.split(torch.arange(len(l2), device=x.device), group)
    ]
    weight, bias = basis.restore(torch.cat([s.weight for s in solutions], 1))
    return LogisticPath(
        weight,
        bias,
        torch.cat([s.iterations for s in solutions]),
        torch.cat([s.objective for s in solutions]),
        torch.cat([s.converged for s in solutions]),
    )


def _unfitted(x: Tensor, shape: tuple[int, ...], columns: int, objective: float) -> LogisticPath:
    """Return a path of zero weights and biases, whose statistics have this shape."""
    return LogisticPath(
        x.new_zeros(shape[0], columns, x.shape[1]),
        x.new_zeros(shape[0], columns),
        torch.zeros(shape, dtype=torch.int64, device=x.device),
        torch.full(shape, objective, dtype=torch.float64, device=x.device),
        torch.ones(shape, dtype=torch.bool, device=x.device),
    )
