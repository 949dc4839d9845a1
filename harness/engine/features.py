"""Embeddings for tasks: from the store, or by one pass for all that is missing. Rows are found by index."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import pixels
from harness.cache import ArrayStore, ArrayWriter
from harness.datasets import Dataset, Split
from harness.engine.live import LiveModel
from harness.engine.options import Options
from harness.engine.used import UsedSplit
from harness.errors import CorruptImageError, HarnessError, OutputError, UndefinedError
from harness.evidence import Evidence
from harness.identity import embedding_key, pixels_key
from harness.lookup import BoundTask
from harness.metrics import Metric, value
from harness.models import Geometry
from harness.passes import PassProgress, stored_dtype, sweep
from harness.planning import fold_indices
from harness.suite import Suite
from harness.tasks import Augment, Fold, TaskData
from harness.views import canonical, seen

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
        self._examined: set[tuple[str, str]] = set()

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

    def ensure(self, live: LiveModel, dataset: Dataset, split: str, features: Iterable[tuple[str, str]]) -> int:
        """Make sure each (layer, view) of a split is stored, by at most one pass a view; returns the images used.

        Raises `HarnessError` when an image cannot be read (unless the suite excludes such images) or the encoder fails.
        """
        used, by_view = self.used(dataset, split), dict[str, list[str]]()
        for layer, view in features:
            by_view.setdefault(canonical(live.model.preprocess, view), []).append(layer)
        for view, layers in by_view.items():
            try:
                self._pass(live, used, view, layers)
            except CorruptImageError as error:
                self.examine(dataset, split, error)
                return self.ensure(live, dataset, split, features)
        if len(used.rows) == 0:
            raise HarnessError(f"{used.label}: no image can be read")
        return len(used.rows)

    def examine(self, dataset: Dataset, split: str, first: CorruptImageError | None = None) -> bool:
        """Look for bad images, which all datasets of the same pixels then leave out; see `UsedSplit.examine`.

        Done once a run for the same pixels, unless a failure asks for it.
        """
        found = self.used(dataset, split)
        where = found.source, found.name
        if first is None and where in self._examined:
            return True
        found.examine(first)
        self._examined.add(where)
        for used in self._used.values():
            if (used.source, used.name) == where:
                used.refresh()
        return True

    def _pass(self, live: LiveModel, used: UsedSplit, view: str, layers: Sequence[str]) -> None:
        keys = {layer: self._key(live, used, layer, view) for layer in layers}
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
            geometry = seen(live.model.preprocess, view).geometry
            batches = self._batches(used, geometry, live.forward.batch_size)
            ids = [used.content.ids[row] for row in rows]
            sweep(live.forward, batches, len(rows), tuple(keys), create, ids, report)
            for layer, writer in writers.items():
                writer.commit(self._facts(live, used, layer, view))
        finally:
            for writer in writers.values():
                writer.discard()

    def _key(self, live: LiveModel, used: UsedSplit, layer: str, view: str) -> str:
        view = canonical(live.model.preprocess, view)
        return embedding_key(
            live.fingerprint, used.source, used.name, layer, view, live.precision, self.suite.decoder, used.images
        )

    def _facts(self, live: LiveModel, used: UsedSplit, layer: str, view: str) -> dict[str, Any]:
        return {"model": live.model.name, "source": used.source, "split": used.name, "layer": layer, "view": view,
                "precision": live.precision, "decoder": self.suite.decoder, "images": used.images}  # fmt: skip

    def _batches(self, used: UsedSplit, geometry: Geometry, batch_size: int) -> Iterator[pixels.Batch]:
        """Pixels from the store, or decoded (and stored, if they fit) on the way."""
        rows = used.rows
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

    def data(self, live: LiveModel, task: BoundTask, seed: int, scratch: Path) -> tuple[TaskData, Tensor]:
        """What a task gets, and the test targets that it does not get (unless it is episodic)."""
        card, protocol = task.dataset.card, task.protocol
        folds, withheld = {}, torch.empty(0)
        for name, fold in fold_indices(self.suite, task).items():
            used = self.used(task.dataset, fold.split)
            at = used.positions(fold.index)
            kind = np.float32 if card.kind == "continuous" else np.int64
            targets = torch.from_numpy(np.ascontiguousarray(used.content.targets[used.rows[at]], dtype=kind))
            given: Tensor | None = targets.to(live.device)
            if name == "test":
                withheld, given = targets, given if protocol.episodic else None
            images = self._images(live, used, task, at) if protocol.needs.encoder else None
            folds[name] = Fold(name, self._rows(live, used, task, at), given, images)
        judge = judge_by(task.primary, folds["val"].targets.cpu() if "val" in folds else None)
        # a copy: the next task must find the encoder as it was loaded, and evaluate() gives back what it was given
        encoder = copy.deepcopy(live.forward.encoder).eval() if protocol.needs.encoder else None
        multilabel = card.kind == "multi-label"
        return TaskData(folds, card.classes, multilabel, judge, seed, live.device, encoder, scratch), withheld

    def _rows(
        self, live: LiveModel, used: UsedSplit, task: BoundTask, at: NDArray[np.int64]
    ) -> dict[tuple[str, str], Tensor]:
        found = {}
        for layer, view in task.protocol.needs.features:
            array = self.store.get("embeddings", self._key(live, used, layer, view))
            if array is None:
                raise HarnessError(f"the embeddings of {used.label}, layer {layer}, vanished from the store")
            found[layer, view] = torch.from_numpy(np.asarray(array[at])).float().to(live.device)
        return found

    def _images(self, live: LiveModel, used: UsedSplit, task: BoundTask, at: NDArray[np.int64]) -> FoldImages:
        bare = replace(used.content, targets=np.empty(0, np.int64), fields={})
        geometry = seen(live.model.preprocess, task.protocol.needs.views[0]).geometry
        return FoldImages(bare, used.rows[at], geometry, self.suite.decoder, self.options.workers, live.device)


@dataclass(frozen=True)
class FoldImages:
    """Reads a fold's images for a task that needs the encoder; it holds no target. See `harness.tasks.Fold`."""

    content: Split
    rows: NDArray[np.int64]
    geometry: Geometry
    decoder: str
    workers: int
    device: str

    def pixels(self, batch_size: int) -> Iterator[Tensor]:
        read = pixels.stream(self.content, self.rows, self.geometry, self.decoder, batch_size, self.workers)
        return (batch.to(self.device) for _, batch in read)

    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]:
        rows = self.rows[np.asarray(draws, np.int64)]
        read = pixels.augmented(self.content, rows, augment, self.decoder, batch_size, self.workers)
        return (batch.to(self.device) for batch in read)


def judge_by(metric: Metric, targets: Tensor | None) -> Callable[[Evidence], float]:
    """A metric of evidence about the images of these targets, larger is better.

    What it returns raises `HarnessError` without targets, and where the metric is undefined on them.
    """

    def judge(evidence: Evidence) -> float:
        if targets is None:
            raise HarnessError("a task that chooses by judge() needs the val fold")
        try:
            number = value(metric, evidence.cpu().join(targets))
        except UndefinedError as error:  # of the val images: the scores of the test images may well be defined
            raise HarnessError(f"nothing can be chosen by {metric.name} on the val fold: {error}") from error
        return number if metric.higher_is_better else -number

    return judge
