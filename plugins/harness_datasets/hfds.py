"""``hfds:FOLDER`` and ``hfds:REPO``: Hugging Face datasets, read from this machine only."""

from __future__ import annotations

import os
import re
import shutil
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from harness.datasets import Dataset, DatasetCard, Split
from harness.errors import HarnessError, one_line
from harness.fetch import require_network
from harness.identity import digest
from harness_datasets.cachefolder import data_folder
from harness_datasets.hflabels import Labels, read_labels
from harness_datasets.revision import content_revision

VALIDATION = ("validation", "val", "valid")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class HuggingFace(Dataset):
    """A folder that ``DatasetDict.save_to_disk`` wrote, or a repository that `prepare` saved so.

    A run reads the saved folder and nothing else; only `prepare` downloads (through the library's own cache, so that
    the images lie on the disk twice until that is cleared). The revision is a hash of the saved files.

    Args:
        source: the folder, or ``OWNER/NAME``.
        image: the column of images: an ``Image`` or binary feature.
        label: the column of labels: ``ClassLabel``; integers from 0 on; strings, numbered in alphabetical order; or a
            list of ``ClassLabel``, which makes a multi-label set.
        train, test: the splits' names in the source.
        val: the validation split; by default ``validation``, ``val`` or ``valid`` if there is one that is not the test
            split.
        config: the repository's configuration, where it has several.
    """

    def __init__(
        self,
        source: str,
        image: str = "image",
        label: str = "label",
        train: str = "train",
        test: str = "test",
        val: str = "",
        config: str = "",
    ) -> None:
        self.source, self.config = source, str(config)
        self.image, self.label = image, label
        self.names = {"train": train, "val": val, "test": test}
        self.local = Path(source).expanduser().is_dir()
        if not self.local and not _REPO.fullmatch(source):
            raise HarnessError(f"hfds: {source!r} is neither a folder nor a repository OWNER/NAME")

    @property
    def root(self) -> Path:
        """The saved folder."""
        if self.local:
            return Path(self.source).expanduser()
        name = f"{self.source}--{self.config}" if self.config else self.source
        return data_folder() / "hfds" / name.replace("/", "--")

    @cached_property
    def card(self) -> DatasetCard:
        labels = self._labels
        if len(labels.classes) < 2:
            raise HarnessError(f"{self.root}: column {self.label!r} has {len(labels.classes)} classes, needs two")
        return DatasetCard(
            name="hfds",
            revision=self._revision(),
            title=self.root.resolve().name if self.local else self.source,
            target=self.label,
            kind="multi-label" if labels.multi else "single-label",
            classes=labels.classes,
            splits={name: len(targets) for name, targets in labels.targets.items()},
            primary_metric="map" if labels.multi else "top1",
        )

    def split(self, name: str) -> Split:
        rows = self._splits[name]
        ids = [f"{self._chosen[name]}/{i}" for i in range(len(rows))]
        return Split(EncodedImages(rows, self.image), self._labels.targets[name], ids)

    def prepare(self) -> None:
        """Download a repository and save it in the data folder; does nothing for one that is there, or a folder.

        Of two processes that do so at once the first one's folder stays. Raises `HarnessError` when it cannot be had.
        """
        if self.local or self.root.is_dir():
            return
        library, root = _library(), self.root
        require_network(f"hfds:{self.source}", root)
        partial = root.with_name(f".{root.name}.{os.getpid()}.tmp")
        try:
            loaded = library.load_dataset(self.source, name=self.config or None)
            loaded.save_to_disk(str(partial))
            _claim(partial, root)
        except (OSError, ValueError, RuntimeError, library.exceptions.DatasetsError) as error:
            raise HarnessError(f"hfds:{self.source}: cannot be downloaded: {one_line(error)}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @cached_property
    def _saved(self) -> Any:
        """The saved ``DatasetDict``."""
        if not self.root.is_dir():
            name = f"hfds:{self.source}" + (f"?config={self.config}" if self.config else "")
            raise HarnessError(f"{name} is not on this machine: run: harness data prepare '{name}'")
        library = _library()
        try:
            saved = library.load_from_disk(str(self.root))
        except (OSError, ValueError, LookupError, TypeError) as error:
            reason = f"no dataset that save_to_disk wrote, or damaged: {one_line(error)}"
            raise HarnessError(f"{self.root}: {reason}") from error
        if not isinstance(saved, library.DatasetDict):
            raise HarnessError(f"{self.root}: is a dataset without splits: save a DatasetDict of train and test")
        return saved

    @cached_property
    def _chosen(self) -> dict[str, str]:
        """The source's name of each of our splits. Raises `HarnessError` for one that is not there."""
        chosen = dict(self.names)
        free = [name for name in VALIDATION if name in self._saved and name not in chosen.values()]
        chosen["val"] = chosen["val"] or next(iter(free), "")
        for name, given in chosen.items():
            if given not in self._saved and (given or name != "val"):
                raise HarnessError(f"{self.root}: has no split {given!r} for {name} (has: {', '.join(self._saved)})")
        return {name: given for name, given in chosen.items() if given}

    @cached_property
    def _splits(self) -> dict[str, Any]:
        """The rows of each split, the images left encoded."""
        splits = {}
        for name, given in self._chosen.items():
            rows = self._saved[given].with_format(None)
            for column in (self.image, self.label):
                if column not in rows.features:
                    has = ", ".join(rows.features)
                    raise HarnessError(f"{self.root}, split {given}: has no column {column!r} (has: {has})")
            splits[name] = rows.cast_column(self.image, self._encoded(rows.features[self.image]))
        return splits

    def _encoded(self, feature: Any) -> Any:
        """The feature of images as they are stored. Raises `HarnessError` when the column holds no images."""
        library = _library()
        binary = getattr(feature, "dtype", "") in ("binary", "large_binary")
        if not isinstance(feature, library.Image) and not binary:
            raise HarnessError(f"{self.root}: column {self.image!r} holds {feature}, not images")
        return library.Image(decode=False)

    @cached_property
    def _labels(self) -> Labels:
        columns = {name: rows.data.column(self.label).to_pylist() for name, rows in self._splits.items()}
        feature = self._splits["train"].features[self.label]
        return read_labels(feature, columns, f"{self.root}, column {self.label!r}")

    def _revision(self) -> str:
        """Of the saved files, which splits they are, and which column the images are."""
        files = [
            self.root / given / Path(file["filename"]).name
            for given in self._chosen.values()
            for file in self._saved[given].cache_files
        ]
        return digest([content_revision(self.root, files), self._chosen, self.image])


class EncodedImages:
    """The images of a split as encoded bytes, read one at a time; no bytes for one that is not stored."""

    def __init__(self, rows: Any, column: str) -> None:
        self.rows, self.column = rows.select_columns([column]), column

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> bytes:
        image = self.rows[int(np.intp(index))][self.column]
        return (image and image["bytes"]) or b""


def _claim(made: Path, root: Path) -> None:
    """Move the folder to its place, unless another process had its own there first."""
    try:
        os.replace(made, root)
    except OSError:
        if not root.is_dir():
            raise


def _library() -> ModuleType:
    """Hugging Face's ``datasets``. Raises `HarnessError` when it is not installed."""
    try:
        import datasets
        import datasets.exceptions
    except ModuleNotFoundError as error:
        raise HarnessError(f"hfds: needs a package: {error}; install 'ssl-harness[datasets]'") from error
    return datasets  # type: ignore[no-any-return]
