"""Embeddings of an image under masks, by the least work that gives them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.encoder import EMBEDDING, Encoder, ModuleEncoder
from harness_tasks.occlusion.incremental import Incremental
from harness_tasks.occlusion.patches import Span
from harness_tasks.occlusion.sliding import Masks, masked

TOLERANCE = 1e-4
"""Of the norm of an embedding: how far a traced network may be from the encoder that it was traced from."""


class Plain:
    """Full forward passes, in batches: for any encoder.

    Attributes:
        batches: how many of the usual batches it takes at once.
    """

    batches = 1

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.image = torch.empty(0)

    def start(self, image: Tensor) -> Tensor:
        """(1, D) of a normalised image (1, 3, S, S), which is the one to be masked from now on."""
        self.image = image
        return self.encoder.embed(image)

    def masked(self, rows: Sequence[Span], columns: Sequence[Span]) -> Tensor:
        """(B, D) of the image under each mask in turn."""
        return self.encoder.embed(masked(self.image, rows, columns, whole=True).values)


class Shared:
    """Passes that compute only what a mask changes: for an encoder around a network that can be traced."""

    batches = 4  # each of them small

    def __init__(self, encoder: ModuleEncoder) -> None:
        self.encoder, self.network = encoder, Incremental(encoder.module)
        self.image = torch.empty(0)

    def start(self, image: Tensor) -> Tensor:
        self.image = image.contiguous(memory_format=torch.channels_last)
        return self._pooled(self.network.start(self.image))

    def masked(self, rows: Sequence[Span], columns: Sequence[Span]) -> Tensor:
        return self._pooled(self.network(masked(self.image, rows, columns)))

    def _pooled(self, out: Tensor) -> Tensor:
        return out if out.ndim == 2 else self.encoder.pool(out, EMBEDDING)


def fastest(encoder: Encoder, image: Tensor, masks: Masks) -> Plain | Shared:
    """`Shared` where it gives, on this image clean and under three masks, what `Plain` does; else `Plain`."""
    plain = Plain(encoder)
    half = torch.is_autocast_enabled(image.device.type)  # whose rounding hides whether the two agree
    if half or not isinstance(encoder, ModuleEncoder):
        return plain
    spans = masks.spans
    tried = [spans[0], spans[len(spans) // 2], spans[-1]]
    try:
        shared = Shared(encoder)
        pairs = [(plain.start(image), shared.start(image))]
        pairs += [(plain.masked([span], [span]), shared.masked([span], [span])) for span in tried]
    except Exception:  # anything can come of tracing code that was not written to be traced
        return plain
    agree = all(torch.linalg.norm(a - b) <= TOLERANCE * torch.linalg.norm(a) for a, b in pairs)
    return shared if agree else plain
