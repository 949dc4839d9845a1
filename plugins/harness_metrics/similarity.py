"""Similarity of two models' features of the same images.

Those that are no mean over images have no interval: resampling repeats images, which adds distances of 0 and lowers
the rank that these measures compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import metric
from harness.errors import HarnessError
from harness.evidence import Embeddings
from harness.metrics import Interval

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURS = 10
"""Of an image, in both neighbour metrics."""

VARIANCE = 0.99
"""Share of each side's variance that SVCCA keeps."""


@metric("svcca", accepts=Embeddings, bounds=(0, 1), pair=True, higher_is_better=None)
def svcca(a: Embeddings, b: Embeddings) -> Interval:
    """Mean canonical correlation of the components that hold 99 % of each side's variance (Raghu et al. 2017).

    Variance is the sum of squared singular values. Raises `UndefinedError` where both sides' components outnumber the
    images less one, and for constant features. With few images a component it is high for unrelated features too.
    """
    from harness.numerics import cca

    return Interval(cca.svcca(*_features(a, b), VARIANCE))


@metric("pwcca", accepts=Embeddings, bounds=(0, 1), pair=True, higher_is_better=None)
def pwcca(a: Embeddings, b: Embeddings) -> Interval:
    """Canonical correlations weighted by what of the first model's features they account for (Morcos et al. 2018).

    Not symmetric: the weights are of the first model. As the paper defines it: the code released with it leaves the
    whitening out of the canonical directions, and adds the mean to them. Raises `UndefinedError` where both ranks
    together exceed the images less one, and for constant features.
    """
    from harness.numerics import cca

    return Interval(cca.pwcca(*_features(a, b)))


@metric("procrustes", accepts=Embeddings, bounds=(0, 1), pair=True, higher_is_better=None)
def procrustes(a: Embeddings, b: Embeddings) -> Interval:
    """1 - d^2 / 2, d the distance after the best orthogonal map of centred features of norm 1 (Ding et al. 2021).

    Raises `UndefinedError` for constant features.
    """
    from harness.numerics import alignments

    return Interval(alignments.procrustes(*_features(a, b)))


@metric("rsa", accepts=Embeddings, bounds=(-1, 1), pair=True, higher_is_better=None)
def rsa(a: Embeddings, b: Embeddings) -> Interval:
    """Spearman correlation of the two models' dissimilarities, 1 - Pearson's r, of all pairs of images.

    Kriegeskorte et al. 2008. Of more than 4096 images it takes so many, a fixed random choice. Raises `UndefinedError`
    for features that are constant over images or, for some image, over dimensions.
    """
    from harness.numerics import alignments

    return Interval(alignments.rsa(*_features(a, b)))


@metric("cka_pooled", accepts=Embeddings, bounds=(-1, 1), pair=True, higher_is_better=None)
def cka_pooled(a: Embeddings, b: Embeddings) -> Interval:
    """Linear CKA of pooled features, debiased (Kornblith et al. 2019, 1905.00414; Song et al. 2012).

    Raises `UndefinedError` for constant features or fewer than 4 images.
    """
    from harness.numerics.cka import linear_cka

    return Interval(linear_cka(*(x.double() for x in _features(a, b)), debiased=True))


@metric("mutual_knn", accepts=Embeddings, bounds=(0, 1), pair=True, higher_is_better=None)
def mutual_knn(a: Embeddings, b: Embeddings) -> Tensor:
    """Share of each image's 10 nearest others by cosine that both models have, (N,) (Huh et al. 2024, 2405.07987).

    Raises `UndefinedError` for fewer than 11 images and constant features.
    """
    return _shared(a, b) / NEIGHBOURS


@metric("knn_jaccard", accepts=Embeddings, bounds=(0, 1), pair=True, higher_is_better=None)
def knn_jaccard(a: Embeddings, b: Embeddings) -> Tensor:
    """Of each image's 10 nearest others by cosine, those that both models have by those that either has, (N,).

    Raises `UndefinedError` for fewer than 11 images and constant features.
    """
    shared = _shared(a, b)
    return shared / (2 * NEIGHBOURS - shared)


def _shared(a: Embeddings, b: Embeddings) -> Tensor:
    from harness.numerics.neighbourhoods import shared_neighbours

    return shared_neighbours(*_features(a, b), NEIGHBOURS).double()


def _features(a: Embeddings, b: Embeddings) -> tuple[Tensor, Tensor]:
    """(N, D) and (N, E) of the same images. Raises `HarnessError` for different numbers of them."""
    if len(a) != len(b):
        raise HarnessError(f"similarity is of the same images: {len(a)} of the first model, {len(b)} of the second")
    return a.features, b.features
