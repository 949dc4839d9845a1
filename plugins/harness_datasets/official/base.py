"""What the published datasets share: facts in YAML, a folder on this machine, and errors that say what to do."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from harness.datasets import Dataset, DatasetCard, Images, Split, TargetKind
from harness.errors import HarnessError, one_line
from harness_datasets.cachefolder import data_folder

log = logging.getLogger(__name__)
FACTS = Path(__file__).parent / "facts"
PACKED = (".tar", ".tar.gz", ".tgz", ".zip", ".gz")

Files = Mapping[str, tuple[str, ...]]
Content = tuple[Images, Any, Sequence[str] | None]


class Archive(BaseModel):
    """A file to fetch. It is unpacked into `folder`, or, being no archive, put there.

    Attributes:
        folder: relative to the dataset's root.
        digest: ``md5:HEX`` or ``sha256:HEX``, where one is published.
        size: bytes, where known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    digest: str = ""
    size: int | None = None
    folder: str = "."


class Facts(BaseModel):
    """What is known of a dataset before any file of it is read; most fields are those of its card.

    Attributes:
        classes: the names in the order of the labels, or their number where the names are read from the data.
        revision: names the release, by the archive's digest where one is published.
        files: the files or folders under the root that each split is read from.
        layout: where files must be under the root, in a line.
        archives: what `Official.prepare` fetches; none where the publisher asks for a registration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    title: str
    classes: tuple[str, ...] | int
    kind: TargetKind = "single-label"
    splits: dict[str, int]
    domain: str
    near: bool
    collection: str = ""
    within: tuple[str, ...] = ()
    primary_metric: str = "top1"
    licence: str
    citation: str
    url: str
    revision: str
    files: dict[str, tuple[str, ...]]
    layout: str
    archives: tuple[Archive, ...] = ()

    @property
    def num_classes(self) -> int:
        return self.classes if isinstance(self.classes, int) else len(self.classes)


def facts(name: str) -> Facts:
    """The facts in ``facts/NAME.yaml``."""
    return Facts(name=name, **yaml.safe_load((FACTS / f"{name}.yaml").read_text(encoding="utf-8")))


class Tenths:
    """Logs each tenth of a download."""

    def __init__(self, name: str) -> None:
        self.name, self.done = name, 0

    def __call__(self, received: int, total: int | None) -> None:
        tenth = 10 * received // total if total else 0
        if tenth > self.done:
            self.done = tenth
            log.info("%s: %d %% of %.1f MB", self.name, 10 * tenth, (total or 0) / 1e6)


class Paths(Sequence[Path]):
    """Image files by their names under a root: a million names are smaller than as many `Path` objects."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root, self.names = root, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        return self.root / self.names[index]

    def absent(self) -> Path | None:
        """The first that is not there. Lists each folder once, which network drives answer sooner than each name."""
        listed: dict[str, set[str]] = {}
        for name in self.names:
            folder, _, file = name.rpartition("/")
            if folder not in listed:
                path = self.root / folder
                listed[folder] = set(os.listdir(path)) if path.is_dir() else set()
            if file not in listed[folder]:
                return self.root / name
        return None


class Official(Dataset):
    """A published dataset in the layout it is published in. The card needs no file; `split` reads no image.

    Args:
        facts: a copy with other ``splits`` serves miniatures.
        root: the folder that `Facts.layout` is relative to; by default the folder of the dataset's name in the data
            folder, or the data folder itself if it holds the dataset (one folder of all of torchvision's).
    """

    def __init__(self, facts: Facts, root: Path | None = None) -> None:
        self.facts = facts
        self._root = root

    def layouts(self) -> Sequence[Files]:
        """The layouts that can be read, the published one first."""
        return (self.facts.files,)

    @property
    def _place(self) -> tuple[Path, Files, bool]:
        """The root, the layout found there, and whether all of its files are there."""
        own = data_folder() / self.facts.name
        for root in (self._root,) if self._root else (own, own.parent):
            for files in self.layouts():
                if all((root / file).exists() for names in files.values() for file in names):
                    return root, files, True
        return self._root or own, self.facts.files, False

    @property
    def root(self) -> Path:
        """The folder the layout is relative to; it need not exist."""
        return self._place[0]

    @property
    def present(self) -> bool:
        """Whether the files of all splits are on this machine; images are not looked for."""
        return self._place[2]

    def paths(self, split: str) -> tuple[Path, ...]:
        """The files or folders the split is read from. Raises `HarnessError` for the first that is missing."""
        root, files, _ = self._place
        paths = tuple(root / file for file in files[split])
        if absent := next((path for path in paths if not path.exists()), None):
            raise self.missing(absent)
        return paths

    @property
    def card(self) -> DatasetCard:
        fields = self.facts.model_dump(exclude={"classes", "files", "layout", "archives"})
        return DatasetCard(**fields, classes=self._classes)

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        if not isinstance(self.facts.classes, int):
            return self.facts.classes
        names: Sequence[str] = ()
        with suppress(HarnessError, OSError, ValueError, LookupError):  # `split` tells what is wrong with the data
            names = self.class_names()
        return tuple(names if len(names) == self.facts.classes else map(str, range(self.facts.classes)))

    def class_names(self) -> Sequence[str]:
        """The names the data give their classes, in the order of the labels, where `Facts.classes` is a number."""
        return ()

    @abstractmethod
    def read(self, split: str) -> Content:
        """Images, integer targets, and ids or None: relative paths, or numbers where the images are no paths.

        What it raises, and any listed image that is not there, becomes a `HarnessError` naming dataset and file.
        """

    def fields(self, names: Sequence[str]) -> Mapping[str, Sequence[Any]]:
        """Further annotations of the images of these paths, where they are here: ``object_masks``."""
        return {}

    def split(self, name: str) -> Split:
        """See `Dataset`. Raises `HarnessError` for what is missing, damaged, or of other classes."""
        where = f"dataset {self.facts.name}, split {name}"
        sources = self.paths(name)
        try:
            images, labels, ids = self.read(name)
            targets: NDArray[np.int64] = np.asarray(labels, np.int64)
        except FileNotFoundError as error:
            raise self.missing(Path(error.filename or self.root)) from error
        except (OSError, EOFError, AssertionError, RuntimeError, ValueError, TypeError, LookupError) as error:
            named = [path for path in sources if path.name in str(error)]
            files = " and ".join(map(str, named or sources))
            raise HarnessError(f"{where}: {files} cannot be read: {one_line(error)} ({self._remedy})") from error
        self._check_classes(where, targets)
        if not isinstance(images, Paths) and len(images) and isinstance(images[0], Path):
            images = Paths(self.root, [os.path.relpath(str(images[i]), self.root) for i in range(len(images))])
        if not isinstance(images, Paths):
            return Split(images, targets, ids or [f"{name}/{i}" for i in range(len(images))])
        if absent := images.absent():
            raise self.missing(absent)
        return Split(images, targets, ids or images.names, self.fields(images.names))

    def _check_classes(self, where: str, targets: NDArray[np.int64]) -> None:
        found = int(targets.shape[-1]) if targets.ndim == 2 else len(np.unique(targets))
        if found != self.facts.num_classes:
            raise HarnessError(f"{where}: has {found} classes, not {self.facts.num_classes} ({self._remedy})")

    def prepare(self) -> None:
        """Fetch and unpack what is published for anyone, unless all splits can be read already.

        Progress is logged. Raises `HarnessError` when nothing can be fetched, or the splits cannot be read afterwards.
        """
        try:
            self.check()
            return
        except HarnessError:
            if not self.facts.archives:
                raise
        try:
            self.download()
        except HarnessError as error:
            raise HarnessError(f"dataset {self.facts.name}: {error}") from error
        self.check()

    def check(self) -> None:
        """Read every split. Raises `HarnessError` for one that is missing, damaged or of another size."""
        for name in self.facts.splits:
            self.checked(name)

    def download(self) -> None:
        """Fetch and unpack the archives, beside which they stay."""
        from harness.fetch import fetch, unpack  # a web client takes time to import

        for archive in self.facts.archives:
            folder = self.root / archive.folder
            name = archive.url.rpartition("/")[2]
            log.info("%s: fetching %s", self.facts.name, archive.url)
            path = fetch(archive.url, folder / name, archive.digest, archive.size, progress=Tenths(name))
            if name.endswith(PACKED):
                log.info("%s: unpacking %s", self.facts.name, path)
                unpack(path, folder)

    def missing(self, path: Path) -> HarnessError:
        """The error for a file or folder of the dataset that is not there."""
        return HarnessError(f"dataset {self.facts.name}: there is no {path} ({self._remedy})")

    @property
    def _remedy(self) -> str:
        place = f"layout under {self.root}: {self.facts.layout}"
        if self.facts.archives:
            return f"run 'harness data prepare {self.facts.name}', or put it there; {place}"
        return f"get it from {self.facts.url} and put it there; {place}"
