"""Metrics of class predictions: each returns per-image values, or a function of image weights."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
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
    return _label_mean(p, average_precision)


@metric("map11", accepts=Predictions, unit="%", bounds=(0, 100), skip=multi_label)
def map11(p: Predictions) -> Weighted:
    """The 11-point average precision of VOC2007, averaged over the labels that have positive test images, in percent.

    It is the mean, over the recalls 0, 0.1, ... 1, of the greatest precision at that recall or more. At recall 0 that
    is 1, as in the code of Ericsson et al. (2011.13377), where scikit-learn's curve ends in that point.
    """
    return _label_mean(p, eleven_point)


def _label_mean(p: Predictions, of_label: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Weighted:
    """A statistic of each label in percent, averaged over the labels where it is defined."""
    import torch

    labels = [(p.scores[:, c], p.targets[:, c]) for c in range(p.scores.shape[1])]
    return Weighted(lambda w: 100.0 * torch.stack([of_label(*label, w) for label in labels], 1).nanmean(1))


def average_precision(scores: Tensor, positive: Tensor, weights: Tensor) -> Tensor:
    """Average precision of one label under image weights: (N,), (N,), (R, N) to (R,); NaN without a positive."""
    weight, found, precision = _precision_at_positives(scores, positive, weights)
    return (weight * precision).sum(1) / found[:, -1] if weight.shape[1] else weights.new_full(weights.shape[:1], nan)


def eleven_point(scores: Tensor, positive: Tensor, weights: Tensor) -> Tensor:
    """The 11-point average precision of one label under image weights, shapes as `average_precision`."""
    import numpy as np
    import torch

    _, found, precision = _precision_at_positives(scores, positive, weights)
    if not found.shape[1]:
        return weights.new_full(weights.shape[:1], nan)
    recall = found / found[:, -1:]
    # the paper's thresholds, rounding included: 0.30000000000000004 is above a recall of 3 / 10
    wanted = torch.from_numpy(np.arange(0, 1.1, 0.1)[1:]).expand(len(weights), 10).contiguous()
    first = torch.searchsorted(recall.contiguous(), wanted).clamp(max=recall.shape[1] - 1)
    attained = precision.flip(1).cummax(1).values.flip(1).gather(1, first)
    return ((1 + attained.sum(1)) / 11).where(found[:, -1] > 0, nan)


def _precision_at_positives(scores: Tensor, positive: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the P positives of one label by falling score, each (R, P): their weights, the weight of positives that score
    as high as each or higher, and what share of all such images that is."""
    import torch

    order = scores.argsort(descending=True, stable=True)
    _, tie = torch.unique_consecutive(scores[order], return_inverse=True)
    rank = positive[order].nonzero()[:, 0]
    ranked = weights[:, order]
    seen = ranked.cumsum(1)[:, torch.searchsorted(tie, tie[rank], right=True) - 1]
    weight = ranked[:, rank]
    found = weight.cumsum(1)[:, torch.searchsorted(tie[rank], tie[rank], right=True) - 1]
    return weight, found, found / seen.clamp(min=1e-12)


@metric("nll", accepts=Predictions, unit="nats", bounds=(0, float("inf")), higher_is_better=False)
def nll(p: Predictions) -> Tensor:
    """Negative log-likelihood of each image's target, (N,); of its labels, summed, on multi-label datasets."""
    import torch.nn.functional as F

    scores = p.scores.double()
    if p.multilabel:
        return F.binary_cross_entropy_with_logits(scores, p.targets.double(), reduction="none").sum(1)
    return F.cross_entropy(scores, p.targets, reduction="none")


@metric("brier", accepts=Predictions, bounds=(0, 2), higher_is_better=False)
def brier(p: Predictions) -> Tensor:
    """Squared distance of each image's class probabilities from its target's one-hot vector, (N,): 0 to 2 (Brier 1950).

    On multi-label datasets the mean over labels of the squared error of each one's probability: 0 to 1.
    """
    import torch.nn.functional as F

    if p.multilabel:
        return (p.probabilities - p.targets).square().mean(1)
    return (p.probabilities - F.one_hot(p.targets, p.scores.shape[1])).square().sum(1)
