"""What the steps of a run are fed: which images, and how each is cut. All of it depends on the seed alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from harness.errors import HarnessError
from harness.models import Geometry
from harness.pixels import resize
from harness.tasks import Fold

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10
CHUNK = 16  # images a thread makes at once
Rows = NDArray[np.int64]
Augment = Callable[[Tensor, int], Tensor]


def epochs(images: int, batch: int, steps: int, seed: int) -> list[Rows]:
    """The images of each step: shuffled epochs, whose last batch is short; a rest of one image is left out.

    Raises `HarnessError` for a single image.
    """
    if images < 2:
        raise HarnessError("finetune: two training images are the least")
    random, order = _generator(seed), list[Rows]()
    while len(order) < steps:
        shuffled = random.permutation(images)
        parts = (shuffled[start : start + batch] for start in range(0, images, batch))
        order += [part for part in parts if len(part) > 1]
    return order[:steps]


def feed(
    folds: Sequence[Fold], order: Sequence[Rows], augment: Augment, start: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels (B, 3, S, S) and targets of each step from `start` on.

    Args:
        order: images of each step, counted through the folds in turn.
        augment: from an original and its place among all draws; see `harness.tasks.Fold.augmented`.
    """
    targets = torch.cat([fold.targets for fold in folds])
    first = np.cumsum([0, *(len(fold.targets) for fold in folds)])
    draws = np.concatenate(order[start:])
    homes = np.searchsorted(first, draws, side="right") - 1
    places = np.arange(len(draws)) + sum(map(len, order[:start]))
    streams = [
        _images(fold, draws[homes == at] - first[at], places[homes == at], augment) for at, fold in enumerate(folds)
    ]
    turns = iter(homes.tolist())
    for rows in order[start:]:
        pixels = torch.stack([next(streams[next(turns)]) for _ in rows])
        yield pixels, targets[torch.from_numpy(rows).to(targets.device)]


def _images(fold: Fold, draws: Rows, places: Rows, augment: Augment) -> Iterator[Tensor]:
    """Each drawn image of one fold, (3, S, S)."""
    for chunk in fold.augmented(draws.tolist(), CHUNK, lambda image, at: augment(image, int(places[at]))):
        yield from chunk


def augmentation(kind: str, geometry: Geometry, seed: int) -> Augment:
    """``crop``: a random resized crop and a flip, drawn from the seed and the place; ``none``: the view's own crop."""
    if kind == "none":
        return lambda image, place: resize(image, geometry)
    size = [geometry.size, geometry.size]

    def cut(image: Tensor, place: int) -> Tensor:
        random = _generator(seed, place)
        box = crop_box(image.shape[1], image.shape[2], random)
        flipped = random.random() < 0.5
        cropped: Tensor = F.resized_crop(image, *box, size, InterpolationMode.BICUBIC, antialias=True)
        return F.horizontal_flip(cropped) if flipped else cropped

    return cut


def crop_box(height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop (Szegedy et al. 2015, 1409.4842).

    Area uniform in `AREA` of the image, log ratio uniform in `RATIO`; the first of `TRIES` draws that fits. If none
    does, the largest central crop of an allowed ratio.
    """
    areas = random.uniform(*AREA, TRIES) * height * width
    ratios = np.exp(random.uniform(math.log(RATIO[0]), math.log(RATIO[1]), TRIES))
    heights, widths = np.rint(np.sqrt(areas / ratios)).astype(int), np.rint(np.sqrt(areas * ratios)).astype(int)
    fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
    if fits.any():
        h, w = int(heights[fits.argmax()]), int(widths[fits.argmax()])
        return int(random.integers(height - h + 1)), int(random.integers(width - w + 1)), h, w
    h, w = min(height, round(width / RATIO[0])), min(width, round(height * RATIO[1]))
    return (height - h) // 2, (width - w) // 2, h, w


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng((seed % 2**64, *place))
