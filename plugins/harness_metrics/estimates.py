"""Metrics of estimated continuous targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Estimates
from harness.metrics import Weighted

if TYPE_CHECKING:
    from torch import Tensor


@metric("r2", accepts=Estimates, bounds=(float("-inf"), 1))
def r2(e: Estimates) -> Weighted:
    """Coefficient of determination, 1 - residual by total sum of squares, averaged over the targets that vary.

    Negative, and not clipped, where the estimates are worse than the images' mean. Raises `UndefinedError` when no
    target varies.
    """
    truth = e.targets.double()
    residual = (truth - e.values).square()
    centred = truth - truth.mean(0)  # no sum below is a small difference of large numbers
    varies = (centred != 0).any(0)
    if not bool(varies.any()):
        raise UndefinedError("r2 is undefined: no target varies")
    residual, centred = residual[:, varies], centred[:, varies]

    def of(w: Tensor) -> Tensor:
        total = w @ centred.square() - (w @ centred).square() / w.sum(1, keepdim=True)
        rounding = 1e-12 * (w @ centred.square())  # what is left of a target that a resample made constant
        return (1 - (w @ residual) / total).where(total > rounding, float("nan")).nanmean(1)

    return Weighted(of)
