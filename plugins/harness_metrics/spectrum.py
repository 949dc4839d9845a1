"""Metrics of the spectrum of features: how many directions they use, and how evenly.

Each names its constants, which its values hang on. Ranks grow with the number of images, and compare on the same
images only. Alpha is best near 1, not at either end. Intervals are by the infinitesimal jackknife, see
`harness.numerics.influence`.
"""

from __future__ import annotations

from math import inf

from harness import metric
from harness.evidence import Embeddings, ViewEmbeddings
from harness.metrics import Interval

RANKME_EPSILON = 1e-7
FIRST, LAST = 11, 100
LIDAR_DELTA, LIDAR_EPSILON = 1e-4, 1e-7


@metric("rankme", accepts=Embeddings, bounds=(1, inf), higher_is_better=None)
def rankme(e: Embeddings) -> Interval:
    """RankMe, the effective rank of the features (N, D), not centred, with epsilon 1e-7 (Garrido et al. 2023).

    exp(-sum p log p), p = singular values / their sum + epsilon. Undefined where all features are zero.
    """
    from harness.numerics.spectrum import entropy_rank

    return Interval(*entropy_rank(e.features, RANKME_EPSILON))


@metric("effective_rank", accepts=Embeddings, bounds=(1, inf), higher_is_better=None)
def effective_rank(e: Embeddings) -> Interval:
    """The effective rank of the features (Roy & Vetterli 2007): RankMe with epsilon 0.

    Directions without variance add nothing to it, and a little to RankMe.
    """
    from harness.numerics.spectrum import entropy_rank

    return Interval(*entropy_rank(e.features, 0.0))


@metric("alpha_req_11_100", accepts=Embeddings, higher_is_better=None)
def alpha_req(e: Embeddings) -> Interval:
    """alpha-ReQ: the covariance's eigenvalues decay as rank^-alpha, fitted over ranks 11 to 100 (Agrawal et al. 2022).

    Undefined for features of fewer than 100 directions with variance.
    """
    from harness.numerics.spectrum import power_law

    return Interval(*power_law(e.features, FIRST, LAST))


@metric("lidar", accepts=ViewEmbeddings, bounds=(1, inf), higher_is_better=None)
def lidar(e: ViewEmbeddings) -> Interval:
    """LiDAR: the effective rank of what tells images apart relative to their views (Thilak et al. 2023, 2312.04000).

    Each image is a class of V views; delta 1e-4 is added to the diagonal of the covariance within images, epsilon 1e-7
    to each eigenvalue's share. Undefined for one view, or means over views that are all equal.
    """
    from harness.numerics import spectrum

    return Interval(*spectrum.lidar(e.features, LIDAR_DELTA, LIDAR_EPSILON))
