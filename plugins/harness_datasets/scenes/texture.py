"""Procedural surfaces: the patterns of the ground and what stands behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator

from harness_datasets.scenes.colours import airy, earthy, muted
from harness_datasets.scenes.solids import Floats

TILE = 256  # side of the noise tile; a power of two
MOTTLE = 17.0  # tile pixels per pattern period of the fine noise on every ground


@cache
def noise_tile() -> Floats:
    """A tileable noise (TILE, TILE) of 1/f amplitude, its values spread evenly over [0, 1]."""
    rng = np.random.default_rng(2026)
    fx, fy = np.fft.fftfreq(TILE)[:, None] * TILE, np.fft.rfftfreq(TILE)[None] * TILE
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) / np.maximum(np.hypot(fx, fy), 3.0) ** 1.5
    values = np.fft.irfft2(spectrum, s=(TILE, TILE)).ravel()
    rank = np.empty(TILE * TILE, np.float32)
    rank[values.argsort(kind="stable")] = np.linspace(0, 1, TILE * TILE, dtype=np.float32)
    return rank


def noise(u: Floats, v: Floats) -> Floats:
    """The tile at (u, v) tile pixels, bilinear, repeating."""
    tile = noise_tile()
    fu, fv = np.floor(u), np.floor(v)
    u, v = u - fu, v - fv
    row, col = fu.astype(np.int32) & (TILE - 1), fv.astype(np.int32) & (TILE - 1)
    below, right = ((row + 1) & (TILE - 1)) * TILE, (col + 1) & (TILE - 1)
    row *= TILE
    top = tile[row + col] * (1 - v) + tile[row + right] * v
    bottom = tile[below + col] * (1 - v) + tile[below + right] * v
    return top + (bottom - top) * u


def _hash(cell_u: Floats, cell_v: Floats) -> Floats:
    """A fixed value in [0, 1] for each integer cell."""
    at = (cell_u.astype(np.int32) * 7919 + cell_v.astype(np.int32) * 104729) & (TILE * TILE - 1)
    return noise_tile()[at]


def _square(u: Floats, width: Floats) -> Floats:
    """A square wave of period 1 between -1 and 1, its edges blurred over `width` periods."""
    triangle = 1 - 4 * np.abs(u - np.floor(u) - 0.5)
    return np.clip(triangle / (2 * width), -1, 1)


def _seam(u: Floats, half: float, width: Floats) -> Floats:
    """1 on lines of half-width `half` at whole u, 0 between, blurred over `width` periods."""
    away = np.abs(u - np.rint(u))
    return np.clip((half - away) / width + 0.5, 0, 1) * np.minimum(1, 2 * half / width)


def _plain(u: Floats, v: Floats, width: Floats) -> Floats:
    return noise(u * 6, v * 6)


def _checker(u: Floats, v: Floats, width: Floats) -> Floats:
    return 0.5 + 0.5 * _square(u, width) * _square(v, width)


def _stripes(u: Floats, v: Floats, width: Floats) -> Floats:
    return 0.5 + 0.5 * _square(u, width)


def _planks(u: Floats, v: Floats, width: Floats) -> Floats:
    plank = np.floor(v)
    end = u * 0.2 + 0.37 * plank
    tone = _hash(plank, np.floor(end))
    grain = noise(u * 2 + 40 * tone, v * 22)
    seams = np.maximum(_seam(v, 0.025, width), _seam(end, 0.006, 0.2 * width))
    return (0.15 + 0.45 * tone + 0.4 * grain) * (1 - 0.8 * seams)


def _tiles(u: Floats, v: Floats, width: Floats) -> Floats:
    seams = np.maximum(_seam(u, 0.04, width), _seam(v, 0.04, width))
    return (0.65 + 0.35 * _hash(np.floor(u), np.floor(v))) * (1 - seams)


def _speckle(u: Floats, v: Floats, width: Floats) -> Floats:
    return np.clip((noise(u * 40, v * 40) - 0.68) * 8, 0, 1) / (1 + 3 * width)


def _marble(u: Floats, v: Floats, width: Floats) -> Floats:
    vein = np.abs(np.sin(3 * u + 9 * noise(u * 5, v * 5)))
    return np.sqrt(vein)


def _dots(u: Floats, v: Floats, width: Floats) -> Floats:
    du, dv = u - np.rint(u), v - np.rint(v)
    return np.clip((0.3 - np.sqrt(du * du + dv * dv)) / width + 0.5, 0, 1)


Pattern = Callable[[Floats, Floats, Floats], Floats]
PATTERNS: tuple[Pattern, ...] = (_plain, _checker, _stripes, _planks, _tiles, _speckle, _marble, _dots)


@dataclass(frozen=True)
class Ground:
    """A pattern between two colours (3,) on the plane; `frame` (2, 3) takes (x, y, 1) to the pattern's periods."""

    pattern: Pattern
    low: Floats
    high: Floats
    frame: Floats
    mottle: float

    def albedo(self, x: Floats, y: Floats, footprint: Floats) -> Floats:
        """Linear RGB (3, N) at world points, seen through pixels `footprint` (N,) wide on the ground."""
        (a, b, c), (d, e, f) = self.frame
        u, v = a * x + b * y + c, d * x + e * y + f
        width = np.maximum(footprint * np.hypot(a, b), np.float32(1e-3))
        mix = self.pattern(u, v, width)
        grain = 1 + self.mottle * (noise(u * MOTTLE, v * MOTTLE) - 0.5) / (1 + width)
        return (self.low[:, None] + (self.high - self.low)[:, None] * mix) * grain


@dataclass(frozen=True)
class Backdrop:
    """What stands behind: a gradient between two colours (3,) with clouds or panels over it, of `strength` 0 to 1.

    haze: distance, in world units, over which the ground fades into it.
    """

    low: Floats
    high: Floats
    panelled: bool
    strength: float
    offset: float
    haze: float

    def radiance(self, ray: Floats) -> Floats:
        """Linear RGB (3, N) seen along unit rays (3, N)."""
        x, y, z = ray
        up = np.maximum(z, 0)
        mix = np.sqrt(np.minimum(up * 1.6, 1))
        colour = self.low[:, None] + (self.high - self.low)[:, None] * mix
        if self.panelled:
            overlay = 0.5 - 0.5 * _square(np.arctan2(y, x) * np.float32(6 / np.pi) + self.offset, np.float32(0.03))
        else:
            away = 30 / (up + 0.25)
            overlay = np.clip(noise(x * away + 99 * self.offset, y * away) * 2.2 - 1.0, 0, 1) * np.minimum(up * 6, 1)
        return colour + (1 - colour) * (self.strength * overlay)


def draw_ground(rng: Generator) -> Ground:
    """A ground with its pattern, colours, scale and direction at random."""
    tone = earthy if rng.random() < 0.5 else muted
    low, high = tone(rng, (0.15, 0.5)), tone(rng, (0.5, 0.95))
    if rng.random() < 0.5:  # two tones of one colour
        high = np.minimum(low * rng.uniform(1.8, 4.0), np.float32(0.85))
    if rng.random() < 0.5:
        low, high = high, low
    angle, per_unit = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(0.35), np.log(1.1)))
    c, s = per_unit * np.cos(angle), per_unit * np.sin(angle)
    frame = np.array([[c, s, rng.uniform(0, 99)], [-s, c, rng.uniform(0, 99)]], np.float32)
    return Ground(PATTERNS[rng.integers(len(PATTERNS))], low, high, frame, rng.uniform(0.15, 0.6))


def draw_backdrop(rng: Generator, ground: Ground) -> Backdrop:
    """A cloudy sky, a panelled wall, or a studio sweep that the ground runs into."""
    kind, offset, haze = rng.integers(3), rng.uniform(0, 2), rng.uniform(20, 70)
    if kind == 0:
        return Backdrop(muted(rng, (0.7, 1.0)), airy(rng, (0.5, 0.95)), False, rng.uniform(0.1, 0.8), offset, haze)
    if kind == 1:
        return Backdrop(muted(rng, (0.4, 0.9)), muted(rng, (0.3, 0.9)), True, rng.uniform(0.03, 0.25), offset, haze)
    sweep = (ground.low + ground.high) / 2 * np.float32(rng.uniform(0.7, 1.3))
    return Backdrop(sweep, muted(rng, (0.2, 0.9)), False, 0.0, offset, rng.uniform(14, 22))
