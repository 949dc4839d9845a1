"""Real datasets, where the folder HARNESS_REAL holds them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness_datasets.arrays import Arrays
from harness_datasets.official.base import facts
from harness_datasets.official.listed import Mnist
from harness_datasets.official.records import Cifar10


def real(name: str) -> Path:
    folder = os.environ.get("HARNESS_REAL")
    if not folder or not Path(folder, name).exists():
        pytest.skip(f"real data not present: {name} in the folder HARNESS_REAL")
    return Path(folder)


def test_fashion_mnist() -> None:
    data = Mnist("FashionMNIST", facts("fashionmnist"), real("FashionMNIST/raw"))
    train, test = data.checked("train"), data.checked("test")
    assert np.bincount(train.targets).tolist() == [6000] * 10
    assert np.bincount(test.targets).tolist() == [1000] * 10
    assert data.card.classes[train.targets[0]] == "Ankle boot"
    pixels = np.asarray(train.images, np.float64) / 255
    assert (pixels.mean(), pixels.std()) == pytest.approx((0.2860, 0.3530), abs=1e-4)  # the constants in common use


def test_cifar10_in_binary_batches(tmp_path: Path) -> None:
    """The first images of the real set, written as the published batches, come back pixel for pixel."""
    source = Arrays(str(real("cifar10.npz") / "cifar10.npz"))
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    images, labels = {}, {}
    for split in ("train", "test"):
        found = source.split(split)
        images[split], labels[split] = np.asarray(found.images[:200]), found.targets[:200]
        rows = np.column_stack([labels[split].astype(np.uint8), images[split].transpose(0, 3, 1, 2).reshape(200, -1)])
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
        for name, part in zip(names, np.split(rows, len(names)), strict=True):
            part.tofile(folder / name)
    data = Cifar10(facts("cifar10").model_copy(update={"splits": {"train": 200, "test": 200}}), tmp_path)
    for split in ("train", "test"):
        content = data.checked(split)
        assert np.array_equal(np.stack([content.images[i] for i in range(200)]), images[split])
        assert np.array_equal(content.targets, labels[split])
