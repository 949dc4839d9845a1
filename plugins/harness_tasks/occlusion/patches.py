"""Patches: batches of activations that differ from those of one clean image within a window only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Span(NamedTuple):
    """Rows, or columns, from `start` up to `stop`."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    def within(self, n: int) -> Span:
        """The part of it that a map of `n` rows has."""
        return Span(max(self.start, 0), min(self.stop, n))

    def union(self, other: Span) -> Span:
        return Span(min(self.start, other.start), max(self.stop, other.stop))

    def inside(self, outer: Span) -> bool:
        return outer.start <= self.start and self.stop <= outer.stop

    def cut(self, origin: int) -> slice:
        """Where it is in something that begins at `origin`."""
        return slice(self.start - origin, self.stop - origin)


class Sliding(NamedTuple):
    """What a convolution or pooling does along one axis."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    def outputs(self, changed: Span, n: int) -> Span:
        """Those of its `n` outputs that see a changed input; one at least."""
        reach = self.dilation * (self.kernel - 1)
        first = -(-(changed.start + self.padding - reach) // self.stride)
        last = (changed.stop - 1 + self.padding) // self.stride
        first = min(max(first, 0), n - 1)
        return Span(first, max(min(last + 1, n), first + 1))

    def inputs(self, wanted: Span) -> Span:
        """What these outputs see; it may reach into the padding."""
        first, last = (at * self.stride - self.padding for at in (wanted.start, wanted.stop - 1))
        return Span(first, last + self.dilation * (self.kernel - 1) + 1)


@dataclass(frozen=True)
class Patch:
    """B activations that equal `clean` outside a window.

    Attributes:
        values: (B, C, h, w) inside it.
        rows, columns: the window, of h rows and w columns.
        clean: (1, C, H, W).
    """

    values: Tensor
    rows: Span
    columns: Span
    clean: Tensor

    def crop(self, rows: Span, columns: Span, fill: float = 0.0) -> Tensor:
        """(B, C, rows, columns) of the whole activations; `fill` where they lie outside the map."""
        if rows.inside(self.rows) and columns.inside(self.columns):
            return self.values[:, :, rows.cut(self.rows.start), columns.cut(self.columns.start)]
        shape = len(self.values), self.clean.shape[1], rows.length, columns.length
        crop = torch.empty(shape, dtype=self.clean.dtype, device=self.clean.device, memory_format=torch.channels_last)
        own = rows.within(self.clean.shape[2]), columns.within(self.clean.shape[3])
        if own != (rows, columns):
            crop.fill_(fill)
        crop[:, :, own[0].cut(rows.start), own[1].cut(columns.start)] = self.clean[:, :, slice(*own[0]), slice(*own[1])]
        seen = _overlap(self.rows, rows), _overlap(self.columns, columns)
        if seen[0].length > 0 and seen[1].length > 0:
            values = self.values[:, :, seen[0].cut(self.rows.start), seen[1].cut(self.columns.start)]
            crop[:, :, seen[0].cut(rows.start), seen[1].cut(columns.start)] = values
        return crop

    def whole(self) -> Tensor:
        """(B, C, H, W)."""
        return self.crop(Span(0, self.clean.shape[2]), Span(0, self.clean.shape[3]))


def _overlap(a: Span, b: Span) -> Span:
    return Span(max(a.start, b.start), min(a.stop, b.stop))
