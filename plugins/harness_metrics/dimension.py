"""Metrics of the intrinsic dimension of features: how many coordinates their neighbourhoods need.

Neither end is better. Values change with the number of images, and compare on the same images only. Intervals are by
the infinitesimal jackknife, with images that share neighbours taken to vary together; see `harness.numerics.influence`.
"""

from __future__ import annotations

from math import inf

from harness import metric
from harness.evidence import Embeddings
from harness.metrics import Interval

DISCARD, NEIGHBOURS = 0.1, 20


@metric("twonn", accepts=Embeddings, bounds=(0, inf), higher_is_better=None)
def twonn(e: Embeddings) -> Interval:
    """Intrinsic dimension by TwoNN, a fit without the 10 % greatest ratios of second to first neighbour distance.

    Facco et al. 2017. Undefined where fewer than two ratios are left.
    """
    from harness.numerics.dimension import two_nn

    return Interval(*two_nn(e.features, DISCARD))


@metric("mle_dimension", accepts=Embeddings, bounds=(0, inf), higher_is_better=None)
def mle_dimension(e: Embeddings) -> Interval:
    """Maximum-likelihood intrinsic dimension from 20 neighbours (Levina & Bickel 2004; MacKay & Ghahramani 2005).

    The mean of the local estimates' inverses is inverted, as the latter correct it. Undefined for 20 images or fewer,
    and where features coincide.
    """
    from harness.numerics.dimension import maximum_likelihood

    return Interval(*maximum_likelihood(e.features, NEIGHBOURS))
