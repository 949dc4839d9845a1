"""What must hold of a dataset."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.datasets import Dataset, Split, folds, subset
from harness.errors import HarnessError
from harness.pixels import decode
from harness.testing.kit import Doubt, Fault, Finding, Kit, NotApplicable

PROBED = 5_000  # images a split that are decoded to look for duplicates; larger splits are sampled
TOLERATED = 0.01  # share of a split; published benchmarks hold a few duplicates that nobody may remove


class Source:
    """A dataset, its splits and the digests of its pixels, read once."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @cached_property
    def splits(self) -> dict[str, Split]:
        if not self.dataset.present:
            raise NotApplicable("not on this machine: 'harness data prepare' fetches it")
        self.dataset.prepare()
        return {name: self.dataset.split(name) for name in self.dataset.card.splits}

    @cached_property
    def digests(self) -> dict[str, list[str]]:
        """SHA-256 of the decoded pixels, by split."""
        return {name: [_pixels(s, int(i)) for i in subset(len(s), PROBED)] for name, s in self.splits.items()}


KIT: Kit[Source] = Kit()


def check_dataset(dataset: Dataset) -> list[Finding]:
    """Run the dataset kit; see the checks below for what each means."""
    return KIT.run(Source(dataset))


def _pixels(split: Split, row: int) -> str:
    image = decode(split.images[row], split.ids[row])
    return hashlib.sha256(repr(tuple(image.shape)).encode() + image.numpy().tobytes()).hexdigest()


@KIT.check("card complete")
def card_complete(source: Source) -> None:
    """Title, revision and splits are stated, classes are distinct; domain and licence too."""
    card = source.dataset.card
    missing = [name for name in ("title", "revision") if not getattr(card, name)]
    if missing:
        raise Fault(f"the card lacks {', '.join(missing)}")
    if len(set(card.classes)) != len(card.classes):
        twice = next(c for c in card.classes if card.classes.count(c) > 1)
        raise Fault(f"the class {twice!r} is listed more than once")
    folds(card.splits)
    unsaid = ["domain"] * (card.domain == "unknown") + ["licence"] * (not card.licence)
    if unsaid:
        raise Doubt(f"the card states no {' and no '.join(unsaid)}")


@KIT.check("splits load")
def splits_load(source: Source) -> None:
    """Each split has as many images, targets and ids as its card says, and annotations for each."""
    for name, split in source.splits.items():
        n, said = len(split), source.dataset.card.splits[name]
        if not 0 < n == said == len(split.targets) == len(split.ids):
            counts = f"{n} images, {len(split.targets)} targets, {len(split.ids)} ids"
            raise Fault(f"split {name}: {counts}, and the card says {said}: all must agree, and not be 0")
        if uneven := [key for key, values in split.fields.items() if len(values) != n]:
            raise Fault(f"split {name}: the field {uneven[0]!r} has {len(split.fields[uneven[0]])} rows for {n} images")


@KIT.check("targets in range", "splits load")
def targets_in_range(source: Source) -> None:
    """Integer class indices below the number of classes, or 0 and 1 a class."""
    for name, split in source.splits.items():
        if not np.issubdtype(split.targets.dtype, np.integer):
            raise Fault(f"split {name}: targets are {split.targets.dtype}, expected int64")
        source.dataset.checked(name)


@KIT.check("every class in train", "targets in range")
def every_class_in_train(source: Source) -> None:
    """A class that is never trained on can only be missed."""
    card, targets = source.dataset.card, source.splits["train"].targets
    present = np.unique(targets) if card.kind == "single-label" else np.flatnonzero(targets.any(0))
    if absent := sorted(set(range(card.num_classes)) - set(present.tolist())):
        raise Doubt(f"no training image of {card.classes[absent[0]]!r} ({len(absent)} classes in all)")


@KIT.check("images decode", "splits load")
def images_decode(source: Source) -> None:
    """Paths, encoded bytes or uint8 arrays (H, W, 3) or (H, W), each readable."""
    for split in source.splits.values():
        for row in subset(len(split), 64):
            image, name = split.images[int(row)], split.ids[int(row)]
            if not isinstance(image, Path | bytes | np.ndarray):
                raise Fault(f"image {name} is a {type(image).__name__}: give a path, bytes or a uint8 array")
            decode(image, name)


@KIT.check("same at every reading", "images decode")
def same_at_every_reading(source: Source) -> None:
    """Reading a split again gives the same ids, targets and pixels."""
    for name, split in source.splits.items():
        again = source.dataset.split(name)
        rows = [int(i) for i in subset(len(split), 16)]
        if list(again.ids) != list(split.ids) or not np.array_equal(again.targets, split.targets):
            raise Fault(f"split {name}: a second reading gave other ids or targets: seed what is random")
        if changed := [split.ids[i] for i in rows if _pixels(again, i) != _pixels(split, i)]:
            raise Fault(f"split {name}: image {changed[0]} has other pixels at the second reading: seed what is random")


@KIT.check("ids unique", "splits load")
def ids_unique(source: Source) -> None:
    """No id stands twice, in one split or in two."""
    where: dict[str, str] = {}
    for name, split in source.splits.items():
        for key in split.ids:
            if key in where:
                raise Fault(f"image {key} is in split {where[key]} and again in {name}: splits must not overlap")
            where[key] = name


@KIT.check("no image in two splits", "images decode", "ids unique")
def no_image_in_two_splits(source: Source) -> None:
    """No two splits share pixels: what is tested was not trained on."""
    names = list(source.splits)
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            _compare(source, first, second)


def _compare(source: Source, first: str, second: str) -> None:
    try:
        seen, held = set(source.digests[first]), source.digests[second]
    except HarnessError as error:
        raise Fault(str(error)) from error
    rows = subset(len(source.splits[second]), PROBED)
    shared = [row for row, digest in zip(rows, held, strict=True) if digest in seen]
    if not shared:
        return
    example = source.splits[second].ids[int(shared[0])]
    message = f"{len(shared)} of {len(held)} images of {second} have the pixels of one in {first} (such as {example})"
    if len(shared) / len(held) > TOLERATED:
        raise Fault(f"{message}: splits must not overlap")
    raise Doubt(message)
