"""``digits``: scikit-learn's copy of the UCI test set of handwritten digits (Alpaydin & Kaynak 1998)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets import Dataset, DatasetCard, Split
from harness_datasets.stratified import stratified

TEST_SHARE = 0.3
SIZES = {"train": 1258, "test": 539}


@cache
def load() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All images, uint8 RGB (1797, 8, 8, 3) with grey levels 0 to 16 spread over 0 to 255, and labels (1797,)."""
    from sklearn.datasets import load_digits  # takes a second to import

    data: Any = load_digits()
    grey = np.round(data.images * (255 / 16)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3), data.target.astype(np.int64)


class Digits(Dataset):
    """1,797 real images in ten classes, 70 % of each for training by a fixed draw."""

    @property
    def card(self) -> DatasetCard:
        return DatasetCard(
            name="digits",
            revision="uci1998-1",
            title="Handwritten digits, 8x8",
            classes=tuple("0123456789"),
            splits=SIZES,
            domain="handwriting",
            near=False,
            licence="CC-BY-4.0",
            shareable=True,
            citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Repository, 1998",
            url="https://archive.ics.uci.edu/dataset/80",
        )

    def split(self, name: str) -> Split:
        images, targets = load()
        train, test = stratified(targets, TEST_SHARE)
        index = {"train": train, "test": test}[name]
        return Split(images[index], targets[index], [f"digits/{i:04d}" for i in index])
