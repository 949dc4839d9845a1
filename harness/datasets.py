"""Datasets: images with targets in named splits. Nothing here imports torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError

TargetKind = Literal["single-label", "multi-label", "continuous"]
Image = Path | bytes | NDArray[np.uint8]


class DatasetCard(BaseModel):
    """What a reader of the board, and the planner, should know of a dataset.

    Attributes:
        name: the images' name; with `revision` it identifies the pixels, whatever the target.
        revision: changes when an image or a target changes.
        target: which of the dataset's targets this is (``shape``), where it has several.
        classes: names of the classes; of the values that a continuous target consists of.
        splits: images in each split; ``val`` is present only where the dataset has an official one.
        near: whether the images resemble ImageNet's natural object photographs (Tendle & Hasan 2021).
        collection: the published set of datasets that it belongs to (``kornblith``, ``cd-fsl``), which are averaged.
        within: sets that contain its images, as models' cards name them (``imagenet-21k``): who was trained on one of
            them has seen these.
        primary_metric: the metric that ranks models on this dataset.
        shareable: whether its pictures may be shown in public, as on a leaderboard's site.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    revision: str
    title: str = ""
    target: str = "label"
    kind: TargetKind = "single-label"
    classes: tuple[str, ...] = Field(min_length=1)
    splits: dict[str, int]
    domain: str = "unknown"
    near: bool | None = None
    collection: str = ""
    within: tuple[str, ...] = ()
    primary_metric: str = "top1"
    licence: str = ""
    shareable: bool = False
    citation: str = ""
    url: str = ""

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def source(self) -> str:
        """The identity of the pixels: name and revision."""
        return f"{self.name}@{self.revision}"


class Images(Protocol):
    """A sequence of images: paths, encoded bytes, or uint8 arrays (H, W, 3) or (H, W)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Image: ...


@dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes:
        images: N images, read one at a time.
        targets: (N,) int64 class indices; (N, C) of 0 and 1 for multi-label sets; (N, T) floats for continuous ones.
        ids: N names, unique over the dataset's splits.
        fields: further per-image annotations (``boxes``, ``masks``, ``normals``), read one at a time.
    """

    images: Images
    targets: NDArray[Any]
    ids: Sequence[str]
    fields: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)


class Dataset(ABC):
    """A source of splits. The constructor is cheap and takes the bracket arguments of its name."""

    @property
    @abstractmethod
    def card(self) -> DatasetCard:
        """The facts. Reads no image."""

    @abstractmethod
    def split(self, name: str) -> Split:
        """The images and targets of one of ``card.splits``."""

    @property
    def present(self) -> bool:
        """Whether `split` can be read without `prepare`, as far as can be told without reading."""
        return True

    def prepare(self) -> None:  # noqa: B027 - optional
        """Fetch or render what `split` needs; does nothing when it is there already.

        ``harness data prepare`` calls it; a run never does, so that nothing is downloaded behind the user's back.
        """

    def checked(self, name: str) -> Split:
        """`split`, checked. Raises `HarnessError` for wrong sizes, labels out of range or an empty split."""
        split, card = self.split(name), self.card
        where = f"dataset {card.name}, split {name}"
        n = len(split)
        if n == 0:
            raise HarnessError(f"{where}: has no images")
        if not n == len(split.targets) == len(split.ids):
            raise HarnessError(f"{where}: {n} images, {len(split.targets)} targets and {len(split.ids)} ids must agree")
        if n != card.splits.get(name):
            raise HarnessError(f"{where}: has {n} images but its card says {card.splits.get(name)}")
        if fault := _target_fault(split, card):
            raise HarnessError(f"{where}: {fault}")
        return split


def _target_fault(split: Split, card: DatasetCard) -> str | None:
    """What is wrong with a split's targets, by the kind that its card states."""
    targets, n = split.targets, len(split)
    kinds, what = ("f", "floating-point numbers") if card.kind == "continuous" else ("biu", "integers")
    if targets.dtype.kind not in kinds:
        return f"targets must be {what}, got {targets.dtype}"
    shape = (n,) if card.kind == "single-label" else (n, card.num_classes)
    if targets.shape != shape:
        return f"{card.kind} targets must have shape {shape}, got {targets.shape}"
    if card.kind == "continuous":
        bad, fault = ~np.isfinite(targets), "not finite"
    else:
        top = card.num_classes if card.kind == "single-label" else 2
        bad, fault = (targets < 0) | (targets >= top), f"outside 0..{top - 1}"
    if not bad.any():
        return None
    row = int(np.argmax(bad.reshape(n, -1).any(1)))
    return f"image {split.ids[row]} has target {targets[row]}, {fault}"


@dataclass(frozen=True)
class FoldIndex:
    """A fold of a task: which images of which split."""

    split: str
    index: NDArray[np.int64]


def check_folds(sizes: Mapping[str, int]) -> None:
    """Raises `HarnessError` when there is no train or no test split to take folds from."""
    if missing := [name for name in ("train", "test") if name not in sizes]:
        raise HarnessError(f"no {missing[0]} split (splits: {', '.join(sizes) or 'none'})")


def folds(sizes: Mapping[str, int]) -> dict[str, FoldIndex]:
    """The train, val and test folds of splits of these sizes.

    Without an official ``val`` split a fifth of train is held out by Ericsson et al.'s rule (2011.13377, released
    code): shuffle the indices with NumPy's seed 0; the first floor(0.2 N) are val. Raises `HarnessError` when there
    is no train or test split.
    """
    check_folds(sizes)
    return dict(_folds(sizes["train"], sizes.get("val"), sizes["test"]))


@lru_cache(maxsize=64)
def _folds(train: int, val: int | None, test: int) -> tuple[tuple[str, FoldIndex], ...]:
    """Every task of a plan asks for the same few: shuffling a million indices anew for each would be felt."""
    if val is None:
        order = np.random.RandomState(0).permutation(train)
        held_out = int(0.2 * train)
        kept, chosen = np.sort(order[held_out:]), np.sort(order[:held_out])
        found = {"train": FoldIndex("train", kept), "val": FoldIndex("train", chosen)}
    else:
        found = {"train": FoldIndex("train", np.arange(train)), "val": FoldIndex("val", np.arange(val))}
    found["test"] = FoldIndex("test", np.arange(test))
    for fold in found.values():
        fold.index.flags.writeable = False
    return tuple(found.items())


def subset(n: int, limit: int | None, shuffled: bool = False) -> NDArray[np.int64]:
    """The images a run with ``--limit`` uses: a fixed random choice, in order, so that sorted classes all appear.

    Smaller choices are part of greater ones; `shuffled`, their beginning.
    """
    if not shuffled and (limit is None or limit >= n):
        return np.arange(n)
    chosen = np.random.RandomState(0).permutation(n)[:limit]
    return chosen if shuffled else np.sort(chosen)
