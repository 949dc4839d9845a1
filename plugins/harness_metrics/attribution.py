"""Metrics of attribution maps: are they on the object, how concentrated are they, do two models' agree?

Images whose map is 0 everywhere are left out where that has no value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Attributions
from harness.metrics import Weighted

if TYPE_CHECKING:
    from torch import Tensor

WINDOW = 7  # pixels of the windows of structural similarity


@metric("attribution_energy", accepts=Attributions, unit="%", bounds=(0, 100))
def attribution_energy(a: Attributions) -> Tensor | Weighted:
    """Share of the map's sum that lies on the object that the target is about, in percent.

    The energy-based pointing game of Wang et al. 2020 (1910.01279), with masks for boxes; maps are brought to the
    image's size bilinearly. Raises `UndefinedError` without masks.
    """
    maps, masks, seen = _on_masks(a, "attribution_energy")
    share = 100.0 * (maps * masks).sum((1, 2)) / maps.sum((1, 2))
    return _over(share, seen, "attribution_energy")


@metric("pointing_game", accepts=Attributions, unit="%", bounds=(0, 100))
def pointing_game(a: Attributions) -> Tensor | Weighted:
    """Whether the map's maximum lies on the object that the target is about, in percent.

    Zhang et al. 2018 (1608.00507), without their margin of 15 pixels; of several maxima, the share that does. Raises
    `UndefinedError` without masks.
    """
    maps, masks, seen = _on_masks(a, "pointing_game")
    top = maps == maps.amax((1, 2), keepdim=True)
    share = 100.0 * (top & masks.bool()).sum((1, 2)) / top.sum((1, 2))
    return _over(share, seen, "pointing_game")


@metric("attribution_entropy", accepts=Attributions, bounds=(0, 1), higher_is_better=None)
def attribution_entropy(a: Attributions) -> Tensor | Weighted:
    """Entropy of the map as a distribution over its cells, by that of the uniform one (our definition).

    0 where one cell has it all, 1 where all are alike. Raises `UndefinedError` for maps of one cell.
    """
    import torch

    maps = a.maps.double().flatten(1)
    if maps.shape[1] < 2:
        raise UndefinedError("attribution_entropy is undefined: maps of one cell")
    p = maps / maps.sum(1, keepdim=True)
    entropy = -torch.special.xlogy(p, p).sum(1) / math.log(maps.shape[1])
    return _over(entropy, maps.sum(1) > 0, "attribution_entropy")


@metric("attribution_gini", accepts=Attributions, bounds=(0, 1), higher_is_better=None)
def attribution_gini(a: Attributions) -> Tensor | Weighted:
    """Gini coefficient of the map's cells: 0 if all are alike, ``1 - 1/n`` if one of n has it all.

    As a measure of sparse explanations: Chalasani et al. 2020 (1810.06583).
    """
    import torch

    maps = a.maps.double().flatten(1).sort(1).values
    n = maps.shape[1]
    rank = 2 * torch.arange(1, n + 1, dtype=torch.float64) - n - 1
    return _over((maps * rank).sum(1) / (n * maps.sum(1)), maps.sum(1) > 0, "attribution_gini")


@metric("attentive_diffusion", accepts=Attributions, unit="%", bounds=(0, 100), higher_is_better=None)
def attentive_diffusion(a: Attributions) -> Tensor:
    """Share of the map's cells above the map's mean, in percent (Ericsson et al. 2021, 2011.13377, 4.9)."""
    maps = a.maps.double().flatten(1)
    return 100.0 * (maps > maps.mean(1, keepdim=True)).double().mean(1)


@metric("deletion_auc", accepts=Attributions, unit="%", bounds=(0, 100), higher_is_better=False)
def deletion_auc(a: Attributions) -> Tensor:
    """Area under the explained class's probability while the most important pixels go, in percent.

    Petsiuk et al. 2018 (1806.07421), by trapezoids. Raises `UndefinedError` without a class.
    """
    return _area(a.deletion, "deletion_auc")


@metric("insertion_auc", accepts=Attributions, unit="%", bounds=(0, 100))
def insertion_auc(a: Attributions) -> Tensor:
    """Area under the explained class's probability while the most important pixels come, in percent.

    See `deletion_auc`.
    """
    return _area(a.insertion, "insertion_auc")


@metric("attribution_ssim", accepts=Attributions, bounds=(-1, 1), pair=True, higher_is_better=None)
def attribution_ssim(a: Attributions, b: Attributions) -> Tensor | Weighted:
    """Agreement of two models, our definition: structural similarity of their maps of an image, each scaled to 0 to 1.

    As Wang et al. 2004: windows of 7 x 7 pixels, uniform weights, sample covariances, the window's half left out at
    the borders, as scikit-image does by default. Maps are brought to the smaller of the two image sizes; they are
    comparable where both models see the same part of the image. Raises `UndefinedError` for images smaller than the
    window.
    """
    x, y, seen = _both(a, b)
    if x.shape[-1] < WINDOW:
        raise UndefinedError(f"attribution_ssim is undefined: images smaller than {WINDOW} pixels")
    return _over(_ssim(_scaled(x), _scaled(y)), seen, "attribution_ssim")


@metric("attribution_rank", accepts=Attributions, bounds=(-1, 1), pair=True, higher_is_better=None)
def attribution_rank(a: Attributions, b: Attributions) -> Tensor | Weighted:
    """Agreement of two models, our definition: Spearman's correlation of their maps of an image, pixel by pixel.

    Sizes as in `attribution_ssim`.
    """
    import torch

    from harness.numerics.correlation import spearman

    x, y, seen = _both(a, b)
    rho = torch.from_numpy(spearman(x.flatten(1).numpy(), y.flatten(1).numpy()))
    return _over(rho, seen, "attribution_rank")


def _sized(maps: Tensor, size: int) -> Tensor:
    """(N, h, w) to (N, size, size) float64, bilinear, between the centres of the cells."""
    import torch.nn.functional as F

    return F.interpolate(maps[:, None].double(), (size, size), mode="bilinear", align_corners=False)[:, 0]


def _on_masks(a: Attributions, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Maps and masks (N, S, S), and for which images (N,) there is something in both."""
    if a.masks is None:
        raise UndefinedError(f"{name} is undefined: the dataset has no masks of the objects that its targets are about")
    maps, masks = _sized(a.maps, a.masks.shape[-1]), a.masks.double()
    return maps, masks, (maps.sum((1, 2)) > 0) & (masks.sum((1, 2)) > 0)


def _both(a: Attributions, b: Attributions) -> tuple[Tensor, Tensor, Tensor]:
    """Both maps at one size (N, S, S), and for which images (N,) neither is constant."""
    size = min(a.images.shape[-1], b.images.shape[-1])
    x, y = _sized(a.maps, size), _sized(b.maps, size)
    varied = [m.amax((1, 2)) > m.amin((1, 2)) for m in (x, y)]
    return x, y, varied[0] & varied[1]


def _scaled(maps: Tensor) -> Tensor:
    """Each map from 0 to 1."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    """Mean structural similarity (N,) of images (N, S, S) with values from 0 to 1; Wang et al. 2004, equation 13."""
    import torch.nn.functional as F

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values[:, None], WINDOW, 1)[:, 0]

    c1, c2, sample = 0.01**2, 0.03**2, WINDOW**2 / (WINDOW**2 - 1)
    ux, uy = mean(x), mean(y)
    vx, vy, vxy = (sample * (mean(p) - q) for p, q in ((x * x, ux * ux), (y * y, uy * uy), (x * y, ux * uy)))
    found = (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux**2 + uy**2 + c1) * (vx + vy + c2))
    return found.mean((1, 2))


def _area(curve: Tensor | None, name: str) -> Tensor:
    import torch

    if curve is None:
        raise UndefinedError(f"{name} is undefined: these maps explain no class")
    return 100.0 * torch.trapezoid(curve.double(), dim=1) / (curve.shape[1] - 1)


def _over(values: Tensor, defined: Tensor, name: str) -> Tensor | Weighted:
    """The mean over the images where it is defined (N,). Raises `UndefinedError` where there are none."""
    if bool(defined.all()):
        return values
    if not bool(defined.any()):
        raise UndefinedError(f"{name} is undefined: of each image, a map is constant or an object out of sight")
    kept, values = defined.double(), values.double().where(defined, 0.0)
    return Weighted(lambda w: w @ values / (w @ kept))
