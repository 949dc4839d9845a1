"""Where an encoder's spatial maps are."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from harness.encoder import Encoder
from harness.errors import HarnessError, UndefinedError


def final_map(encoder: Encoder) -> str:
    """The layer to explain. Raises `UndefinedError` for an encoder without spatial maps."""
    try:
        return encoder.final_map
    except HarnessError as error:
        raise UndefinedError(f"no attribution: {error}") from None


def spatial(encoder: Encoder, activation: Tensor, layer: str) -> Tensor:
    """(N, C, h, w) float32. Raises `UndefinedError` for an activation that is no map."""
    try:
        return encoder.spatial(activation, layer).float()
    except HarnessError as error:
        raise UndefinedError(f"no attribution: {error}") from None


def upsampled(maps: Tensor, size: int) -> Tensor:
    """(N, h, w) to (N, size, size), bilinear between the centres of the cells."""
    return F.interpolate(maps[:, None], (size, size), mode="bilinear", align_corners=False)[:, 0]
