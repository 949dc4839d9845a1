"""What a family of transforms is, and how its transforms are put on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harness.transforms.names import FamilyName

Draw = Callable[[int, int], Tensor]
Apply = Callable[[Tensor, Tensor, int], Tensor]
Transform = Callable[[Tensor, tuple[float, ...], int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Family(FamilyName):
    """A deterministic family of transforms.

    Attributes:
        draw: from (n, seed) to the parameters (n, P), float32, of n views of the image that has this seed. A grid's are
            the same for all images, whatever the seed; of a random family, the first m of n are those drawn for m.
        apply: from a canvas uint8 (B, 3, C, C), parameters (B, P) and the input's size S <= C to uint8 (B, 3, S, S) on
            the canvas's device. The transform acts on the canvas, whose centre of S x S, the clean image, is then kept;
            a crop is resized to S instead. Row by row: it does not depend on the batch.
    """

    draw: Draw
    apply: Apply


def batched(transform: Transform) -> Apply:
    """The transform of one set of parameters, ``(images, parameters, size)``, on a batch: once for all equal ones."""

    def apply(canvas: Tensor, parameters: Tensor, size: int) -> Tensor:
        out = canvas.new_empty(len(canvas), 3, size, size)
        distinct, which = torch.unique(parameters.cpu(), dim=0, return_inverse=True)
        for at, row in enumerate(distinct):
            members = (which == at).nonzero()[:, 0].to(canvas.device)
            out[members] = centre(transform(canvas[members], tuple(row.tolist()), size), size)
        return out

    return apply


def centre(images: Tensor, size: int) -> Tensor:
    """The S x S pixels in the middle of (B, 3, C, C)."""
    cropped: Tensor = F.center_crop(images, [size, size])
    return cropped
