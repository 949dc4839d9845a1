"""What of the host's normalised image reaches the network: unchanged, or normalised once more?

Constant-colour images are sent through. Whatever resizing or cropping lies between, each stays one colour, so that a
second normalisation shows as ``received = slope * given + offset`` per channel, fitted over the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from harness.encoder import EMBEDDING, Encoder

COLOURS = 8
_LEARNED = {
    "batch_norm", "bmm", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "einsum", "group_norm", "layer_norm",
    "linear", "matmul", "__matmul__", "mm",
}  # fmt: skip


@dataclass(frozen=True)
class Affine:
    """``received = slope * given + offset``, (3,) each."""

    slope: Tensor
    offset: Tensor

    @property
    def identity(self) -> bool:
        return torch.allclose(self.slope, torch.ones(3), atol=1e-3) and bool(self.offset.abs().max() < 1e-3)

    def __str__(self) -> str:
        return f"{self.slope[0]:.3g} × the host's value {self.offset[0]:+.3g} in the first channel"


class FirstImage(TorchFunctionMode):
    """Remembers the last RGB image (N, 3, H, W) that torch saw before, or at, the first operation with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.image: Tensor | None = None
        self.closed = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not self.closed:
            images = [a for a in (*args, *(kwargs or {}).values()) if _is_image(a)]
            if images:
                self.image = images[0].detach().clone()
            self.closed = getattr(func, "__name__", "") in _LEARNED
        return func(*args, **(kwargs or {}))


def _is_image(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == 3 and value.is_floating_point()


def received(encoder: Encoder) -> Affine | None:
    """The per-channel map from what the host passes to what the network gets; None where it is no such map."""
    colours = torch.randint(0, 256, (COLOURS, 3, 1, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    size = encoder.preprocess.size
    given = encoder.normalise(colours.expand(-1, -1, size, size).contiguous())
    want = given[:, :, 0, 0].clone()
    with torch.inference_mode(), FirstImage() as witness:
        encoder.activations(given, (EMBEDDING,))
    if witness.image is None or len(witness.image) != COLOURS:
        return None
    height, width = witness.image.shape[2:]
    got = witness.image[:, :, height // 2, width // 2].float()
    return _fit(want, got) or _fit(want.flip(1), got)


def _fit(given: Tensor, got: Tensor) -> Affine | None:
    """Least squares per channel; None where the residual, or a slope of zero, says that there is no such map."""
    x, y = given.double(), got.double()
    dx, dy = x - x.mean(0), y - y.mean(0)
    slope = (dx * dy).sum(0) / (dx * dx).sum(0)
    residual = (dy - slope * dx).norm(dim=0) / dy.norm(dim=0).clamp_min(1e-12)
    if bool((residual > 1e-3).any()) or bool((slope.abs() < 1e-6).any()):
        return None
    return Affine(slope.float(), (y.mean(0) - slope * x.mean(0)).float())
