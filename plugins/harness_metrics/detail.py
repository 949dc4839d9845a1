"""How well what is in the pixels was read off embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Decodings
from harness.metrics import Weighted

if TYPE_CHECKING:
    from torch import Tensor


@metric("decoding_r2", accepts=Decodings, bounds=(float("-inf"), 1), higher_is_better=None, version=2)
def decoding_r2(d: Decodings) -> Weighted:
    """Share of the variance of decoded pixel statistics that is explained, of all targets together (our definition).

    1 - residual by total sum of squares, each summed over targets, which have one unit: a pixel that hardly varies
    hardly counts, whereas a mean of R^2 would hang on it. Raises `UndefinedError` when no target varies.
    """
    truth = d.truth.double()
    residual = (truth - d.values).square().sum(1)
    centred = truth - truth.mean(0)
    square = centred.square().sum(1)
    if not bool(square.any()):
        raise UndefinedError("decoding_r2 is undefined: no target varies")

    def of(w: Tensor) -> Tensor:
        total = w @ square - (w @ centred).square().sum(1) / w.sum(1)
        rounding = 1e-12 * (w @ square)  # what is left where a resample has one image only
        return 1 - (w @ residual) / total.where(total > rounding, float("nan"))

    return Weighted(of)
