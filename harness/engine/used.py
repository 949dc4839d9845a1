"""The images of a split that a run uses: under its limit, without those that cannot be read."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.cache import ArrayStore
from harness.datasets import Dataset, Split, subset
from harness.errors import CorruptImageError, HarnessError
from harness.identity import digest, images_digest
from harness.pixels import find_corrupt
from harness.records import write_atomically
from harness.suite import Suite
from harness.taps import read
from harness.tasks import Feature


class UsedSplit:
    """One split of a dataset as a run sees it."""

    def __init__(self, dataset: Dataset, name: str, suite: Suite, store: ArrayStore, workers: int) -> None:
        self.dataset, self.name, self.suite, self.store, self.workers = dataset, name, suite, store, workers
        self.source = dataset.card.source
        self.total = dataset.card.splits[name]
        self.label = f"{dataset.card.title or dataset.card.name}/{name}"  # for people; the source is for keys

    @cached_property
    def content(self) -> Split:
        return self.dataset.checked(self.name)

    @cached_property
    def wanted(self) -> NDArray[np.int64]:
        """The rows under the suite's limit."""
        return subset(self.total, self.suite.limit)

    @cached_property
    def bad(self) -> list[int]:
        """Rows left out: those that an earlier read failed on, and that still cannot be read."""
        if self.suite.bad_images != "exclude" or not self._bad_file.is_file():
            return []
        known = np.intersect1d(self.wanted, np.asarray(json.loads(self._bad_file.read_text()), np.int64))
        return sorted(find_corrupt(self.content, known, self.workers, self.suite.decoder))

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows that are used."""
        return np.setdiff1d(self.wanted, np.asarray(self.bad, np.int64)) if self.bad else self.wanted

    @cached_property
    def images(self) -> str:
        """Which images these are, for keys."""
        return images_digest(self.rows, self.total)

    @property
    def excluded(self) -> set[str]:
        """The ids of the images left out."""
        return {self.content.ids[row] for row in self.bad}

    def positions(self, fold: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the images of a fold, counted under the limit, stand among `rows`; those left out are dropped."""
        if not self.bad:
            return fold
        rows = self.wanted[fold]
        return np.searchsorted(self.rows, rows[np.isin(rows, self.rows)])

    def sampled(self, feature: Feature) -> NDArray[np.int64]:
        """The rows that a feature is of: all, or its sample's; those of inner products in their random order.

        Samples are nested.
        """
        if not feature.narrow:
            return self.rows
        shuffled = read(feature.layer).reduction == "gram"
        return self.rows[self.positions(subset(len(self.wanted), feature.sample, shuffled))]

    def examine(self, first: CorruptImageError | None = None) -> None:
        """Find every bad image and leave them out, if the suite says so.

        Args:
            first: the failure that asks for it; None looks for failures before there is one.

        Raises `HarnessError` that counts and names the bad images where the suite does not exclude them.
        """
        found = find_corrupt(self.content, self.wanted, self.workers, self.suite.decoder)
        if self.suite.bad_images == "exclude":
            write_atomically(self._bad_file, json.dumps(sorted(found)).encode())
            self.refresh()
        elif found or first:
            count = f"{max(1, len(found))} of {len(self.wanted)} images of {self.label} cannot be read"
            raise HarnessError(
                f"{count} (first: {first}); mend them, or write bad_images: exclude in the suite's YAML"
            ) from first

    def refresh(self) -> None:
        """Forget what was derived from the list of bad images."""
        for stale in ("bad", "rows", "images"):
            self.__dict__.pop(stale, None)

    @property
    def _bad_file(self) -> Path:
        return self.store.path("corrupt", digest([self.source, self.name, self.suite.decoder]), "json")
