"""``arrays:FILE.npz``: images and targets as NumPy arrays."""

from __future__ import annotations

import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets import Dataset, DatasetCard, Split, TargetKind
from harness.errors import HarnessError
from harness.identity import file_digest

SPLITS = ("train", "val", "test")


class Arrays(Dataset):
    """An .npz file with ``x_train, y_train, x_test, y_test``, and, if wanted, ``x_val, y_val`` and ``classes``.

    Images are uint8 (N, H, W, 3), (N, H, W, 1) or (N, H, W); targets integers (N,), (N, C) of 0 and 1 for a multi-label
    set, or floats (N,) or (N, T) for a continuous one. Images that `np.savez` wrote uncompressed stay on disk. Object
    arrays, being pickles, are refused.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise HarnessError(f"no file {self.path}")

    @cached_property
    def card(self) -> DatasetCard:
        targets = self._targets
        kind, primary = _kind(targets["train"])
        if kind == "single-label" and len(self._classes) < 2:
            raise HarnessError(f"{self.path}: has one class only")
        return DatasetCard(
            name="arrays",
            revision=file_digest(self.path),
            title=self.path.stem,
            kind=kind,
            classes=self._classes,
            splits={name: len(values) for name, values in targets.items()},
            primary_metric=primary,
        )

    def split(self, name: str) -> Split:
        images = self._read(f"x_{name}")
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (1,), (3,)):
            self._refuse(f"x_{name}", f"must be uint8 (N, H, W) or (N, H, W, 3), not {images.dtype} {images.shape}")
        images = images[..., 0] if images.shape[3:] == (1,) else images
        return Split(images, self._targets[name], [f"{name}/{i}" for i in range(len(images))])

    @cached_property
    def _names(self) -> set[str]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                return {name.removesuffix(".npy") for name in archive.namelist()}
        except (OSError, zipfile.BadZipFile) as error:
            raise HarnessError(f"{self.path}: truncated, or no .npz file: {error}") from error

    @cached_property
    def _targets(self) -> dict[str, NDArray[Any]]:
        present = [name for name in SPLITS if name != "val" or {"x_val", "y_val"} & self._names]
        targets = {name: self._read(f"y_{name}") for name in present}
        for name, values in targets.items():
            if values.dtype.kind not in "iubf" or values.ndim not in (1, 2):
                found = f"{values.dtype} {values.shape}"
                self._refuse(f"y_{name}", f"must be integers (N,), (N, C) of 0 and 1, or floats, not {found}")
            first = targets["train"]
            if values.shape[1:] != first.shape[1:] or (values.dtype.kind == "f") != (first.dtype.kind == "f"):
                shapes = f"{values.dtype} {values.shape}, y_train is {first.dtype} {first.shape}"
                self._refuse(f"y_{name}", f"is {shapes}: they must agree")
        if targets["train"].dtype.kind == "f":
            return {name: values.reshape(len(values), -1) for name, values in targets.items()}
        return {name: values.astype(np.int64) for name, values in targets.items()}

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        if "classes" in self._names:
            names = self._read("classes")
            if names.dtype.kind != "U" or names.ndim != 1:
                self._refuse("classes", f"must be strings (C,), not {names.dtype} {names.shape}")
            return tuple(names.tolist())
        train = self._targets["train"]
        if train.dtype.kind == "f":
            return tuple(f"y{i}" for i in range(train.shape[1]))
        several = [values for values in self._targets.values() if values.size]
        count = train.shape[1] if train.ndim == 2 else 1 + max((int(v.max()) for v in several), default=0)
        return tuple(str(i) for i in range(max(count, 1)))

    def _read(self, name: str) -> NDArray[Any]:
        """One array of the file, memory-mapped where it lies there uncompressed."""
        if name not in self._names:
            expected = "x_train, y_train, x_test, y_test (and x_val with y_val)"
            raise HarnessError(f"{self.path}: has no array {name!r}: expected {expected}")
        try:
            return read_member(self.path, f"{name}.npy")
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise HarnessError(f"{self.path}: array {name!r} cannot be read: {error}") from error
        except ValueError as error:
            raise HarnessError(f"{self.path}: array {name!r} cannot be read (a pickle is refused): {error}") from error

    def _refuse(self, name: str, why: str) -> None:
        raise HarnessError(f"{self.path}: {name} {why}")


def _kind(targets: NDArray[Any]) -> tuple[TargetKind, str]:
    """The kind of dataset that has such targets, and its primary metric."""
    if targets.dtype.kind == "f":
        return "continuous", "r2"
    return ("multi-label", "map") if targets.ndim == 2 else ("single-label", "top1")


def read_member(path: Path, member: str) -> NDArray[Any]:
    """An array of an .npz file; a copy-on-write map when it is stored uncompressed, since np.load would copy it.

    Raises `ValueError` for an array of objects.
    """
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        info = archive.getinfo(member)
        if info.compress_type == zipfile.ZIP_STORED and np.prod(shape) > 0:
            start = _data_start(path, info.header_offset) + file.tell()
            return np.memmap(path, dtype, "c", start, shape, "F" if fortran else "C")
        data = np.frombuffer(bytearray(file.read()), dtype)
        return data.reshape(shape, order="F" if fortran else "C")


def _data_start(path: Path, header: int) -> int:
    """Where a zip member's bytes begin: after its local header of 30 bytes, its name and its extra field."""
    with open(path, "rb") as raw:
        raw.seek(header + 26)
        name, extra = np.frombuffer(raw.read(4), "<u2")
    return header + 30 + int(name) + int(extra)
