"""How well what is in the pixels was read off embeddings."""

from __future__ import annotations

from harness import metric
from harness.evidence import Decodings, Estimates
from harness.metrics import Weighted
from harness_metrics.estimates import r2


@metric("decoding_r2", accepts=Decodings, bounds=(float("-inf"), 1), higher_is_better=None)
def decoding_r2(d: Decodings) -> Weighted:
    """Coefficient of determination of decoded pixel statistics: the metric r2, of targets that the task made itself.

    Raises `UndefinedError` when no target varies.
    """
    found: Weighted = r2(Estimates(d.values, d.truth))
    return found
