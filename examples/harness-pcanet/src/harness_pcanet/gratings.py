"""Stripes in four directions: what a first layer of oriented filters should tell apart."""

from __future__ import annotations

import numpy as np
from harness.datasets import Dataset, DatasetCard, Split

DIRECTIONS = ("0°", "45°", "90°", "135°")
SIZES = {"train": 200, "val": 80, "test": 160}


class Gratings(Dataset):
    """Sinusoidal stripes of random frequency, phase and contrast in noise, 64 x 64 pixels."""

    card = DatasetCard(
        name="gratings", revision="1", title="Gratings", classes=DIRECTIONS, splits=SIZES, domain="synthetic",
        licence="CC0-1.0",
    )  # fmt: skip

    def split(self, name: str) -> Split:
        random = np.random.RandomState(list(SIZES).index(name))
        targets = np.arange(SIZES[name], dtype=np.int64) % len(DIRECTIONS)
        images = np.stack([self._draw(random, np.pi * target / len(DIRECTIONS)) for target in targets])
        return Split(images, targets, [f"{name}-{i}" for i in range(len(targets))])

    def _draw(self, random: np.random.RandomState, angle: float) -> np.ndarray:
        y, x = np.mgrid[:64, :64] / 64
        wave = random.uniform(6, 12) * (np.cos(angle) * x + np.sin(angle) * y) + random.uniform()
        grey = 128 + random.uniform(20, 60) * np.sin(2 * np.pi * wave) + random.normal(0, 40, (64, 64))
        return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
