"""Predictions for transformed images: do they stay, and do they stay right?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import metric
from harness.evidence import ViewPredictions
from harness_metrics.classification import single_label
from harness_metrics.invariance import along

if TYPE_CHECKING:
    from torch import Tensor


@metric("consistency", accepts=ViewPredictions, unit="%", bounds=(0, 100), higher_is_better=None, skip=single_label)
def consistency(p: ViewPredictions) -> Tensor:
    """Share of an image's views predicted as the image itself is, right or not, in percent, (N,) (our definition).

    No merit by itself: 100 of a classifier that predicts one class for all.
    """
    return _kept(p).mean(1)


@metric(
    "consistency_curve", accepts=ViewPredictions, unit="%", bounds=(0, 100), higher_is_better=None, skip=single_label
)
def consistency_curve(p: ViewPredictions) -> dict[str, Tensor]:
    """`consistency` at each value of the transform's parameter, ``angle=90``; the mean over all comes first.

    Raises `UndefinedError` where the family is no grid of one parameter.
    """
    return along(p, _kept(p))


@metric("view_top1", accepts=ViewPredictions, unit="%", bounds=(0, 100), skip=single_label)
def view_top1(p: ViewPredictions) -> dict[str, Tensor]:
    """Top-1 accuracy on the ``views``, and beside it on the images as they are, ``clean``, in percent, each (N,)."""
    right = 100.0 * (p.scores.argmax(2) == p.targets[:, None]).double().mean(1)
    return {"views": right, "clean": 100.0 * (p.clean.argmax(1) == p.targets).double()}


def _kept(p: ViewPredictions) -> Tensor:
    """(N, V): 100 where the prediction is that of the image, else 0."""
    return 100.0 * (p.scores.argmax(2) == p.clean.argmax(1)[:, None]).double()
