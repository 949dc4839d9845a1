"""The colours of a scene, drawn as hue, saturation and value and used as linear RGB."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.random import Generator

from harness_datasets.scenes.solids import Floats

GAMMA = 2.2

# Hue in degrees, saturation, value of each named colour. Grey has no hue worth the name.
PALETTE: dict[str, tuple[float, float, float]] = {
    "red": (0, 0.85, 0.78),
    "orange": (27, 0.90, 0.92),
    "yellow": (52, 0.85, 0.92),
    "green": (122, 0.68, 0.62),
    "cyan": (181, 0.68, 0.82),
    "blue": (224, 0.80, 0.82),
    "purple": (282, 0.62, 0.66),
    "grey": (0, 0.03, 0.66),
}
COLOURS: tuple[str, ...] = tuple(PALETTE)


def linear(hue: float, saturation: float, value: float) -> Floats:
    """Linear RGB (3,) of a hue in degrees and a saturation and value that are clipped to [0, 1]."""
    rgb = colorsys.hsv_to_rgb(hue / 360 % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return np.asarray([c**GAMMA for c in rgb], np.float32)


def named(rng: Generator, colour: int) -> Floats:
    """A natural variation of one of COLOURS."""
    hue, saturation, value = PALETTE[COLOURS[colour]]
    spread = 0.12 if saturation > 0.1 else 0.03
    return linear(hue + rng.uniform(-6, 6), saturation + rng.uniform(-spread, spread), value + rng.uniform(-0.14, 0.1))


def muted(rng: Generator, values: tuple[float, float]) -> Floats:
    """Any hue, mostly unsaturated, with its value in the range given."""
    return linear(rng.uniform(0, 360), 0.5 * rng.random() ** 1.5, rng.uniform(*values))


def earthy(rng: Generator, values: tuple[float, float]) -> Floats:
    """Wood, sand, clay, grass: from brown to green, with its value in the range given."""
    return linear(rng.uniform(15, 80), rng.uniform(0.1, 0.5), rng.uniform(*values))


def airy(rng: Generator, values: tuple[float, float]) -> Floats:
    """The blues of a sky, with the value in the range given."""
    return linear(rng.uniform(198, 225), rng.uniform(0.2, 0.65), rng.uniform(*values))


def light_tint(rng: Generator, spread: float) -> Floats:
    """From warm to cool: a linear RGB near (1, 1, 1)."""
    warmth = rng.uniform(-spread, spread)
    return np.asarray([1 + warmth, 1.0, 1 - 1.2 * warmth], np.float32)
