"""Metrics of how features are distributed: over directions, over units, and in length."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Embeddings, ViewEmbeddings
from harness.metrics import Interval, Weighted

if TYPE_CHECKING:
    from torch import Tensor

T = 2.0


@metric("uniformity", accepts=Embeddings, bounds=(-4 * T, 0), higher_is_better=None)
def uniformity(e: Embeddings) -> Interval:
    """Log of the mean of exp(-2 |z_i - z_j|^2) over all pairs of images, z of length 1 (Wang & Isola 2020, t = 2).

    The interval is by the infinitesimal jackknife. Undefined for all-zero features of an image.
    """
    from harness.numerics import distribution

    return Interval(*distribution.uniformity(e.features, T))


@metric("alignment", accepts=ViewEmbeddings, bounds=(0, 4), higher_is_better=None)
def alignment(e: ViewEmbeddings) -> Tensor:
    """Mean squared distance between two views of each image, features of length 1, (N,) (Wang & Isola 2020, alpha = 2).

    The mean over all pairs of V views. Undefined for one view or all-zero features.
    """
    from harness.numerics.distribution import directions

    views = e.features.shape[1]
    if views < 2:
        raise UndefinedError(f"alignment needs two views of each image, got {views}")
    unit = directions(e.features)
    return (unit - unit.mean(1, keepdim=True)).square().sum((1, 2)) * 2 / (views - 1)


@metric("sparsity", accepts=Embeddings, bounds=(0, 1), higher_is_better=None)
def sparsity(e: Embeddings) -> Tensor:
    """Hoyer's sparseness of each image's features, (N,): 0 where all are equal, 1 where all but one are 0 (Hoyer 2004).

    (sqrt(D) - |z|_1 / |z|_2) / (sqrt(D) - 1). Undefined for all-zero features of an image.
    """
    from harness.numerics.distribution import hoyer

    return hoyer(e.features)


@metric("norm", accepts=Embeddings, bounds=(0, inf), higher_is_better=None)
def norm(e: Embeddings) -> dict[str, Tensor | Weighted]:
    """Euclidean length of the images' features: mean, standard deviation over images, and their ratio (``cv``).

    Undefined where all features are zero.
    """
    lengths = e.features.double().norm(dim=1)
    if not bool((lengths > 0).any()):
        raise UndefinedError("all features are zero")
    centred = lengths - lengths.mean()

    def sd(w: Tensor) -> Tensor:
        total = w.sum(1)
        return ((w @ centred.square()) / total - ((w @ centred) / total).square()).clamp(min=0).sqrt()

    return {"mean": lengths, "sd": Weighted(sd), "cv": Weighted(lambda w: sd(w) * w.sum(1) / (w @ lengths))}
