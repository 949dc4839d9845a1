"""Datasets that torchvision's classes list: with a loader that loads nothing they give paths and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets import Images
from harness_datasets.official.base import Content, Facts, Official, facts


def opened(name: str, root: Path, **options: Any) -> Any:
    """One of torchvision's datasets. Raises `ValueError` where it finds its files missing or their digests wrong."""
    import torchvision.datasets

    try:
        return getattr(torchvision.datasets, name)(root, **options)
    except RuntimeError as error:
        if "download=True" not in str(error) and "not found" not in str(error):
            raise
        raise ValueError("not found, or their digests are not the published ones") from error


class Listed(Official):
    """Image files with a label each, as torchvision's class reads them from the official lists.

    Args:
        name: the class in ``torchvision.datasets``.
    """

    def __init__(self, name: str, facts: Facts, root: Path | None = None) -> None:
        super().__init__(facts, root)
        self.name = name

    def read(self, split: str) -> Content:
        found = opened(self.name, self.root, split=split, loader=Path)
        pairs = [found[i] for i in range(len(found))]
        return [path for path, _ in pairs], [label for _, label in pairs], None


class Aircraft(Listed):
    """FGVC Aircraft by variant."""

    def class_names(self) -> list[str]:
        return (self.root / "fgvc-aircraft-2013b/data/variants.txt").read_text().split("\n")[:-1]


class Cars(Listed):
    """Stanford Cars."""

    def class_names(self) -> list[str]:
        from scipy.io import loadmat

        meta = loadmat(self.root / "stanford_cars/devkit/cars_meta.mat", squeeze_me=True)
        return [str(name) for name in meta["class_names"]]


class Food(Listed):
    """Food-101."""

    def class_names(self) -> list[str]:
        return sorted((self.root / "food-101/meta/classes.txt").read_text().split())


class Mnist(Official):
    """MNIST, and the sets in its format."""

    def __init__(self, name: str, facts: Facts, root: Path | None = None) -> None:
        super().__init__(facts, root)
        self.name = name

    def read(self, split: str) -> Content:
        found = opened(self.name, self.root, train=split == "train")
        images: Images = found.data.numpy()
        return images, found.targets.numpy(), None


class Svhn(Official):
    """Street View House Numbers, cropped digits. The file's label 10 is the digit 0."""

    def read(self, split: str) -> Content:
        found = opened("SVHN", self.root, split=split)
        return np.transpose(found.data, (0, 2, 3, 1)), found.labels, None


def aircraft() -> Official:
    """FGVC Aircraft: the official training, validation and test images, by variant."""
    return Aircraft("FGVCAircraft", facts("aircraft"))


def cars() -> Official:
    """Stanford Cars."""
    return Cars("StanfordCars", facts("cars"))


def dtd() -> Official:
    """Describable Textures, the first of its ten partitions."""
    return Listed("DTD", facts("dtd"))


def flowers() -> Official:
    """Oxford 102 Flowers."""
    return Listed("Flowers102", facts("flowers"))


def food101() -> Official:
    """Food-101."""
    return Food("Food101", facts("food101"))


def mnist() -> Official:
    """MNIST."""
    return Mnist("MNIST", facts("mnist"))


def fashionmnist() -> Official:
    """Fashion-MNIST."""
    return Mnist("FashionMNIST", facts("fashionmnist"))


def svhn() -> Official:
    """Street View House Numbers."""
    return Svhn(facts("svhn"))
