"""Features for tasks: from the store, or by one pass for all that is missing. Rows are found by index."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import pixels, taps
from harness.cache import ArrayStore, ArrayWriter
from harness.datasets import Dataset
from harness.engine.cost import recalled
from harness.engine.families import Views, draw
from harness.engine.folds import FoldImages, Served, judge_by
from harness.engine.live import LiveModel
from harness.engine.options import Options
from harness.engine.rows import in_order_of, not_sorted, placed
from harness.engine.used import UsedSplit
from harness.errors import CorruptImageError, HarnessError, OutputError
from harness.identity import embedding_key, images_digest, pixels_key
from harness.lookup import BoundTask
from harness.models import Geometry
from harness.passes import PassProgress, stored_dtype
from harness.planning import fold_indices
from harness.suite import Suite
from harness.sweeps import SINKS, sweep, unchanged
from harness.taps import read
from harness.tasks import Feature, Fold, TaskData
from harness.views import canonical, seen, size

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

    def ensure(self, live: LiveModel, dataset: Dataset, split: str, features: Iterable[Feature]) -> int:
        """Make sure each feature of a split is stored, by at most one pass a view; returns the images used.

        Raises `HarnessError` when an image cannot be read (unless the suite excludes such images) or the encoder fails.
        """
        used, by_view = self.used(dataset, split), dict[str, dict[Feature, None]]()
        for feature in features:
            by_view.setdefault(canonical(live.model.preprocess, feature.view), {})[feature] = None
        for view, wanted in by_view.items():
            try:
                self._pass(live, used, view, wanted)
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

    def _pass(self, live: LiveModel, used: UsedSplit, view: str, wanted: Iterable[Feature]) -> None:
        """One sweep over the images of whatever is missing of one view."""
        missing = {
            self._key(live, used, feature): feature
            for each in wanted
            for feature in resolved(live, each)
            if len(used.sampled(feature))  # or no task goes on: see `data`
            if self.options.force or self.store.get("embeddings", self._key(live, used, feature)) is None
        }
        if not missing:
            return
        writers: dict[str, ArrayWriter] = {}
        pace = 0.0

        def create(key: str, shape: tuple[int, ...]) -> NDArray[Any]:
            gram = read(missing[key].layer).reduction == "gram"  # which is in float32 whatever the forward pass is in
            dtype = np.float32 if gram else stored_dtype(live.precision)
            writers[key] = self.store.create("embeddings", key, shape, dtype)
            return writers[key].array

        def report(done: int, speed: float) -> None:
            nonlocal pace
            pace, where = speed * views, (live.model.name, used.source, used.name)
            self.progress(PassProgress(*where, done * views, len(rows) * views, pace, view))

        family, views = Views.of(view), size(view)
        samples = {key: used.sampled(feature) for key, feature in missing.items()}
        rows = max(samples.values(), key=lambda rows: (len(rows), not_sorted(rows)))  # samples are nested
        if (shuffled := [own for own in samples.values() if not_sorted(own)]) and not not_sorted(rows):
            rows = in_order_of(max(shuffled, key=len), rows)
        try:
            sinks = [
                SINKS[read(feature.layer).reduction](
                    read(feature.layer), placed(samples[key], rows), views if family else 0, partial(create, key)
                )
                for key, feature in missing.items()
            ]
            ids = [used.content.ids[row] for row in rows]
            batches = self._batches(used, rows, seen(live.model.preprocess, view), live.forward.batch_size)
            transform = family.transform(ids, live.model.preprocess.size, live.device) if family else unchanged
            sweep(live.forward, batches, sinks, ids, report, transform, views)
            cost = live.cost | (live.speed(pace) if view == "clean" else {})
            for key, feature in missing.items():
                writers[key].commit(self._facts(live, used, feature) | {"cost": cost})
        finally:
            for writer in writers.values():
                writer.discard()

    def _key(self, live: LiveModel, used: UsedSplit, feature: Feature) -> str:
        view = canonical(live.model.preprocess, feature.view)
        images = images_digest(used.sampled(feature), used.total)
        return embedding_key(
            live.fingerprint, used.source, used.name, feature.layer, view, live.precision, self.suite.decoder, images
        )

    def _facts(self, live: LiveModel, used: UsedSplit, feature: Feature) -> dict[str, Any]:
        return {"model": live.model.name, "source": used.source, "split": used.name, "layer": feature.layer,
                "view": feature.view, "precision": live.precision, "decoder": self.suite.decoder,
                "images": images_digest(used.sampled(feature), used.total)}  # fmt: skip

    def _batches(
        self, used: UsedSplit, rows: NDArray[np.int64], geometry: Geometry, batch_size: int
    ) -> Iterator[pixels.Batch]:
        """Pixels from the store, or decoded (and stored, if they fit) on the way."""
        order = np.argsort(np.argsort(rows))  # they are stored in the order of the split
        images = images_digest(np.sort(rows), used.total)
        key = pixels_key(used.source, used.name, asdict(geometry), self.suite.decoder, images)
        stored = self.store.get("pixels", key)
        if stored is not None:
            return pixels.replay(stored, order, batch_size)
        decoded = pixels.stream(used.content, rows, geometry, self.suite.decoder, batch_size, self.options.workers)
        shape = (len(rows), 3, geometry.size, geometry.size)
        if math.prod(shape) > self.options.pixel_cache:
            return decoded
        try:
            writer = self.store.create("pixels", key, shape, np.uint8)
        except OutputError:  # no room for what only saves time: decode again for each encoder
            return decoded
        return self._keeping(decoded, order, writer, used, {"geometry": asdict(geometry), "images": images})

    def _keeping(
        self,
        batches: Iterator[pixels.Batch],
        order: NDArray[np.int64],
        writer: ArrayWriter,
        used: UsedSplit,
        facts: Mapping[str, Any],
    ) -> Iterator[pixels.Batch]:
        try:
            for positions, batch in batches:
                writer.array[order[positions]] = batch.numpy()
                yield positions, batch
            writer.commit({"source": used.source, "split": used.name, **facts})
        finally:
            writer.discard()

    def data(self, live: LiveModel, task: BoundTask, seed: int, scratch: Path) -> tuple[TaskData, dict[str, Tensor]]:
        """What a task gets, and what of the test fold it does not get: targets (unless it is episodic), masks.

        Raises `HarnessError` when no test image can be read.
        """
        card, protocol = task.dataset.card, task.protocol
        folds, withheld = {}, dict[str, Tensor]()
        for name, fold in fold_indices(self.suite, task).items():
            used = self.used(task.dataset, fold.split)
            at = used.positions(fold.index)
            if name == "test" and not len(at):
                raise HarnessError(f"{task.text}: none of the test images that it takes can be read")
            kind = np.float32 if card.kind == "continuous" else np.int64
            targets = torch.from_numpy(np.ascontiguousarray(used.content.targets[used.rows[at]], dtype=kind))
            given: Tensor | None = targets.to(live.device)
            if name == "test":
                withheld = {"targets": targets, **self._masks(live, used, task, at)}
                given = given if protocol.episodic else None
            images = self._images(live, used, task, at) if protocol.needs.encoder else None
            drawn = partial(draw, [used.content.ids[r] for r in used.rows[at]], live.device) if name == "test" else None
            folds[name] = Fold(name, self._served(live, used, task, name, at), given, images, drawn)
        judge = judge_by(task.judges, folds["val"].targets.cpu() if "val" in folds else None)
        # a copy: the next task must find the encoder as it was loaded, and evaluate() gives back what it was given
        encoder = copy.deepcopy(live.forward.encoder).eval() if protocol.needs.encoder else None
        data = TaskData(
            folds, card.classes, card.kind == "multi-label", judge, seed, live.device, encoder, scratch,
            layers=self._layers(live, task),
        )  # fmt: skip
        return data, withheld

    def cost(self, live: LiveModel, task: BoundTask) -> dict[str, Any]:
        """What is known of the cost of a task's features, also of those stored by an earlier run."""
        keys = {
            self._key(live, self.used(task.dataset, fold.split), feature)
            for name, fold in fold_indices(self.suite, task).items()
            for each in task.protocol.needs.of_fold(name)
            for feature in resolved(live, each)
        }
        return {**live.cost, **recalled(self.store.facts("embeddings", key) for key in sorted(keys))}

    def _layers(self, live: LiveModel, task: BoundTask) -> tuple[str, ...]:
        """The layers that a task's taps stand for, in the encoder's order."""
        wanted = {
            read(name).layer for name in taps.resolved(task.protocol.needs.layers or (), known_layers(live, task))
        }
        order = {layer: at for at, layer in enumerate(known_layers(live, task))}
        return tuple(sorted(wanted, key=lambda layer: order.get(layer, -1)))

    def _served(self, live: LiveModel, used: UsedSplit, task: BoundTask, fold: str, at: NDArray[np.int64]) -> Served:
        """The features of a fold. Raises `HarnessError` when some are no longer stored."""
        found = {}
        for each in task.protocol.needs.of_fold(fold):
            for feature in resolved(live, each):
                array = self.store.get("embeddings", self._key(live, used, feature))
                if array is None:
                    raise HarnessError(
                        f"the embeddings of {used.label}, layer {feature.layer}, vanished from the store"
                    )
                found[feature.layer, feature.view] = array, placed(used.sampled(feature), used.rows[at])
        return Served(found, live.device)

    def _images(self, live: LiveModel, used: UsedSplit, task: BoundTask, at: NDArray[np.int64]) -> FoldImages:
        bare = replace(used.content, targets=np.empty(0, np.int64), fields={})
        geometry = seen(live.model.preprocess, task.protocol.needs.views[0])
        return FoldImages(bare, used.rows[at], geometry, self.suite.decoder, self.options.workers, live.device)

    def _masks(self, live: LiveModel, used: UsedSplit, task: BoundTask, at: NDArray[np.int64]) -> dict[str, Tensor]:
        """The objects' masks as the encoder sees them, (N, S, S), for evidence that has a field for them."""
        masks = used.content.fields.get("object_masks")
        if masks is None or not hasattr(task.protocol.evidence, "masks"):
            return {}
        geometry = seen(live.model.preprocess, task.protocol.needs.views[0])
        nearest = replace(geometry, interpolation="nearest")
        made = [pixels.resize(torch.from_numpy(np.array(masks[row], np.uint8))[None], nearest) for row in used.rows[at]]
        return {"masks": torch.cat(made)}


def resolved(live: LiveModel, feature: Feature) -> list[Feature]:
    """The features that a pattern stands for on this model."""
    if not taps.is_pattern(feature.layer):
        return [feature]
    return [feature._replace(layer=layer) for layer in taps.resolve(feature.layer, live.encoder.layers)]


def known_layers(live: LiveModel, task: BoundTask) -> tuple[str, ...]:
    """The encoder's layers, where a task needs to know: an encoder is loaded as late as possible."""
    needs = task.protocol.needs
    one = len(needs.layers or ()) < 2 and not any(map(taps.is_pattern, needs.layers or ()))
    return () if one else live.encoder.layers
