"""Metrics of calibration: does a confidence of 80 % mean right in 80 % of the cases?

Their intervals keep bins and temperatures as the test set gives them; only the images in them are resampled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Predictions
from harness.metrics import Weighted
from harness_metrics.classification import single_label

if TYPE_CHECKING:
    from torch import Tensor

BINS, FOLDS = 15, 5


@metric("ece", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label)
def ece(p: Predictions) -> Weighted:
    """Expected calibration error over 15 equal-width bins of the top-label confidence (Guo et al. 2017, 1706.04599)."""
    confidence, right = top_label(p)
    return Weighted(_binned(confidence, right, _equal_width()))


@metric("ece_adaptive", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label)
def ece_adaptive(p: Predictions) -> Weighted:
    """ECE over 15 bins of the top-label confidence that hold equally many images (Nguyen & O'Connor 2015, 1508.05154).

    The bins end at quantiles, so that equal confidences share a bin.
    """
    import torch

    confidence, right = top_label(p)
    share = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    return Weighted(_binned(confidence, right, confidence.quantile(share)))


@metric("ece_classwise", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label)
def ece_classwise(p: Predictions) -> Weighted:
    """ECE of each class's probability over 15 equal-width bins, mean over classes (Kull et al. 2019, 1910.12656)."""
    import torch
    import torch.nn.functional as F

    n, classes = p.scores.shape
    gap = p.probabilities - F.one_hot(p.targets, classes)
    bins = torch.bucketize(p.probabilities, _equal_width())
    image, label = bins.nonzero(as_tuple=True)  # few: most probabilities are in the lowest bin, which is what is left
    place = torch.stack([label * (BINS - 1) + bins[image, label] - 1, image])
    shape = (classes * (BINS - 1), n)
    upper = torch.sparse_coo_tensor(place, gap[image, label], shape, check_invariants=True).coalesce()

    def of(w: Tensor) -> Tensor:
        above = torch.sparse.mm(upper, w.T.contiguous()).T.reshape(len(w), classes, BINS - 1)
        lowest = w @ gap - above.sum(2)
        return 100.0 * (above.abs().sum((1, 2)) + lowest.abs().sum(1)) / (classes * w.sum(1))

    return Weighted(of)


@metric("ece_temperature", accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label)
def ece_temperature(p: Predictions) -> Weighted:
    """ECE after the scores are divided by the temperature that the task fitted on its validation images.

    Raises `UndefinedError` where the task tells none.
    """
    if p.temperature is None:
        raise UndefinedError("the task fitted no temperature on validation images")
    confidence, right = top_label(p, p.temperature)
    return Weighted(_binned(confidence, right, _equal_width()))


@metric(
    "ece_temperature_crossfit",
    accepts=Predictions, unit="%", bounds=(0, 100), higher_is_better=False, skip=single_label,
)  # fmt: skip
def ece_temperature_crossfit(p: Predictions) -> Weighted:
    """ECE after temperature scaling on the test set, cross-fitted, as Ericsson et al. do (2011.13377, section 4.7).

    Each of 5 random folds fits the temperature that the other four are scored with; the mean of the five. The folds
    are those of NumPy's seed 0 over the images ordered by likelihood, so that the order of the files does not matter.
    It uses test targets: `ece_temperature` does not.
    """
    import numpy as np
    import torch
    import torch.nn.functional as F

    from harness.numerics.calibration import temperature

    order = F.cross_entropy(p.scores.double(), p.targets, reduction="none").argsort(stable=True)
    folds = np.array_split(np.random.RandomState(0).permutation(len(p)), min(FOLDS, len(p)))
    scored = []
    for fold in folds:
        held = order[torch.from_numpy(fold)]
        kept = torch.ones(len(p), dtype=torch.float64)
        kept[held] = float(len(folds) == 1)
        confidence, right = top_label(p, temperature(p.scores[held], p.targets[held]))
        scored.append(_binned(confidence, right, _equal_width(), kept))
    return Weighted(lambda w: torch.stack([of(w) for of in scored], 1).nanmean(1))


def top_label(p: Predictions, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """The greatest probability of each image, and whether that class is its target, both (N,) float64."""
    confidence, predicted = (p.scores.double() / temperature).softmax(1).max(1)
    return confidence, (predicted == p.targets).double()


def _equal_width() -> Tensor:
    """The 14 edges between the bins."""
    import torch

    return torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]


def _binned(confidence: Tensor, right: Tensor, edges: Tensor, kept: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """Mean absolute gap between confidence and accuracy over bins (a, b], in percent, of image weights (R, N).

    `kept` (N,) is 0 for images left out.
    """
    import torch
    import torch.nn.functional as F

    member = F.one_hot(torch.bucketize(confidence, edges), BINS).double()
    counted = torch.ones_like(confidence) if kept is None else kept
    gap = ((confidence - right) * counted)[:, None] * member
    return lambda w: 100.0 * (w @ gap).abs().sum(1) / (w @ counted)
