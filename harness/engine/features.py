"""Embeddings for tasks: from the store, or by one pass for all that is missing. Rows are found by index."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import pixels
from harness.cache import ArrayStore, ArrayWriter
from harness.datasets import Dataset
from harness.engine.live import LiveModel
from harness.engine.options import Options
from harness.engine.used import UsedSplit
from harness.errors import CorruptImageError, HarnessError, OutputError
from harness.evidence import Evidence
from harness.identity import embedding_key, pixels_key
from harness.lookup import BoundTask
from harness.metrics import Metric, value
from harness.passes import PassProgress, stored_dtype, sweep
from harness.planning import fold_indices
from harness.suite import Suite
from harness.tasks import CLEAN, Fold, TaskData

Progress = Callable[[PassProgress], None]


class Features:
    """Serves folds of embeddings, running a pass where something is missing.

    Attributes:
        progress: called as passes move on.
        excluded: ids of images left out.
    """

    def __init__(self, suite: Suite, options: Options, store: ArrayStore, progress: Progress) -> None:
        self.suite, self.options, self.store, self.progress = suite, options, store, progress
        self.excluded: set[str] = set()
        self._used: dict[tuple[int, str], UsedSplit] = {}

    def used(self, dataset: Dataset, split: str) -> UsedSplit:
        """The split of a dataset object, kept for the run."""
        key = (id(dataset), split)
        if key not in self._used:
            self._used[key] = UsedSplit(dataset, split, self.suite, self.store, self.options.workers)
        return self._used[key]

    def images(self, task: BoundTask) -> dict[str, str]:
        """Which images of each split a task uses: part of its evidence's key."""
        splits = sorted({fold.split for fold in fold_indices(self.suite, task).values()})
        found = {split: self.used(task.dataset, split) for split in splits}
        self.excluded |= {name for used in found.values() for name in used.excluded}
        return {split: used.images for split, used in found.items()}

    def excluded_of(self, task: BoundTask) -> list[str]:
        """The ids of the images that a task goes without."""
        splits = {fold.split for fold in fold_indices(self.suite, task).values()}
        return sorted(name for split in splits for name in self.used(task.dataset, split).excluded)

    def ensure(self, live: LiveModel, dataset: Dataset, split: str, layers: tuple[str, ...]) -> int:
        """Make sure the layers' embeddings of a split are stored, by at most one pass; returns the images used.

        Raises `HarnessError` when an image cannot be read (unless the suite excludes such images) or the encoder fails.
        """
        used = self.used(dataset, split)
        try:
            self._pass(live, used, layers)
        except CorruptImageError as error:
            self.examine(dataset, split, error)
            self._pass(live, used, layers)
        if len(used.rows) == 0:
            raise HarnessError(f"{used.label}: no image can be read")
        return len(used.rows)

    def examine(self, dataset: Dataset, split: str, first: CorruptImageError | None = None) -> bool:
        """Look for bad images, which all datasets of the same pixels then leave out; see `UsedSplit.examine`."""
        found = self.used(dataset, split)
        found.examine(first)
        for used in self._used.values():
            if (used.source, used.name) == (found.source, found.name):
                used.refresh()
        return True

    def _pass(self, live: LiveModel, used: UsedSplit, layers: tuple[str, ...]) -> None:
        keys = {layer: self._key(live, used, layer) for layer in layers}
        if not self.options.force:
            keys = {layer: key for layer, key in keys.items() if self.store.get("embeddings", key) is None}
        if not keys:
            return
        rows, writers = used.rows, dict[str, ArrayWriter]()

        def create(layer: str, shape: tuple[int, int]) -> NDArray[Any]:
            writers[layer] = self.store.create("embeddings", keys[layer], shape, stored_dtype(live.precision))
            return writers[layer].array

        def report(done: int, speed: float) -> None:
            self.progress(PassProgress(live.model.name, used.source, used.name, done, len(rows), speed))

        try:
            batches = self._batches(used, live, live.forward.batch_size)
            ids = [used.content.ids[row] for row in rows]
            sweep(live.forward, batches, len(rows), tuple(keys), create, ids, report)
            for layer, writer in writers.items():
                writer.commit(self._facts(live, used, layer))
        finally:
            for writer in writers.values():
                writer.discard()

    def _key(self, live: LiveModel, used: UsedSplit, layer: str) -> str:
        return embedding_key(
            live.fingerprint, used.source, used.name, layer, CLEAN, live.precision, self.suite.decoder, used.images
        )

    def _facts(self, live: LiveModel, used: UsedSplit, layer: str) -> dict[str, Any]:
        return {"model": live.model.name, "source": used.source, "split": used.name, "layer": layer, "view": CLEAN,
                "precision": live.precision, "decoder": self.suite.decoder, "images": used.images}  # fmt: skip

    def _batches(self, used: UsedSplit, live: LiveModel, batch_size: int) -> Iterator[pixels.Batch]:
        """Pixels from the store, or decoded (and stored, if they fit) on the way."""
        geometry, rows = live.model.preprocess.geometry, used.rows
        key = pixels_key(used.source, used.name, asdict(geometry), self.suite.decoder, used.images)
        stored = self.store.get("pixels", key)
        if stored is not None:
            return pixels.replay(stored, batch_size)
        decoded = pixels.stream(used.content, rows, geometry, self.suite.decoder, batch_size, self.options.workers)
        shape = (len(rows), 3, geometry.size, geometry.size)
        if math.prod(shape) > self.options.pixel_cache:
            return decoded
        try:
            writer = self.store.create("pixels", key, shape, np.uint8)
        except OutputError:  # no room for what only saves time: decode again for each encoder
            return decoded
        return self._keeping(decoded, writer, used, asdict(geometry))

    def _keeping(
        self, batches: Iterator[pixels.Batch], writer: ArrayWriter, used: UsedSplit, geometry: Mapping[str, Any]
    ) -> Iterator[pixels.Batch]:
        try:
            for positions, batch in batches:
                writer.array[positions] = batch.numpy()
                yield positions, batch
            writer.commit({"source": used.source, "split": used.name, "geometry": geometry, "images": used.images})
        finally:
            writer.discard()

    def data(self, live: LiveModel, task: BoundTask, seed: int) -> tuple[TaskData, Tensor]:
        """What a task gets, and the test targets that it does not get (unless it is episodic)."""
        card, protocol = task.dataset.card, task.protocol
        folds, withheld = {}, torch.empty(0)
        for name, fold in fold_indices(self.suite, task).items():
            used = self.used(task.dataset, fold.split)
            at = used.positions(fold.index)
            targets = torch.from_numpy(np.ascontiguousarray(used.content.targets[used.rows[at]], dtype=np.int64))
            given: Tensor | None = targets.to(live.device)
            if name == "test":
                withheld, given = targets, given if protocol.episodic else None
            features = {} if protocol.needs.encoder else self._rows(live, used, task, at)
            folds[name] = Fold(name, features, given, self._reader(live, used, at) if protocol.needs.encoder else None)
        judge = judge_by(task.primary, folds["val"].targets.cpu() if "val" in folds else None)
        # a copy: the next task must find the encoder as it was loaded, and evaluate() gives back what it was given
        encoder = copy.deepcopy(live.forward.encoder).eval() if protocol.needs.encoder else None
        return TaskData(folds, card.classes, card.kind == "multi-label", judge, seed, live.device, encoder), withheld

    def _rows(
        self, live: LiveModel, used: UsedSplit, task: BoundTask, at: NDArray[np.int64]
    ) -> dict[tuple[str, str], Tensor]:
        found = {}
        for layer in task.protocol.needs.layers:
            array = self.store.get("embeddings", self._key(live, used, layer))
            if array is None:
                raise HarnessError(f"the embeddings of {used.label}, layer {layer}, vanished from the store")
            found[layer, CLEAN] = torch.from_numpy(np.asarray(array[at])).float().to(live.device)
        return found

    def _reader(self, live: LiveModel, used: UsedSplit, at: NDArray[np.int64]) -> Callable[[int], Iterator[Tensor]]:
        """Reads a fold's pixels; it holds the images, and no target."""
        bare = replace(used.content, targets=np.empty(0, np.int64), fields={})
        read = partial(pixels.stream, bare, used.rows[at], live.model.preprocess.geometry, self.suite.decoder)
        return lambda batch_size: (batch.to(live.device) for _, batch in read(batch_size, self.options.workers))


def judge_by(metric: Metric, targets: Tensor | None) -> Callable[[Evidence], float]:
    """A metric of evidence about the images of these targets, larger is better."""

    def judge(evidence: Evidence) -> float:
        if targets is None:
            raise HarnessError("a task that chooses by judge() needs the val fold")
        number = value(metric, evidence.cpu().join(targets))
        return number if metric.higher_is_better else -number

    return judge
