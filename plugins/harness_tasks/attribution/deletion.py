"""Deletion and insertion curves (Petsiuk et al. 2018, 1806.07421)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harness_tasks.attribution.classifier import Classifier
from harness_tasks.attribution.maps import upsampled

STEPS = 16
SIGMA = 5.0  # pixels of the blur, at up to 224


def curves(classifier: Classifier, pixels: Tensor, maps: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K) of one class for each image, while 0 to K - 1 sixteenths of its pixels go, or come.

    The most important pixels of the map, brought to the image's size, first; of equal ones, the upper left. Deletion
    puts the image's own mean in each channel. Insertion starts from the image blurred by a Gaussian of `SIGMA` pixels
    (in proportion above 224), cut off at one standard deviation, as published.
    """
    rank = _ranks(upsampled(maps, pixels.shape[-1]))
    mean = pixels.float().mean((2, 3), keepdim=True).round().to(torch.uint8)
    blurred = blur(pixels)
    found: list[tuple[Tensor, Tensor]] = []
    for step in range(STEPS + 1):
        first = (rank < round(step * rank[0].numel() / STEPS))[:, None]
        changed = torch.where(first, mean, pixels), torch.where(first, pixels, blurred)
        found.append((classifier.probability(changed[0], classes), classifier.probability(changed[1], classes)))
    deletion, insertion = zip(*found, strict=True)
    return torch.stack(deletion, 1).float(), torch.stack(insertion, 1).float()


def blur(pixels: Tensor) -> Tensor:
    """uint8 (N, 3, S, S), blurred: 11 taps of standard deviation 5 pixels at 224, as the released code."""
    sigma = SIGMA * max(1.0, pixels.shape[-1] / 224)
    radius = min(round(sigma), pixels.shape[-1] - 1)
    blurred: Tensor = F.gaussian_blur(pixels, [2 * radius + 1] * 2, [sigma] * 2)
    return blurred


def _ranks(maps: Tensor) -> Tensor:
    """The place of each pixel by falling importance, (N, S, S), from 0."""
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=maps.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view_as(maps)
