"""Blur, compression and noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad
from torchvision.transforms.v2 import functional as F

KERNEL, SIZE = 23, 224  # of the blur in 2111.11398, pixels, and the input's that it is given for


def blur(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Gaussian, of sigma and a kernel of 23 pixels at an input of 224, in proportion at others."""
    return gaussian(images, _odd(KERNEL * size / SIZE), parameters[0] * size / SIZE)


def tenth(images: Tensor, sigma: float, size: int) -> Tensor:
    """SimCLR's: a kernel of a tenth of the input, sigma in pixels; none for 0."""
    return gaussian(images, _odd(size / 10), sigma) if sigma else images


def _odd(length: float) -> int:
    """The odd number next to a length, 3 at least."""
    return max(3, 2 * int(length / 2) + 1)


def gaussian(images: Tensor, kernel: int, sigma: float) -> Tensor:
    """Gaussian blur by an odd kernel, the border mirrored: torchvision's, as products of matrices, 5 times faster."""
    side = images.shape[-1]
    steps = torch.arange(kernel, dtype=torch.float64) - kernel // 2
    weights = (-0.5 * (steps / sigma).square()).softmax(0)
    mirrored = pad(torch.eye(side, dtype=torch.float64)[:, None], (kernel // 2, kernel // 2), mode="reflect")
    across = conv1d(mirrored, weights[None, None])[:, 0].float().to(images.device)  # (C, C): blurs rows
    blurred = across.T @ images.float() @ across
    return blurred.round().clamp(0, 255).to(torch.uint8)


def jpeg(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Compressed and decoded, at a quality of 1 to 100, on the CPU, so that all devices see the same."""
    compressed: Tensor = F.jpeg(images.cpu(), int(parameters[0]))
    return compressed.to(images.device)


def noise(images: Tensor, parameters: tuple[float, ...], size: int) -> Tensor:
    """Gaussian, of a standard deviation in parts of white, from a seed."""
    sd, seed = parameters
    normal = np.random.default_rng(int(seed)).standard_normal(tuple(images.shape[1:]), dtype=np.float32)
    noisy = images + 255 * sd * torch.from_numpy(normal).to(images.device)
    return noisy.round().clamp(0, 255).to(torch.uint8)
