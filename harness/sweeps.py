"""Sweeps: one pass of an encoder over a split's pixels, for every tap and view that any cell of the plan asked for.

What a tap makes of an activation lands by index, so that no result depends on the batch size. Held at once are one
batch's activations and, for inner products, those of one block of images a layer and view.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.passes import Forward, arithmetic, pooled
from harness.pixels import Batch
from harness.taps import Tap

Create = Callable[[tuple[int, ...]], NDArray[Any]]
View = Callable[[Tensor, NDArray[np.int64], int], Tensor]
"""From a batch's pixels, their rows in the sweep and the number of a view, to what the encoder sees."""


@dataclass(eq=False)
class Sink(ABC):
    """Where a tap's values go: an array whose rows are some of the sweep's, made once its width is known.

    Attributes:
        placed: where each row of the sweep goes; -1 for those left out.
        views: of each image; 0 for an array without an axis of views.
        create: makes the array of a shape.
    """

    tap: Tap
    placed: NDArray[np.int64]
    views: int
    create: Create
    array: NDArray[Any] | None = field(default=None, init=False)

    def places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of a batch's rows are wanted, and where they go."""
        places = self.placed[rows]
        wanted = np.flatnonzero(places >= 0)
        return wanted, places[wanted]

    @property
    def size(self) -> int:
        """Rows of the array."""
        return int((self.placed >= 0).sum())

    @abstractmethod
    def take(self, encoder: Encoder, activation: Tensor, places: NDArray[np.int64], view: int) -> None:
        """Keep what is to be kept of the activations (B, ...) of the images at `places`."""

    def put(self, places: NDArray[np.int64], values: Tensor, view: int) -> None:
        """Store (B, F) values. Raises `NotFiniteError` for the first row that holds NaN or infinity."""
        if values.ndim != 2 or len(values) != len(places):
            raise HarnessError(_misshapen(self.tap.layer, values, len(places)))
        if self.array is None:
            self.array = self.create((self.size, *((self.views,) if self.views else ()), values.shape[1]))
        with np.errstate(over="ignore"):  # an overflow to float16 is reported below, by image
            plain = values.float().cpu().numpy().astype(self.array.dtype, copy=False)
        if not np.isfinite(plain).all():
            raise self.not_finite(places[int(np.argmin(np.isfinite(plain).all(1)))])
        self.array[(places, view) if self.views else places] = plain

    def not_finite(self, place: int) -> NotFiniteError:
        """The error of a place."""
        return NotFiniteError(int(np.flatnonzero(self.placed == place)[0]))


class NotFiniteError(HarnessError):
    """NaN or infinite values, of a row of the sweep."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} holds NaN or infinite values")
        self.row = row


class Pooled(Sink):
    """(N, D): the mean over space or tokens."""

    def take(self, encoder: Encoder, activation: Tensor, places: NDArray[np.int64], view: int) -> None:
        self.put(places, pooled(encoder, activation, self.tap.layer), view)


class Flat(Sink):
    """(N, F): all of the activation."""

    def take(self, encoder: Encoder, activation: Tensor, places: NDArray[np.int64], view: int) -> None:
        self.put(places, activation.flatten(1), view)


@dataclass(eq=False)
class BlockGrams(Sink):
    """(N, B): inner products within blocks of B images, of activations centred in their block.

    The sweep's rows come in the order of the array.

    Attributes:
        held: the activations of the block that is not yet complete, by view.
    """

    held: dict[int, list[Tensor]] = field(default_factory=dict, init=False)

    def take(self, encoder: Encoder, activation: Tensor, places: NDArray[np.int64], view: int) -> None:
        rest, at = activation.flatten(1).float(), int(places[0])
        while len(rest):
            part = rest[: self.tap.block - at % self.tap.block]
            held = self.held.setdefault(view, [])
            held.append(part)
            at, rest = at + len(part), rest[len(part) :]
            if at % self.tap.block == 0 or at == self.size:
                self._multiply(torch.cat(held), at, view)
                held.clear()

    def _multiply(self, block: Tensor, stop: int, view: int) -> None:
        if not bool(block.isfinite().all()):
            bad = int((~block.isfinite().all(1)).nonzero()[0])
            raise self.not_finite(stop - len(block) + bad)
        block = block - block.mean(0)
        with arithmetic("fp32", str(block.device)):
            products = block @ block.T
        wide = products.new_zeros(len(block), self.tap.block)
        wide[:, : len(block)] = products
        self.put(np.arange(stop - len(block), stop), wide, view)


SINKS: dict[str, type[Sink]] = {"pooled": Pooled, "flat": Flat, "gram": BlockGrams}


def _misshapen(layer: str, values: Tensor, images: int) -> str:
    return f"layer {layer!r} gave shape {tuple(values.shape)} for {images} images, not (N, D)"


def unchanged(pixels: Tensor, rows: NDArray[np.int64], number: int) -> Tensor:
    """The one view that is the pixels themselves."""
    return pixels


def sweep(
    forward: Forward,
    batches: Iterator[Batch],
    sinks: Sequence[Sink],
    ids: Sequence[str],
    progress: Callable[[int, float], None],
    view: View = unchanged,
    views: int = 1,
) -> None:
    """Forward every view of every batch that a sink wants, once, and let the sinks take what they want of it.

    Args:
        batches: of the sweep's rows.
        ids: the rows' names, for errors.
        progress: called with images done and images a second.

    Raises `HarnessError` for outputs of a wrong shape, NaN or infinite values (also on overflow to float16).
    """
    start, done = time.perf_counter(), 0
    for rows, pixels in batches:
        wanted = [(sink, *sink.places(rows)) for sink in sinks]
        wanted = [each for each in wanted if len(each[1])]
        layers = tuple(dict.fromkeys(sink.tap.layer for sink, *_ in wanted))
        for number in range(views if wanted else 0):
            _distribute(forward, view(pixels, rows, number), layers, wanted, number, ids)
        done += len(rows)
        progress(done, done / (time.perf_counter() - start))


def _distribute(
    forward: Forward,
    pixels: Tensor,
    layers: Sequence[str],
    wanted: Sequence[tuple[Sink, NDArray[np.int64], NDArray[np.int64]]],
    view: int,
    ids: Sequence[str],
) -> None:
    """Forward one batch, and hand each sink its rows of each part."""
    for part, found in forward(pixels, layers):
        for sink, inside, places in wanted:
            here = (inside >= part.start) & (inside < part.stop)
            if not here.any():
                continue
            rows, activation = inside[here] - part.start, found[sink.tap.layer]
            if len(activation) != part.stop - part.start:
                raise HarnessError(_misshapen(sink.tap.layer, activation, part.stop - part.start))
            if len(rows) < len(activation):
                activation = activation[torch.from_numpy(rows).to(activation.device)]
            try:
                sink.take(forward.encoder, activation, places[here], view)
            except NotFiniteError as error:
                raise HarnessError(
                    f"layer {sink.tap.layer!r} gave NaN or infinite values for image {ids[error.row]} in "
                    f"{forward.precision}"
                ) from None
