"""Embeddings for tasks: from the store, or by one pass for all that is missing. Rows are found by index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import pixels
from harness.cache import ArrayStore, ArrayWriter
from harness.datasets import Dataset, Split, subset
from harness.encoder import Encoder
from harness.engine.live import LiveModel
from harness.engine.options import Options
from harness.errors import CorruptImageError, HarnessError
from harness.evidence import Evidence
from harness.identity import digest, embedding_key, images_digest, pixels_key
from harness.lookup import BoundTask
from harness.metrics import value
from harness.passes import PassProgress, stored_dtype, sweep
from harness.planning import fold_indices
from harness.records import write_atomically
from harness.suite import Suite
from harness.tasks import CLEAN, Fold, TaskData

Progress = Callable[[PassProgress], None]


class SplitView:
    """One split of a dataset as a run sees it: under its limit, without the images that cannot be read."""

    def __init__(self, dataset: Dataset, name: str, suite: Suite, store: ArrayStore) -> None:
        self.dataset, self.name, self.suite, self.store = dataset, name, suite, store
        self.source = dataset.card.source
        self.total = dataset.card.splits[name]

    @cached_property
    def content(self) -> Split:
        self.dataset.prepare()
        return self.dataset.checked(self.name)

    @cached_property
    def wanted(self) -> NDArray[np.int64]:
        """The rows under the suite's limit."""
        return subset(self.total, self.suite.limit)

    @cached_property
    def bad(self) -> dict[int, str]:
        """Rows left out, with the reason; known from an earlier failure to read them."""
        if self.suite.bad_images != "exclude" or not self._bad_file.is_file():
            return {}
        return {int(row): reason for row, reason in json.loads(self._bad_file.read_text()).items()}

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows that are embedded."""
        return np.setdiff1d(self.wanted, np.fromiter(self.bad, np.int64)) if self.bad else self.wanted

    @cached_property
    def images(self) -> str:
        return images_digest(self.rows, self.total)

    def positions(self, fold: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the images of a fold, counted under the limit, stand among `rows`; those left out are dropped."""
        if not self.bad:
            return fold
        rows = self.wanted[fold]
        return np.searchsorted(self.rows, rows[np.isin(rows, self.rows)])

    @property
    def _bad_file(self) -> Any:
        return self.store.path("corrupt", digest([self.source, self.name]), "json")

    def examine(self, workers: int, first: CorruptImageError) -> None:
        """After a read failed: find every bad image; leave them out if the suite says so, else raise for all."""
        found = pixels.find_corrupt(self.content, self.wanted, workers)
        if self.suite.bad_images == "exclude" and found:
            write_atomically(self._bad_file, json.dumps(found, indent=1).encode())
            for stale in ("bad", "rows", "images"):
                self.__dict__.pop(stale, None)
            return
        count = f"{max(1, len(found))} of {len(self.wanted)} images of {self.source}/{self.name} cannot be read"
        raise HarnessError(f"{count} (first: {first}); mend them, or set bad_images: exclude") from first


class Features:
    """Serves folds of embeddings, running a pass where something is missing.

    Attributes:
        progress: called as passes move on.
        excluded: ids of images left out.
    """

    def __init__(self, suite: Suite, options: Options, store: ArrayStore, progress: Progress) -> None:
        self.suite, self.options, self.store, self.progress = suite, options, store, progress
        self.excluded: set[str] = set()
        self._views: dict[tuple[int, str], SplitView] = {}

    def view(self, dataset: Dataset, split: str) -> SplitView:
        """The split of a dataset object, kept for the run."""
        key = (id(dataset), split)
        if key not in self._views:
            self._views[key] = SplitView(dataset, split, self.suite, self.store)
        return self._views[key]

    def images(self, task: BoundTask) -> dict[str, str]:
        """Which images of each split a task uses: part of its evidence's key."""
        splits = {fold.split for fold in fold_indices(self.suite, task).values()}
        return {split: self.view(task.dataset, split).images for split in sorted(splits)}

    def ensure(self, live: LiveModel, dataset: Dataset, split: str, layers: tuple[str, ...]) -> int:
        """Make sure the layers' embeddings of a split are stored, by at most one pass; returns the images used.

        Raises `HarnessError` when an image cannot be read (unless the suite excludes such images) or the encoder fails.
        """
        view = self.view(dataset, split)
        try:
            self._pass(live, view, layers)
        except CorruptImageError as error:
            view.examine(self.options.workers, error)
            self._pass(live, view, layers)
        self.excluded |= {view.content.ids[row] for row in view.bad}
        if len(view.rows) == 0:
            raise HarnessError(f"{view.source}/{view.name}: no image can be read")
        return len(view.rows)

    def _pass(self, live: LiveModel, view: SplitView, layers: tuple[str, ...]) -> None:
        keys = {layer: self._key(live, view, layer) for layer in layers}
        if not self.options.force:
            keys = {layer: key for layer, key in keys.items() if self.store.get("embeddings", key) is None}
        if not keys:
            return
        rows, writers = view.rows, dict[str, ArrayWriter]()

        def create(layer: str, shape: tuple[int, int]) -> NDArray[Any]:
            writers[layer] = self.store.create("embeddings", keys[layer], shape, stored_dtype(live.precision))
            return writers[layer].array

        def report(done: int, speed: float) -> None:
            self.progress(PassProgress(live.model.name, view.source, view.name, done, len(rows), speed))

        try:
            batches = self._batches(view, live, live.forward.batch_size)
            ids = [view.content.ids[row] for row in rows]
            sweep(live.forward, batches, len(rows), tuple(keys), create, ids, report)
            for layer, writer in writers.items():
                writer.commit(self._facts(live, view, layer))
        finally:
            for writer in writers.values():
                writer.discard()

    def _key(self, live: LiveModel, view: SplitView, layer: str) -> str:
        return embedding_key(
            live.fingerprint, view.source, view.name, layer, CLEAN, live.precision, self.suite.decoder, view.images
        )

    def _facts(self, live: LiveModel, view: SplitView, layer: str) -> dict[str, Any]:
        return {"model": live.model.name, "source": view.source, "split": view.name, "layer": layer, "view": CLEAN,
                "precision": live.precision, "decoder": self.suite.decoder, "images": view.images}  # fmt: skip

    def _batches(self, view: SplitView, live: LiveModel, batch_size: int) -> Iterator[pixels.Batch]:
        """Pixels from the store, or decoded (and stored, if they fit) on the way."""
        geometry, rows = live.model.preprocess.geometry, view.rows
        key = pixels_key(view.source, view.name, asdict(geometry), self.suite.decoder, view.images)
        stored = self.store.get("pixels", key)
        if stored is not None:
            return pixels.replay(stored, batch_size)
        decoded = pixels.stream(view.content, rows, geometry, self.suite.decoder, batch_size, self.options.workers)
        shape = (len(rows), 3, geometry.size, geometry.size)
        if int(np.prod(shape)) > self.options.pixel_cache:
            return decoded
        return self._keeping(decoded, self.store.create("pixels", key, shape, np.uint8), view, asdict(geometry))

    def _keeping(
        self, batches: Iterator[pixels.Batch], writer: ArrayWriter, view: SplitView, geometry: Mapping[str, Any]
    ) -> Iterator[pixels.Batch]:
        try:
            for positions, batch in batches:
                writer.array[positions] = batch.numpy()
                yield positions, batch
            writer.commit({"source": view.source, "split": view.name, "geometry": geometry, "images": view.images})
        finally:
            writer.discard()

    def data(self, live: LiveModel, task: BoundTask, seed: int) -> tuple[TaskData, Tensor]:
        """What a task gets, and the test targets that it does not get (unless it is episodic)."""
        card, protocol = task.dataset.card, task.protocol
        folds, withheld = {}, torch.empty(0)
        for name, fold in fold_indices(self.suite, task).items():
            view = self.view(task.dataset, fold.split)
            at = view.positions(fold.index)
            targets = torch.from_numpy(np.ascontiguousarray(view.content.targets[view.rows[at]], dtype=np.int64))
            given: Tensor | None = targets.to(live.device)
            if name == "test":
                withheld, given = targets, given if protocol.episodic else None
            features = {} if protocol.needs.encoder else self._rows(live, view, task, at)
            read = partial(self._pixels, live, view, view.rows[at]) if protocol.needs.encoder else None
            folds[name] = Fold(name, features, given, read)

        def judge(evidence: Evidence) -> float:
            number = value(task.primary, evidence.cpu().join(folds["val"].targets.cpu()))
            return number if task.primary.higher_is_better else -number

        encoder: Encoder | None = live.forward.encoder if protocol.needs.encoder else None
        return TaskData(folds, card.classes, card.kind == "multi-label", judge, seed, live.device, encoder), withheld

    def _rows(
        self, live: LiveModel, view: SplitView, task: BoundTask, at: NDArray[np.int64]
    ) -> dict[tuple[str, str], Tensor]:
        found = {}
        for layer in task.protocol.needs.layers:
            array = self.store.get("embeddings", self._key(live, view, layer))
            if array is None:
                raise HarnessError(
                    f"the embeddings of {view.source}/{view.name}, layer {layer}, vanished from the store"
                )
            found[layer, CLEAN] = torch.from_numpy(np.array(array[at])).float().to(live.device)
        return found

    def _pixels(self, live: LiveModel, view: SplitView, rows: NDArray[np.int64], batch_size: int) -> Iterator[Tensor]:
        geometry = live.model.preprocess.geometry
        batches = pixels.stream(view.content, rows, geometry, self.suite.decoder, batch_size, self.options.workers)
        return (batch.to(live.device) for _, batch in batches)
