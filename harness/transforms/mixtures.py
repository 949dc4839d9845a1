"""What augmentations are mixed from."""

from __future__ import annotations

from torch import Tensor

from harness.transforms.colour import gray, jitter
from harness.transforms.filters import tenth
from harness.transforms.geometric import hflip, resized_crop


def simclr(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Crop, flip, jitter, gray, blur, as Chen et al. 2020, 2002.05709."""
    cropped = resized_crop(images, parameters[:4], size)
    flipped = hflip(cropped, parameters[4:5], size)
    coloured = gray(jitter(flipped, parameters[5:10], size), parameters[10:11], size)
    return tenth(coloured, parameters[11], size)
