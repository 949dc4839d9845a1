"""``folder:PATH``: images in class folders, or in train, val and test folders of class folders."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets import Dataset, DatasetCard, Split
from harness.errors import HarnessError
from harness_datasets.revision import content_revision
from harness_datasets.stratified import stratified

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))
SPLITS = ("train", "val", "test")
TEST_SHARE = 0.2


class Part(NamedTuple):
    """The images of one split, by class and path."""

    paths: list[Path]
    targets: NDArray[np.int64]


class Folder(Dataset):
    """Anyone's images. Class folders alone are split 80/20 into train and test, class by class, by a fixed draw.

    Its content is its identity: the revision is a hash of every file, remembered until a file changes.
    """

    def __init__(self, path: str) -> None:
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            raise HarnessError(f"no folder {self.root}")

    @cached_property
    def card(self) -> DatasetCard:
        classes, parts = self._content
        return DatasetCard(
            name="folder",
            revision=self._revision(),
            title=self.root.resolve().name,
            classes=tuple(classes),
            splits={name: len(part.paths) for name, part in parts.items()},
        )

    def split(self, name: str) -> Split:
        part = self._content[1][name]
        return Split(part.paths, part.targets, [self._relative(path) for path in part.paths])

    @cached_property
    def _content(self) -> tuple[list[str], dict[str, Part]]:
        """Class names and splits. Raises `HarnessError` for a folder that is no dataset."""
        try:
            given = {name: _classes(self.root / name) for name in SPLITS if (self.root / name).is_dir()}
            content = self._given(given) if given.get("train") else self._drawn(_classes(self.root))
        except OSError as error:
            raise HarnessError(f"folder {self.root}: cannot be read: {error}") from error
        if len(content[0]) < 2:
            raise HarnessError(f"folder {self.root}: has one class only ({content[0][0]})")
        return content

    def _given(self, splits: dict[str, dict[str, list[Path]]]) -> tuple[list[str], dict[str, Part]]:
        classes = list(splits["train"])
        for name, split in splits.items():
            if other := sorted(split.keys() ^ set(classes)):
                raise HarnessError(f"folder {self.root}: class {other[0]!r} is in only one of train and {name}")
        return classes, {name: _part(split) for name, split in splits.items()}

    def _drawn(self, by_class: dict[str, list[Path]]) -> tuple[list[str], dict[str, Part]]:
        if not by_class or by_class.keys() <= set(SPLITS):
            raise HarnessError(f"folder {self.root}: no class folders with images (of {', '.join(sorted(SUFFIXES))})")
        if few := [name for name, paths in by_class.items() if len(paths) < 2]:
            raise HarnessError(f"folder {self.root}: class {few[0]!r} has one image: a split needs two")
        whole = _part(by_class)
        index = dict(zip(("train", "test"), stratified(whole.targets, TEST_SHARE), strict=True))
        return list(by_class), {
            name: Part([whole.paths[i] for i in rows], whole.targets[rows]) for name, rows in index.items()
        }

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _revision(self) -> str:
        """A hash of all names and contents."""
        return content_revision(self.root, (path for part in self._content[1].values() for path in part.paths))


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Sorted class names with their sorted images, at any depth; hidden files and empty classes are left out."""
    found = {}
    for entry in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        images = [p for p in entry.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if images:
            found[entry.name] = sorted(images)
    return found


def _part(by_class: dict[str, list[Path]]) -> Part:
    targets = [label for label, paths in enumerate(by_class.values()) for _ in paths]
    return Part([path for paths in by_class.values() for path in paths], np.array(targets, np.int64))
