"""Metrics of class predictions: each returns per-image values, or a function of image weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import metric
from harness.datasets import DatasetCard
from harness.evidence import Predictions
from harness.metrics import Weighted

if TYPE_CHECKING:
    from torch import Tensor


def single_label(card: DatasetCard) -> str | None:
    """Why a metric of one class an image does not apply."""
    return None if card.kind == "single-label" else f"needs one label an image, {card.name} is {card.kind}"


def more_than_five(card: DatasetCard) -> str | None:
    """Why top-5 does not apply."""
    return single_label(card) or (None if card.num_classes > 5 else f"{card.name} has {card.num_classes} classes")


def multi_label(card: DatasetCard) -> str | None:
    """Why a metric of label sets does not apply."""
    return None if card.kind == "multi-label" else f"needs several labels an image, {card.name} is {card.kind}"


@metric("top1", accepts=Predictions, unit="%", bounds=(0, 100), skip=single_label)
def top1(p: Predictions) -> Tensor:
    """Whether each image's highest score is its target's, in percent, (N,)."""
    return 100.0 * (p.scores.argmax(1) == p.targets)


@metric("top5", accepts=Predictions, unit="%", bounds=(0, 100), skip=more_than_five)
def top5(p: Predictions) -> Tensor:
    """Whether each image's target is among its five highest scores, in percent, (N,)."""
    return 100.0 * (p.scores.topk(5, dim=1).indices == p.targets[:, None]).any(1)


@metric("mean_per_class", accepts=Predictions, unit="%", bounds=(0, 100), skip=single_label)
def mean_per_class(p: Predictions) -> Weighted:
    """Top-1 accuracy of each class, averaged over the classes that have test images, in percent."""
    import torch.nn.functional as F

    members = F.one_hot(p.targets, p.scores.shape[1]).double()
    correct = members * (p.scores.argmax(1) == p.targets)[:, None]
    return Weighted(lambda w: 100.0 * ((w @ correct) / (w @ members)).nanmean(1))


@metric("map", accepts=Predictions, unit="%", bounds=(0, 100), skip=multi_label)
def mean_average_precision(p: Predictions) -> Weighted:
    """Average precision of each label, averaged over the labels that have positive test images, in percent.

    Average precision is the sum over positives of the precision at their score, equal scores counted together.
    """
    import torch

    def of(w: Tensor) -> Tensor:
        each = [average_precision(p.scores[:, c], p.targets[:, c], w) for c in range(p.scores.shape[1])]
        return 100.0 * torch.stack(each, 1).nanmean(1)

    return Weighted(of)


def average_precision(scores: Tensor, positive: Tensor, weights: Tensor) -> Tensor:
    """Average precision of one label under image weights: (N,), (N,), (R, N) to (R,); NaN without a positive."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    _, tie = torch.unique_consecutive(scores[order], return_inverse=True)
    last = torch.searchsorted(tie, tie, right=True) - 1  # the last image that shares each one's score
    w, hit = weights[:, order], positive[order].double()
    precision = (w * hit).cumsum(1)[:, last] / w.cumsum(1)[:, last].clamp(min=1e-12)
    return (w * hit * precision).sum(1) / (w * hit).sum(1)


@metric("nll", accepts=Predictions, unit="nats", bounds=(0, float("inf")), higher_is_better=False)
def nll(p: Predictions) -> Tensor:
    """Negative log-likelihood of each image's target, (N,); of its labels, summed, on multi-label datasets."""
    import torch.nn.functional as F

    scores = p.scores.double()
    if p.multilabel:
        return F.binary_cross_entropy_with_logits(scores, p.targets.double(), reduction="none").sum(1)
    return F.cross_entropy(scores, p.targets, reduction="none")


@metric("ece", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label)
def ece(p: Predictions) -> Weighted:
    """Expected calibration error over 15 equal-width bins of the top-label confidence (Guo et al. 2017, 1706.04599)."""
    import torch
    import torch.nn.functional as F

    confidence, predicted = p.probabilities.max(1)
    edges = torch.linspace(0, 1, 16, dtype=torch.float64)[1:-1]
    member = F.one_hot(torch.bucketize(confidence, edges), 15).double()
    gap = (confidence - (predicted == p.targets).double())[:, None] * member
    return Weighted(lambda w: 100.0 * (w @ gap).abs().sum(1) / w.sum(1))
