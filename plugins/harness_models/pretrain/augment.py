"""The SimCLR augmentation for 32 px images: crop, flip, jitter, grey; no blur (Chen et al. 2020, 2002.05709, B.9).

Every image of a batch draws its own parameters; the whole batch is transformed by a few tensor operations, which is
what lets two CPU cores pretrain the zoo.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = torch.tensor([0.299, 0.587, 0.114])


def crop_and_flip(x: Tensor, size: int, scale: tuple[float, float], rng: torch.Generator) -> Tensor:
    """Random resized crop (area in `scale`, aspect 3/4..4/3) and flip: (N, 3, H, W) to (N, 3, size, size)."""
    n = len(x)
    draw = torch.rand(n, 5, generator=rng)
    area = scale[0] + (scale[1] - scale[0]) * draw[:, 0]
    aspect = torch.exp((draw[:, 1] * 2 - 1) * math.log(4 / 3))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    flip = torch.where(draw[:, 4] < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = width * flip, (draw[:, 2] * 2 - 1) * (1 - width)
    theta[:, 1, 1], theta[:, 1, 2] = height, (draw[:, 3] * 2 - 1) * (1 - height)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def colour(x: Tensor, rng: torch.Generator, strength: float = 0.5) -> Tensor:
    """Colour jitter with probability 0.8 and greyscale with 0.2, on (N, 3, H, W) in [0, 1].

    Hue turns the chroma plane of YIQ and saturation scales it, both one 3x3 matrix an image.
    """
    n = len(x)
    draw = torch.rand(n, 6, generator=rng)
    spread = (draw[:, :3] * 2 - 1) * 0.8 * strength
    angle = (draw[:, 3] * 2 - 1) * 0.2 * strength * 2 * math.pi
    jittered = draw[:, 4] < 0.8
    brightness, contrast, saturation = torch.where(jittered[:, None], 1 + spread, 1.0).T
    saturation = torch.where(draw[:, 5] < 0.2, 0.0, saturation)
    angle = torch.where(jittered, angle, 0.0)

    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turn = torch.zeros(n, 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = saturation * angle.cos()
    turn[:, 2, 1] = saturation * angle.sin()
    turn[:, 1, 2] = -turn[:, 2, 1]
    mix = torch.linalg.inv(yiq) @ turn @ yiq * (brightness * contrast)[:, None, None]
    mean = torch.einsum("nchw,c->n", x, GREY) / (x.shape[2] * x.shape[3])
    shift = (brightness * (1 - contrast) * mean)[:, None, None]
    out = torch.baddbmm(shift.expand(n, 3, 1), mix, x.flatten(2))
    return out.clamp(0, 1).reshape(x.shape)


def simclr_view(x: Tensor, rng: torch.Generator, size: int = 32, scale: tuple[float, float] = (0.2, 1.0)) -> Tensor:
    """One SimCLR view of each image of a batch: (N, 3, H, W) to (N, 3, size, size), values in [0, 1]."""
    return colour(crop_and_flip(x, size, scale, rng), rng)
