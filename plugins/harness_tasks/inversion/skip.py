"""The network of the deep image prior (Ulyanov et al. 2018, 1711.10925): an encoder-decoder with skip connections.

Channels, kernels and modes are those with which Ericsson et al. 2021 (2011.13377, A.8) inverted features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NOISE = 32  # channels of the input
SKIP = 4
CHANNELS = (16, 32, 64, 128, 128, 128)  # fine to coarse
KERNELS = (7, 7, 5, 5, 3, 3)
COARSEST = 4  # the least side of the coarsest map, as that of 256 pixels halved six times


def depth_of(size: int) -> int:
    """How often images of `size` pixels are halved: as often as leaves a map of side 4 or more, six times at most.

    Of shallower networks, the fine levels are there.
    """
    return max(d for d in range(1, len(CHANNELS) + 1) if d == 1 or side_of(size, d) >> d >= COARSEST)


def side_of(size: int, depth: int) -> int:
    """The network's side for images of `size` pixels: the least that can be halved so often (256 for 224)."""
    return -(-size >> depth) << depth


class SkipNet(nn.Sequential):
    """Noise (N, 32, H, W) to images (N, 3, H, W), not bounded; H and W are multiples of ``2 ** depth``."""

    def __init__(self, depth: int) -> None:
        super().__init__(Level(0, NOISE, depth), nn.Conv2d(CHANNELS[0], 3, 1))


class Level(nn.Module):
    """One resolution and all coarser ones: (N, `width`, H, W) to (N, C, H, W), C this level's channels."""

    def __init__(self, at: int, width: int, depth: int) -> None:
        super().__init__()
        own, kernel, coarsest = CHANNELS[at], KERNELS[at], at == depth - 1
        self.skip = unit(width, SKIP, 1)
        self.down = nn.Sequential(unit(width, own, kernel, halve=True), unit(own, own, kernel))
        self.below = nn.Identity() if coarsest else Level(at + 1, own, depth)
        joined = SKIP + (own if coarsest else CHANNELS[at + 1])
        self.up = nn.Sequential(nn.BatchNorm2d(joined), unit(joined, own, kernel), unit(own, own, 1))

    def forward(self, x: Tensor) -> Tensor:
        below = F.interpolate(self.below(self.down(x)), scale_factor=2, mode="nearest")
        found: Tensor = self.up(torch.cat([self.skip(x), below], 1))
        return found


def unit(c_in: int, c_out: int, kernel: int, halve: bool = False) -> nn.Sequential:
    """Zero-padded convolution, with average pooling where it halves, batch normalisation and LeakyReLU."""
    pool = [nn.AvgPool2d(2)] if halve else []
    convolution = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2)
    return nn.Sequential(convolution, *pool, nn.BatchNorm2d(c_out), nn.LeakyReLU(0.2, inplace=True))
