"""Parameters of views: grids, which are the same for all images, and what is drawn at random from an image's seed."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.transforms.family import Draw

AREA, LOG_RATIO = (0.08, 1.0), (math.log(3 / 4), math.log(4 / 3))
TRIES = 10
JITTER, SHIFT = 0.8, 0.2  # SimCLR's strength 1: factors 1 +- 0.8, hue +- 0.2
ORDERS = 24  # of the four parts of the jitter
SEEDS = 2**24  # integers that a float32 holds exactly


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _axis(low: float, high: float, n: int, closed: bool) -> NDArray[np.float64]:
    """n evenly spaced values from `low` to `high`, which is left out unless `closed`; the middle for n = 1."""
    if n == 1:
        return np.array([(low + high) / 2])
    return np.linspace(low, high, n) if closed else np.linspace(low, high, n, endpoint=False)


def line(low: float, high: float, *, closed: bool = True, whole: bool = False) -> Draw:
    """A grid of one parameter, rounded to whole numbers if `whole`."""

    def draw(n: int, seed: int) -> Tensor:
        values = _axis(low, high, n, closed)[:, None]
        return _tensor(values.round() if whole else values)

    return draw


def lattice(*bounds: tuple[float, float], closed: bool = True) -> Draw:
    """A grid of D parameters: n = k^D is k values of each, in all combinations; of others a low-discrepancy sequence.

    The latter is ``0.5 + i alpha mod 1``, alpha = (g^-1 .. g^-D), g^(D+1) = g + 1 (Roberts 2018, "R_D"), in the box.
    """
    low, high = np.array(bounds).T
    dims = len(bounds)

    def draw(n: int, seed: int) -> Tensor:
        k = round(n ** (1 / dims))
        if k**dims == n:
            axes = [_axis(*bound, k, closed) for bound in bounds]
            return _tensor(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(n, dims))
        root = 2.0
        for _ in range(64):  # a fixed point
            root = (1 + root) ** (1 / (dims + 1))
        places = (0.5 + np.arange(1, n + 1)[:, None] * root ** -np.arange(1.0, dims + 1)) % 1
        return _tensor(low + (high - low) * places)

    return draw


def switch(n: int, seed: int) -> Tensor:
    """The one view of a transform that is on or off: on."""
    return torch.ones(n, 1)


def with_seed(grid: Draw) -> Draw:
    """A grid whose views also have a seed each, other ones for each image."""

    def draw(n: int, seed: int) -> Tensor:
        seeds = np.random.default_rng(seed).integers(SEEDS, size=n).astype(np.float64)
        return torch.cat([grid(n, seed), _tensor(seeds[:, None])], 1)

    return draw


def crops(n: int, seed: int) -> Tensor:
    """Random resized crops (Szegedy et al. 2015, 1409.4842): (n, 4), top, left, height, width, parts of the canvas."""
    return _tensor(_crops(np.random.default_rng(seed).random((n, 2 * TRIES + 2))))


def jitters(n: int, seed: int) -> Tensor:
    """SimCLR's colour jitter of strength 1 (Chen et al. 2020, 2002.05709, appendix A), always on: (n, 5)."""
    return _tensor(_jitters(np.random.default_rng(seed).random((n, 5))))


def simclr(n: int, seed: int) -> Tensor:
    """SimCLR's augmentation: (n, 12), a crop, whether flipped (half), a jitter (80 %), whether gray (20 %), and the
    sigma of a blur (half; else 0), 0.1 to 2 pixels.
    """
    uniform = np.random.default_rng(seed).random((n, 2 * TRIES + 2 + 10))
    crop, (flip, chance, *jitter, gray, blur, sigma) = uniform[:, : 2 * TRIES + 2], uniform[:, 2 * TRIES + 2 :].T
    jittered = np.where(chance[:, None] < 0.8, _jitters(np.stack(jitter, 1)), [1, 1, 1, 0, 0])
    sigmas = np.where(blur < 0.5, 0.1 + 1.9 * sigma, 0)
    columns = [_crops(crop), flip[:, None] < 0.5, jittered, gray[:, None] < 0.2, sigmas[:, None]]
    return _tensor(np.concatenate(columns, 1))


def _crops(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4) boxes from (n, 22): the first of ten areas and ratios that fits, or the whole; and its place."""
    areas = AREA[0] + (AREA[1] - AREA[0]) * uniform[:, :TRIES]
    ratios = np.exp(LOG_RATIO[0] + (LOG_RATIO[1] - LOG_RATIO[0]) * uniform[:, TRIES : 2 * TRIES])
    heights, widths = np.sqrt(areas / ratios), np.sqrt(areas * ratios)
    fits = (heights <= 1) & (widths <= 1)
    first = np.arange(len(uniform)), fits.argmax(1)
    height = np.where(fits.any(1), heights[first], 1)
    width = np.where(fits.any(1), widths[first], 1)
    top, left = uniform[:, -2] * (1 - height), uniform[:, -1] * (1 - width)
    return np.stack([top, left, height, width], 1)


def _jitters(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 5) factors of brightness, contrast and saturation, the shift of hue, and the place of their order."""
    factors = 1 + JITTER * (2 * uniform[:, :3] - 1)
    shift, order = SHIFT * (2 * uniform[:, 3:4] - 1), np.floor(ORDERS * uniform[:, 4:5])
    return np.concatenate([factors, shift, order], 1)
