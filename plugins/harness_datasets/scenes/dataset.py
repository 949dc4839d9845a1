"""``scenes``: rendered solids with exact targets; ``scenes[colour]`` and ``scenes[shapes]`` share its pixels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from harness.datasets import Dataset, DatasetCard, Split
from harness.errors import HarnessError, OutputError, nearest
from harness.records import write_atomically
from harness_datasets.cachefolder import cache_folder
from harness_datasets.scenes.render import COLOURS, SHAPES, VERSION, Scene, render, render_many

SEED = 0
SIZE = 64
SIZES = {"train": 2000, "test": 1000}
STARTS = {"train": 0, "test": SIZES["train"]}
REVISION = f"{VERSION}-seed{SEED}-{SIZE}px-{SIZES['train']}+{SIZES['test']}"
CHUNK = 100  # scenes a worker renders at a time

TARGETS = {"shape": ("single-label", SHAPES), "colour": ("single-label", COLOURS), "shapes": ("multi-label", SHAPES)}
FIELDS = {
    "boxes": "boxes",
    "labels": "labels",
    "instance_masks": "instance_mask",
    "object_masks": "object_mask",
    "semantic_masks": "semantic_mask",
    "normals": "normals",
}


class Rendered(NamedTuple):
    """All scenes, train then test; named as the arrays of the cache file."""

    images: NDArray[np.uint8]  # (N, 64, 64, 3)
    shape: NDArray[np.int64]  # (N,)
    colour: NDArray[np.int64]  # (N,)
    shapes: NDArray[np.int64]  # (N, S) of 0 and 1


class Scenes(Dataset):
    """3,000 images of 64x64 pixels.

    Args:
        target: ``shape`` or ``colour`` of the main body, or ``shapes``: which are visible anywhere (multi-label).
    """

    def __init__(self, target: str = "shape") -> None:
        if target not in TARGETS:
            raise HarnessError(f"scenes has no target {target!r}{nearest(target, TARGETS)} (has: {', '.join(TARGETS)})")
        self.target = target

    @property
    def card(self) -> DatasetCard:
        kind, classes = TARGETS[self.target]
        return DatasetCard.model_validate(
            {
                "name": "scenes",
                "revision": REVISION,
                "title": f"Rendered scenes, {self.target}",
                "target": self.target,
                "kind": kind,
                "classes": classes,
                "splits": SIZES,
                "domain": "synthetic",
                "near": False,
                "primary_metric": "top1" if kind == "single-label" else "map",
                "licence": "Apache-2.0",
                "shareable": True,
            }
        )

    def split(self, name: str) -> Split:
        start, n = STARTS[name], SIZES[name]
        rows = slice(start, start + n)
        rendered = scenes()
        return Split(
            images=rendered.images[rows],
            targets=getattr(rendered, self.target)[rows],
            ids=[f"scenes/{i:04d}" for i in range(start, start + n)],
            fields={field: Annotation(attribute, start, n) for field, attribute in FIELDS.items()},
        )

    def prepare(self) -> None:
        scenes()


class Annotation(Sequence[Any]):
    """One annotation of a split's scenes, drawn anew when it is read."""

    def __init__(self, attribute: str, start: int, n: int) -> None:
        self.attribute, self.start, self.n = attribute, start, n

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int, /) -> Any: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Any]: ...
    def __getitem__(self, index: int | slice, /) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(self.n)[index]]
        return getattr(_scene(self.start + range(self.n)[index]), self.attribute)


@lru_cache(maxsize=256)
def _scene(index: int) -> Scene:
    return render(index, seed=SEED, size=SIZE)


@cache
def scenes() -> Rendered:
    """All scenes, from the cache file, or rendered and left there; kept in memory where it cannot be written."""
    path = cache_folder() / f"scenes-v{VERSION}" / f"{REVISION}.npz"
    if (found := _read(path)) is not None:
        return found
    rendered = _render(sum(SIZES.values()))
    buffer = io.BytesIO()
    np.savez(buffer, **rendered._asdict())
    with suppress(OutputError):  # a read-only or full cache folder costs time in the next run, nothing else
        write_atomically(path, buffer.getvalue())
    return rendered


def _read(path: Path) -> Rendered | None:
    """The cache file's arrays; None when it is absent or damaged (a zip file checks its own sums)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Rendered(*(file[name] for name in Rendered._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _render(n: int) -> Rendered:
    """The first `n` scenes, rendered by one process for each core."""
    from joblib import Parallel, delayed

    starts = range(0, n, CHUNK)
    parts = Parallel(n_jobs=-1)(delayed(_part)(start, min(start + CHUNK, n)) for start in starts)
    return Rendered(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _part(start: int, stop: int) -> Rendered:
    drawn = render_many(range(start, stop), seed=SEED, size=SIZE)
    return Rendered(
        images=np.stack([scene.image for scene in drawn]),
        shape=np.array([scene.shape for scene in drawn], np.int64),
        colour=np.array([scene.colour for scene in drawn], np.int64),
        shapes=np.stack([scene.shapes_present for scene in drawn]).astype(np.int64),
    )
