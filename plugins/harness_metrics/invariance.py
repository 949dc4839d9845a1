"""Invariance: how little features change under transforms of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import ViewEmbeddings, ViewPredictions
from harness.transforms.names import NAMES

if TYPE_CHECKING:
    from torch import Tensor

    Change = Callable[[Tensor], Tensor]


@metric("invariance_cosine", accepts=ViewEmbeddings, bounds=(-1, 1), higher_is_better=None)
def invariance_cosine(e: ViewEmbeddings) -> Tensor:
    """Cosine of an image's whitened features with those of its views, their mean, (N,) (Ericsson et al. 2021b).

    S of 2111.11398: the whitening is that of a reference set, which the task states. Raises `UndefinedError` without
    one, and for features that are constant on it.
    """
    return _cosines(e, _whitening(e)).mean(1)


@metric("invariance_mahalanobis", accepts=ViewEmbeddings, bounds=(0, float("inf")), higher_is_better=None)
def invariance_mahalanobis(e: ViewEmbeddings) -> Tensor:
    """Mahalanobis distance of an image's features from those of its views, their mean, (N,): L of 2111.11398.

    The distance after the reference's whitening: two unrelated images are about sqrt(2 D) apart. That takes more
    reference images than dimensions; with fewer, the task's floor sets the scale.
    Errors as `invariance_cosine`.
    """
    whiten = _whitening(e)
    clean = whiten(e.clean)
    return _views(e, lambda view: (whiten(view) - clean).norm(dim=1)).mean(1)


@metric("invariance_raw", accepts=ViewEmbeddings, bounds=(-1, 1), higher_is_better=None)
def invariance_raw(e: ViewEmbeddings) -> Tensor:
    """Cosine of an image's features, as they are, with those of its views, their mean, (N,) (our definition).

    High for all images where features have a large mean, related or not: see `view_cosine`.
    """
    return _cosines(e, lambda features: features.double()).mean(1)


@metric("invariance_curve", accepts=ViewEmbeddings, bounds=(-1, 1), higher_is_better=None)
def invariance_curve(e: ViewEmbeddings) -> dict[str, Tensor]:
    """`invariance_cosine` at each value of the transform's parameter, ``angle=90``; the mean over all comes first.

    Raises `UndefinedError` where the family is no grid of one parameter, and as `invariance_cosine`.
    """
    return along(e, _cosines(e, _whitening(e)))


@metric("view_cosine", accepts=ViewEmbeddings, bounds=(-2, 2), higher_is_better=None)
def view_cosine(e: ViewEmbeddings) -> Tensor:
    """Mean cosine of two views of an image less that of views of different images, (N,) (our definition).

    Invariance by layer after Grigg et al. 2021, 2110.00528. Features are centred by the reference's mean, or else by
    that of the images as they are. All pairs are taken: 1 where views are equal and images unrelated, 0 where views of
    an image are no more alike than others. Raises `UndefinedError` for a single image or view, and constant features.
    """
    import torch.nn.functional as F

    images, views = e.features.shape[:2]
    if images < 2 or views < 2:
        raise UndefinedError(f"view_cosine needs two images and two views of each, got {images} and {views}")
    mean = (e.clean.double().mean(0) if e.mean is None else e.mean).double()
    own = sum(F.normalize(e.features[:, v].double() - mean) for v in range(views))  # (N, D), of unit vectors
    if not bool(own.any()):
        raise UndefinedError("view_cosine is undefined: the features are constant")
    within = (own.square().sum(1) - views) / (views * (views - 1))
    between = (own @ own.sum(0) - own.square().sum(1)) / (views**2 * (images - 1))
    return within - between


@metric("view_retrieval", accepts=ViewEmbeddings, unit="%", bounds=(0, 100), higher_is_better=None)
def view_retrieval(e: ViewEmbeddings) -> Tensor:
    """Share of an image's views that have it as their nearest image by cosine, in percent, (N,) (our definition).

    It falls as there are more images. Of equally near ones the first counts. Raises `UndefinedError` for one image.
    """
    import torch

    from harness.numerics.knn import neighbours

    images, views = e.features.shape[:2]
    if images < 2:
        raise UndefinedError("view_retrieval needs two images or more")
    found = neighbours(e.clean, e.features.flatten(0, 1), 1)[1].view(images, views)
    return 100.0 * (found == torch.arange(images)[:, None]).double().mean(1)


def along(e: ViewEmbeddings | ViewPredictions, values: Tensor) -> dict[str, Tensor]:
    """Values of views (N, V) averaged over all, ``mean``, and at each value of the family's one parameter: each (N,).

    Raises `UndefinedError` where the family has more, or they differ by image, or there is one view.
    """
    import torch

    names = [name for name in NAMES[e.family].parameters if name != "seed"] if e.family in NAMES else []
    grid = e.parameters[:, :, 0]
    if len(names) != 1 or grid.shape[1] < 2 or not bool((grid == grid[:1]).all()):
        raise UndefinedError(f"the views of {e.family or 'no family'} are no grid of one parameter")
    members = {float(value): grid[0] == value for value in torch.unique(grid[0])}
    points = {f"{names[0]}={value:.4g}": values[:, member].mean(1) for value, member in members.items()}
    return {"mean": values.mean(1), **points}


def _whitening(e: ViewEmbeddings) -> Change:
    """Features (N, D) centred and whitened by the reference, float64."""
    if e.mean is None or e.whitening is None:
        raise UndefinedError("needs a reference set to whiten by: views[reference=train]")
    mean, whitening = e.mean.double(), e.whitening.double()
    if not bool(whitening.any()):
        raise UndefinedError("the features of the reference set are constant")
    return lambda features: (features.double() - mean) @ whitening


def _cosines(e: ViewEmbeddings, change: Change) -> Tensor:
    """(N, V), of changed features; 0 for a vector of zeros."""
    import torch.nn.functional as F

    clean = F.normalize(change(e.clean))
    return _views(e, lambda view: (F.normalize(change(view)) * clean).sum(1))


def _views(e: ViewEmbeddings, of_view: Change) -> Tensor:
    """(N, V) of a function of each view's features (N, D): one view at a time is held in float64."""
    import torch

    return torch.stack([of_view(e.features[:, view]) for view in range(e.features.shape[1])], 1)
