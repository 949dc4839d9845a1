"""CIFAR's Python version: pickled batches, read without running anything that a pickle could name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _ArraysOnly(pickle.Unpickler):
    """Knows no names but those that NumPy's arrays are made of."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (N, 3072) and labels (N,). Raises `ValueError` for what is no batch, and for anything but arrays in it."""
    try:
        with path.open("rb") as file:
            batch = _ArraysOnly(file, encoding="latin1").load()
        pixels, labels = batch["data"], batch["labels" if "labels" in batch else "fine_labels"]
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, IndexError, UnicodeError) as error:
        raise ValueError(f"{path.name} is truncated, or no batch: {error}") from error
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3072):
        raise ValueError(f"{path.name} holds no uint8 pixels (N, 3072) for its labels")
    return pixels, np.asarray(labels, np.int64)
