"""Colour transforms, on uint8 as torchvision has them. The grids are those of Ericsson et al. 2021, 2111.11398."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

from torch import Tensor
from torchvision.transforms.v2 import functional as F

_ORDERS = tuple(permutations(range(4)))


def _adjust(function: Callable[[Tensor, float], Tensor], neutral: float) -> Callable[..., Tensor]:
    """A transform of one number, which leaves the image alone at `neutral`."""

    def transform(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
        return images if parameters[0] == neutral else function(images, parameters[0])

    return transform


brightness = _adjust(F.adjust_brightness, 1.0)
contrast = _adjust(F.adjust_contrast, 1.0)
saturation = _adjust(F.adjust_saturation, 1.0)
hue = _adjust(F.adjust_hue, 0.0)
sharpness = _adjust(F.adjust_sharpness, 1.0)
gray = _adjust(lambda images, on: F.rgb_to_grayscale(images, num_output_channels=3), 0.0)
invert = _adjust(lambda images, on: F.invert(images), 0.0)
equalize = _adjust(lambda images, on: F.equalize(images), 0.0)
posterize = _adjust(lambda images, bits: F.posterize(images, int(bits)), 8.0)
solarize = _adjust(F.solarize, 256.0)


def jitter(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Brightness, contrast, saturation and hue in one of their 24 orders."""
    *amounts, order = parameters
    for part in _ORDERS[int(order)]:
        images = (brightness, contrast, saturation, hue)[part](images, (amounts[part],), size)
    return images
