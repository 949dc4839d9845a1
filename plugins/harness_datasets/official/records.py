"""Images in files of fixed records: CIFAR, STL-10 and PatchCamelyon. They stay on disk until they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness_datasets.official.base import Content, Official, facts

Bytes = NDArray[np.uint8]


class Chain(Sequence[Bytes]):
    """Several arrays of images (N, H, W, 3) as one sequence, without copying them together."""

    def __init__(self, parts: Sequence[Bytes]) -> None:
        self.parts = parts
        self.starts = [0, *accumulate(len(part) for part in parts)]

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = bisect_right(self.starts, index) - 1
        return self.parts[part][index - self.starts[part]]


def records(path: Path, size: int) -> Bytes:
    """A file of uint8 records as a map (N, size). Raises `ValueError` when the last record is cut off."""
    length = path.stat().st_size
    if not length or length % size:
        raise ValueError(f"{path.name} is truncated: {length:,} bytes are no whole number of records of {size:,}")
    return np.memmap(path, np.uint8, "r").reshape(-1, size)


class Cifar10(Official):
    """CIFAR-10 in the binary version: the others are pickles, or Matlab's."""

    label_bytes = 1  # before the pixels of a record; the last is the label

    def read(self, split: str) -> Content:
        parts = [records(path, self.label_bytes + 3 * 32 * 32) for path in self.paths(split)]
        images = [part[:, self.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) for part in parts]
        return Chain(images), np.concatenate([part[:, self.label_bytes - 1] for part in parts]), None


class Cifar100(Cifar10):
    """CIFAR-100 by its 100 fine labels; likewise."""

    label_bytes = 2


class Stl10(Official):
    """STL-10: the labelled training and test images; the pixels of a record run down the columns of each channel."""

    def read(self, split: str) -> Content:
        images, labels = (records(path, size) for path, size in zip(self.paths(split), (3 * 96 * 96, 1), strict=True))
        return images.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1), labels[:, 0].astype(np.int64) - 1, None


class Pcam(Official):
    """PatchCamelyon in its HDF5 files; reading them needs the package h5py."""

    def read(self, split: str) -> Content:
        images, labels = self.paths(split)
        try:
            import h5py
        except ImportError:
            raise HarnessError("dataset pcam: reading its .h5 files needs h5py: pip install h5py") from None
        with h5py.File(labels) as file:
            targets = np.asarray(file["y"], np.int64).reshape(-1)
        return h5py.File(images)["x"], targets, None


def cifar10() -> Official:
    """CIFAR-10."""
    return Cifar10(facts("cifar10"))


def cifar100() -> Official:
    """CIFAR-100."""
    return Cifar100(facts("cifar100"))


def stl10() -> Official:
    """STL-10."""
    return Stl10(facts("stl10"))


def pcam() -> Official:
    """PatchCamelyon."""
    return Pcam(facts("pcam"))
