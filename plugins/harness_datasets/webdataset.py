"""``webdataset:FOLDER``: images and labels in tar shards."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.datasets import Dataset, DatasetCard, Split
from harness.errors import HarnessError
from harness.identity import digest
from harness_datasets.revision import content_revision
from harness_datasets.shards import Samples, ShardImages, read_samples

SPLITS = ("train", "val", "test")
IMAGES = ("jpg", "jpeg", "png", "webp")
LABELS = ("cls", "json")
CLASSES = ("classes.txt", "classnames.txt")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class WebDataset(Dataset):
    """Shards of the WebDataset format: members ``KEY.jpg`` and ``KEY.cls``, an integer from 0 on.

    The shards are not unpacked: their headers and labels are read once, into memory (some 10,000 samples a second), and
    images by their offsets.
    ``classes.txt`` (or ``classnames.txt``) in the folder names the classes, a line each. The revision is a hash of the
    shards, remembered until one changes.

    Args:
        path: the folder.
        image: the ending of the images, or several: ``jpg|png``.
        label: ``cls``, or ``json``, an object with an integer ``label``.
        train, val, test: which shards, within the folder: names with ``*`` or ``{000000..000009}``, of which every one
            must be there. By default ``SPLIT-*.tar``, else ``SPLIT/*.tar``; ``val`` may be absent.
    """

    def __init__(
        self,
        path: str,
        image: str | tuple[str, ...] = IMAGES,
        label: str = "cls",
        train: str = "",
        val: str = "",
        test: str = "",
    ) -> None:
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            raise HarnessError(f"no folder {self.root} (webdataset: takes a folder of tar shards)")
        if label not in LABELS:
            raise HarnessError(f"webdataset: label must be one of {', '.join(LABELS)}, not {label!r}")
        self.image = (image,) if isinstance(image, str) else tuple(map(str, image))
        self.label = label
        self.patterns = {"train": str(train), "val": str(val), "test": str(test)}

    @cached_property
    def card(self) -> DatasetCard:
        classes = self._classes
        if len(classes) < 2:
            raise HarnessError(f"{self.root}: has {len(classes)} classes, needs two")
        return DatasetCard(
            name="webdataset",
            revision=self._revision(),
            title=self.root.resolve().name,
            classes=classes,
            splits={name: sum(len(part.keys) for part in parts) for name, parts in self._samples.items()},
        )

    def split(self, name: str) -> Split:
        shards, parts = self._shards[name], self._samples[name]
        names = [shard.relative_to(self.root).as_posix() for shard in shards]
        ids = [f"{shard}/{key}" for shard, part in zip(names, parts, strict=True) for key in part.keys]
        return Split(ShardImages(shards, parts), np.concatenate([part.labels for part in parts]), ids)

    @cached_property
    def _shards(self) -> dict[str, list[Path]]:
        """The shards of each split. Raises `HarnessError` where train or test has none, or two splits share one."""
        found = {name: self._matching(name) for name in SPLITS}
        if missing := [name for name in ("train", "test") if not found[name]]:
            wanted = self.patterns[missing[0]] or f"{missing[0]}-*.tar or {missing[0]}/*.tar"
            raise HarnessError(f"{self.root}: has no shards {wanted} for the {missing[0]} split (give {missing[0]}=…)")
        owner: dict[Path, str] = {}
        for name, shards in found.items():
            for shard in shards:
                if shard in owner:
                    raise HarnessError(f"{self.root}: shard {shard.name} is in {owner[shard]} and in {name}")
                owner[shard] = name
        return {name: shards for name, shards in found.items() if shards}

    def _matching(self, split: str) -> list[Path]:
        if pattern := self.patterns[split]:
            return [shard for name in _expanded(pattern) for shard in self._named(name)]
        return sorted(self.root.glob(f"{split}-*.tar")) or sorted(self.root.glob(f"{split}/*.tar"))

    def _named(self, name: str) -> list[Path]:
        """The shards of one name, or of a pattern with ``*``; none leads out of the folder."""
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise HarnessError(f"{self.root}: the shards {name!r} must lie within the folder")
        if shards := sorted(self.root.glob(name)):
            return shards
        raise HarnessError(f"{self.root}: has no shard {name}")

    @cached_property
    def _samples(self) -> dict[str, list[Samples]]:
        return {
            name: [read_samples(shard, self.image, self.label) for shard in shards]
            for name, shards in self._shards.items()
        }

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        """The lines of the file of class names, else the numbers up to the highest label."""
        for name in CLASSES:
            if (self.root / name).is_file():
                lines = (self.root / name).read_text(encoding="utf-8").splitlines()
                return tuple(line.strip() for line in lines if line.strip())
        highest = max(int(part.labels.max()) for parts in self._samples.values() for part in parts)
        return tuple(map(str, range(max(highest, 0) + 1)))

    def _revision(self) -> str:
        """Of the shards, which splits they are in, and what in them is image and label."""
        shards = {name: [shard.relative_to(self.root).as_posix() for shard in s] for name, s in self._shards.items()}
        content = content_revision(self.root, {shard for several in self._shards.values() for shard in several})
        return digest([content, shards, self.image, self.label])


def _expanded(pattern: str) -> list[str]:
    """``a-{08..10}.tar`` as a-08.tar, a-09.tar, a-10.tar; a pattern without braces as it is."""
    match = _RANGE.search(pattern)
    if not match:
        return [pattern]
    first, last = match.groups()
    numbers = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return [name for n in numbers for name in _expanded(pattern[: match.start()] + n + pattern[match.end() :])]
