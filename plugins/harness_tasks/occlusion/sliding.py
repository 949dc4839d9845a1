"""Where masks go, and what of their scores each pixel gets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness_tasks.occlusion.patches import Patch, Span


@dataclass(frozen=True)
class Masks:
    """Squares of `side` pixels at every `stride`-th place of an image of `size`, partly outside it at its borders.

    The first covers the corner pixel alone. At stride 1 each pixel is covered ``side ** 2`` times, as each of the
    central 224 x 224 is by 10 x 10 masks within 242 x 242.

    Raises `HarnessError` for a side or stride that leaves pixels uncovered.
    """

    size: int
    side: int
    stride: int

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.side <= self.size:
            raise HarnessError(
                f"occlude: a mask of {self.side} pixels at stride {self.stride} on {self.size} pixels: "
                "needs 1 <= stride <= mask <= size"
            )

    @property
    def spans(self) -> list[Span]:
        """What masks cover along one axis, (P,)."""
        starts = range(1 - self.side, self.size, self.stride)
        return [Span(start, start + self.side).within(self.size) for start in starts]

    def __len__(self) -> int:
        return len(self.spans) ** 2

    def tiles(self, masks: int) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of the grid of places in blocks of at most so many neighbours."""
        n, height = len(self.spans), math.isqrt(masks)
        width = masks // height
        for top in range(0, n, height):
            for left in range(0, n, width):
                yield slice(top, min(top + height, n)), slice(left, min(left + width, n))

    def average(self, scores: Tensor) -> Tensor:
        """Scores of all masks (P, P) to the mean, at each pixel (S, S), over those that cover it; in float64."""
        covers = torch.zeros(self.size, len(self.spans), dtype=torch.float64, device=scores.device)
        for at, span in enumerate(self.spans):
            covers[slice(*span), at] = 1
        covers /= covers.sum(1, keepdim=True)
        return covers @ scores.double() @ covers.T


def masked(image: Tensor, rows: Sequence[Span], columns: Sequence[Span], whole: bool = False) -> Patch:
    """The image (1, C, H, W) with zeros under each mask in turn, row by row of the grid of places.

    The window is the least that holds all masks, or the `whole` image.
    """
    window = Span(rows[0].start, rows[-1].stop), Span(columns[0].start, columns[-1].stop)
    if whole:
        window = Span(0, image.shape[2]), Span(0, image.shape[3])
    shown = image[:, :, slice(*window[0]), slice(*window[1])]
    values = shown.repeat(len(rows) * len(columns), 1, 1, 1).contiguous(memory_format=torch.channels_last)
    for at, (row, column) in enumerate((row, column) for row in rows for column in columns):
        values[at, :, row.cut(window[0].start), column.cut(window[1].start)] = 0
    return Patch(values, *window, image)
