"""Metrics of confidence, the greatest class probability: does it tell right predictions from wrong ones?

Where all predictions are right, or all wrong, what needs both is undefined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Predictions
from harness.metrics import Weighted
from harness_metrics.calibration import top_label
from harness_metrics.classification import single_label

if TYPE_CHECKING:
    from torch import Tensor


@metric("confidence_correct", accepts=Predictions, unit="%", bounds=(0, 100), skip=single_label)
def confidence_correct(p: Predictions) -> Weighted:
    """Mean confidence of the correct predictions (Tendle & Hasan 2021, 2109.09150; our definition), in percent.

    Raises `UndefinedError` where none is correct.
    """
    confidence, right = _told_apart(p, "confidence_correct", right=True)
    return Weighted(lambda w: _mean(confidence, right, w))


@metric("confidence_wrong", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label)
def confidence_wrong(p: Predictions) -> Weighted:
    """Mean confidence of the wrong predictions, in percent. Raises `UndefinedError` where none is wrong."""
    confidence, right = _told_apart(p, "confidence_wrong", wrong=True)
    return Weighted(lambda w: _mean(confidence, 1 - right, w))


@metric("confidence_gap", accepts=Predictions, unit="%", bounds=(-100, 100), skip=single_label)
def confidence_gap(p: Predictions) -> Weighted:
    """Mean confidence of correct minus that of wrong predictions, in percentage points.

    Raises `UndefinedError` where all are correct, or none.
    """
    confidence, right = _told_apart(p, "confidence_gap", right=True, wrong=True)
    return Weighted(lambda w: _mean(confidence, right, w) - _mean(confidence, 1 - right, w))


@metric("confidence_auroc", accepts=Predictions, unit="%", bounds=(0, 100), version=2, skip=single_label)
def confidence_auroc(p: Predictions) -> Weighted:
    """Chance that a correct prediction is more confident than a wrong one, in percent: the area under the ROC curve.

    An equal confidence counts half. Raises `UndefinedError` where all are correct, or none.
    """
    confidence, right = _told_apart(p, "confidence_auroc", right=True, wrong=True)
    order, first, last = _ranked(confidence)
    hits = right[order]

    def of(w: Tensor) -> Tensor:
        import torch.nn.functional as F

        ranked = w[:, order]
        above = F.pad((ranked * (1 - hits)).cumsum(1), (1, 0))  # the wrong ones before each rank
        lost = (above[:, first] + above[:, last + 1]) / 2
        correct = ranked * hits
        return 100.0 * (1 - (correct * lost).sum(1) / (correct.sum(1) * above[:, -1]))

    return Weighted(of)


@metric("aurc", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, version=2, skip=single_label)
def aurc(p: Predictions) -> Weighted:
    """Area under the risk-coverage curve, in percent (Geifman et al. 2019, 1805.08206).

    The mean, over images, of the error rate among those as confident or more: equal confidences are accepted together.
    """
    confidence, right = top_label(p)
    order, _, last = _ranked(confidence)
    errors = 1 - right[order]

    def of(w: Tensor) -> Tensor:
        ranked = w[:, order]
        risk = ((ranked * errors).cumsum(1) / ranked.cumsum(1).clamp(min=1e-12))[:, last]
        return 100.0 * (ranked * risk).sum(1) / w.sum(1)

    return Weighted(of)


def _told_apart(p: Predictions, name: str, right: bool = False, wrong: bool = False) -> tuple[Tensor, Tensor]:
    """`top_label`. Raises `UndefinedError` when there must be right or wrong predictions, and there are none."""
    confidence, correct = top_label(p)
    for needed, kind, count in ((right, "correct", correct.sum()), (wrong, "wrong", (1 - correct).sum())):
        if needed and not count:
            raise UndefinedError(f"{name} is undefined: no prediction is {kind}")
    return confidence, correct


def _mean(confidence: Tensor, among: Tensor, weights: Tensor) -> Tensor:
    """Mean confidence in percent among some images (N,) of 0 and 1, of weights (R, N)."""
    return 100.0 * (weights @ (confidence * among)) / (weights @ among)


def _ranked(confidence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The order by falling confidence, and the first and last rank that shares each rank's confidence, all (N,).

    Confidences equal to a millionth are the same: all of kNN's are 1 at k = 1, and rounding would rank them.
    """
    import torch

    confidence = (confidence * 1e6).round()
    order = confidence.argsort(descending=True, stable=True)
    _, tie = torch.unique_consecutive(confidence[order], return_inverse=True)
    return order, torch.searchsorted(tie, tie), torch.searchsorted(tie, tie, right=True) - 1
