"""Keys: an explicit allowlist of what can change a number, hashed.

Device, batch size, worker count, paths and library versions are in no key; records state them as provenance.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1


def digest(facts: Any) -> str:
    """64 hex digits of a JSON value, independent of the order of its keys."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be part of an identity")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, remembered for the process as long as the file does not change."""
    stat = os.stat(path)
    return _file_digest(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def images_digest(rows: NDArray[np.int64], total: int) -> str:
    """Which images of a split were used: ``all``, or a digest of the rows kept under a limit or without bad images."""
    return "all" if len(rows) == total else hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


def model_fingerprint(identity: Mapping[str, Any], preprocess: Any, weights: str) -> str:
    """A model: architecture and options, preprocessing, content hash of its weights."""
    return digest({"schema": SCHEMA, "identity": identity, "preprocess": preprocess, "weights": weights})


def embedding_key(
    model: str, source: str, split: str, layer: str, view: str, precision: str, decoder: str, images: str
) -> str:
    """One layer's embeddings of one view of a split. `images` says which of its images; see `images_digest`."""
    return digest(
        {"schema": SCHEMA, "model": model, "source": source, "split": split, "layer": layer, "view": view,
         "precision": precision, "decoder": decoder, "images": images}
    )  # fmt: skip


def pixels_key(source: str, split: str, geometry: Mapping[str, Any], decoder: str, images: str) -> str:
    """A split's decoded and resized pixels."""
    return digest(
        {"schema": SCHEMA, "source": source, "split": split, "geometry": geometry, "decoder": decoder, "images": images}
    )


def evidence_key(
    model: str, task: Mapping[str, Any], dataset: Mapping[str, Any], precision: str, decoder: str,
    images: Mapping[str, str], seed: int,
) -> str:  # fmt: skip
    """A task's evidence. `task`: name, version, parameters; `dataset`: name, revision, target; `images`: per split."""
    return digest(
        {"schema": SCHEMA, "model": model, "task": task, "dataset": dataset, "precision": precision,
         "decoder": decoder, "images": images, "seed": seed}
    )  # fmt: skip


def record_key(evidence: tuple[str, ...], metric: Mapping[str, Any], resamples: int) -> str:
    """A cell: the evidence it judges (two pieces for a pair metric), the metric, and how its interval was drawn."""
    return digest({"schema": SCHEMA, "evidence": list(evidence), "metric": metric, "resamples": resamples})
