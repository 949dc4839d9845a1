"""The samples of a tar shard, found by one walk over its headers and read later by offset."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError

BLOCK = 512  # bytes; a zeroed one ends an archive


class Place(NamedTuple):
    """Where a member's bytes lie in its shard."""

    offset: int
    size: int


@dataclass(frozen=True)
class Samples:
    """The samples of one shard, in its order.

    Attributes:
        keys: N member names up to their first dot.
        places: (N, 2) offsets and sizes of the images, int64.
        labels: (N,) int64.
    """

    keys: list[str]
    places: NDArray[np.int64]
    labels: NDArray[np.int64]


class ShardImages:
    """The encoded images of several shards, each read when it is asked for; safe in threads."""

    def __init__(self, shards: list[Path], parts: list[Samples]) -> None:
        self.shards = shards
        self.shard = np.repeat(np.arange(len(parts)), [len(part.keys) for part in parts])
        self.places = np.concatenate([part.places for part in parts])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int, /) -> bytes:
        offset, size = self.places[index].tolist()
        with open(self.shards[self.shard[index]], "rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size)


def read_samples(shard: Path, images: Sequence[str], label: str) -> Samples:
    """The samples of a shard: members ``KEY.IMAGE`` and ``KEY.LABEL``; other endings are left out.

    Args:
        images: the endings an image may have (``jpg``).
        label: ``cls``, an integer in digits, or ``json``, an object with an integer ``label``.

    Raises `HarnessError` for a shard that is truncated, compressed or empty, a sample with no image, no label or two
    of either, and a label that is no integer.
    """
    found: dict[str, dict[str, Place]] = {}
    for key, ending, place in _members(shard):
        kind = "label" if ending == label else "image" if ending in images else ""
        if kind and found.setdefault(key, {}).setdefault(kind, place) is not place:
            raise HarnessError(f"shard {shard}: sample {key!r} has two {kind}s (a key must occur once)")
    if not found:
        raise HarnessError(f"shard {shard}: has no samples (members KEY.{images[0]} and KEY.{label})")
    for key, parts in found.items():
        if "image" not in parts:
            raise HarnessError(f"shard {shard}: sample {key!r} has no image (KEY.{' or KEY.'.join(images)})")
        if "label" not in parts:
            raise HarnessError(f"shard {shard}: sample {key!r} has no label (KEY.{label})")
    with open(shard, "rb") as file:
        labels = []
        for key, parts in found.items():
            file.seek(parts["label"].offset)
            labels.append(_label(file.read(parts["label"].size), label, f"shard {shard}: sample {key!r}"))
    places = np.array([parts["image"] for parts in found.values()], np.int64)
    return Samples(list(found), places, np.array(labels, np.int64))


def _members(shard: Path) -> Iterator[tuple[str, str, Place]]:
    """Key, ending and place of each regular, unhidden member. A name is split at the first dot of its last part."""
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                folder, slash, name = member.name.removeprefix("./").rpartition("/")
                stem, _, ending = name.partition(".")
                if member.isreg() and not member.issparse() and stem:
                    yield folder + slash + stem, ending.lower(), Place(member.offset_data, member.size)
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header
            end = archive.offset
    except (tarfile.TarError, OSError, EOFError) as error:
        raise HarnessError(f"shard {shard}: truncated, or no uncompressed tar file: {error}") from error
    with open(shard, "rb") as file:
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise HarnessError(f"shard {shard}: truncated or damaged after {end:,} bytes")


def _label(data: bytes, kind: str, where: str) -> int:
    """The integer of a ``cls`` or ``json`` member."""
    try:
        value: Any = json.loads(data)["label"] if kind == "json" else int(data)
    except (KeyError, TypeError) as error:
        raise HarnessError(f"{where}: its json has no 'label': {data[:40]!r}") from error
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"{where}: its label is no integer: {data[:40]!r}") from error
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise HarnessError(f"{where}: its label is no integer: {data[:40]!r}")
    return value
