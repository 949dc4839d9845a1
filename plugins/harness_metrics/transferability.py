"""Metrics of how well features suit a dataset's classes, which predict transfer without training.

Intervals are by the jackknife, see `harness.numerics.transferability`.
"""

from __future__ import annotations

from math import inf

from harness import metric
from harness.evidence import Embeddings
from harness.metrics import Interval
from harness_metrics.classification import single_label


@metric("logme", accepts=Embeddings, unit="nats")
def logme(e: Embeddings) -> Interval:
    """LogME: the greatest log evidence, an image, of a Bayesian linear regression of the targets (You et al. 2021).

    The mean over classes, one against the rest; over labels, or over continuous targets, which have their own unit, so
    that values compare between models alone. What does not vary is left out. Undefined where nothing varies.
    """
    import torch.nn.functional as F

    from harness.numerics import transferability

    columns = F.one_hot(e.targets) if e.targets.ndim == 1 else e.targets
    return Interval(*transferability.logme(e.features, columns))


@metric("h_score", accepts=Embeddings, bounds=(0, inf), skip=single_label)
def h_score(e: Embeddings) -> Interval:
    """H-score: the trace of the class means' covariance times the inverse of the features' (Bao et al. 2019).

    At most the number of classes less one. Undefined for a single class, and where the features have as many
    directions as there are images, which makes it the same for all features: `h_score_shrunk` is made for those.
    """
    from harness.numerics import transferability

    return Interval(*transferability.h_score(e.features, e.targets))


@metric("h_score_shrunk", accepts=Embeddings, bounds=(0, inf), skip=single_label)
def h_score_shrunk(e: Embeddings) -> Interval:
    """H-score with the covariance shrunk after Ledoit & Wolf (Ibrahim et al. 2021, 2110.06893)."""
    from harness.numerics import transferability

    return Interval(*transferability.h_score_shrunk(e.features, e.targets))


@metric("class_separation", accepts=Embeddings, bounds=(-inf, 1), skip=single_label, higher_is_better=None)
def class_separation(e: Embeddings) -> Interval:
    """Class separation R^2: 1 - mean cosine distance within classes / that between any images (Kornblith et al. 2021).

    Undefined for a single class, a class of one image, and features all in one direction.
    """
    from harness.numerics import transferability

    return Interval(*transferability.class_separation(e.features, e.targets))
