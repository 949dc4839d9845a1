"""Geometric transforms: bilinear, and black where the canvas ends.

Grids are those of Ericsson et al. 2021, 2111.11398 and its code, which turned the original image, to the nearest pixel;
parameters that are lengths are in parts of the input's size or of the canvas, so that they hold for any.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

BILINEAR = InterpolationMode.BILINEAR
POINTS = 3  # control points a side of an elastic deformation
CANVAS = 256  # pixels that its sigma is given for


def rotation(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """By an angle in degrees, counter-clockwise."""
    rotated: Tensor = F.rotate(images, parameters[0], BILINEAR)
    return rotated


def translation(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Right and down by parts of the size."""
    return _affine(images, translate=[size * part for part in parameters])


def scale(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """About the centre; above 1 enlarges."""
    return _affine(images, scale=parameters[0])


def shear(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """By angles in degrees along the axes."""
    return _affine(images, shear=list(parameters))


def _affine(
    images: Tensor, translate: list[float] | None = None, scale: float = 1.0, shear: list[float] | None = None
) -> Tensor:
    moved: Tensor = F.affine(images, 0.0, translate or [0.0, 0.0], scale, shear or [0.0, 0.0], BILINEAR)
    return moved


def resized_crop(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """A box, in parts of the canvas, resized to the size with antialiasing."""
    side = images.shape[-1]
    top, left, height, width = (round(part * side) for part in parameters)
    height, width = max(1, min(height, side)), max(1, min(width, side))
    top, left = min(top, side - height), min(left, side - width)
    cropped: Tensor = F.resized_crop(images, top, left, height, width, [size, size], BILINEAR, antialias=True)
    return cropped


def hflip(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Left to right."""
    return images.flip(-1) if parameters[0] else images


def vflip(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Upside down."""
    return images.flip(-2) if parameters[0] else images


def elastic(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """A smooth random deformation: our definition of what the paper's ``deform`` sets out.

    Normal displacements of 3 x 3 control points, of standard deviation sigma / 256 of the canvas, interpolated by
    cubics, from a seed.
    """
    sigma, seed = parameters
    side = images.shape[-1]
    normal = np.random.default_rng(int(seed)).standard_normal((1, 2, POINTS, POINTS))
    control = torch.from_numpy(normal).float() * (2 * sigma / CANVAS)  # the canvas is 2 wide in a sampling grid
    field = torch.nn.functional.interpolate(control, (side, side), mode="bicubic", align_corners=True)
    moved: Tensor = F.elastic(images, field.permute(0, 2, 3, 1), BILINEAR)
    return moved
