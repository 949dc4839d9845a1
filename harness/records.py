"""Records: the outcome of each cell as one JSON file, written atomically. They are the truth; all else is derived."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from harness.draws import Draws
from harness.errors import HarnessError, OutputError, first_problem, one_line
from harness.planning import Cell

SCHEMA = 2
"""2 added draws and submitted records; older records are read."""
STALE_SECONDS = 24 * 3600
MOST = 1e100  # beyond any amount; a record edited by hand may hold any number, and JSON's integers know no end
LATEST = 253402300799  # the year 9999, the last that dates know

Kind = Literal["measured", "submitted", "reported"]
"""Measured here; measured by someone who sent the record in; published elsewhere."""


class NewerSchemaError(HarnessError):
    """A record written by a later version of the harness."""


class ScoreData(BaseModel):
    """A score as recorded; see `harness.metrics.Score`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    variant: str = ""


class Record(BaseModel):
    """One cell's outcome and all that is needed to judge and repeat it.

    Attributes:
        key: digest of all that can change the score (`harness.identity`); empty if a failure came before it was known.
        scores: the primary variant first.
        draws: of the first score, on the bootstrap's resamples, where the metric is the one that ranks models.
        metric: name, version, unit, bounds, higher_is_better.
        card: of the model.
        dataset: of the dataset's card: title, domain, near, collection, kind, and how many classes.
        facts: what went into the key, in words: task parameters, dataset revision, fingerprint, precision…
        provenance: plugins and versions, environment, device, seconds, peak memory, cost. In no key.
        submission: of a submitted record: ``by``, ``date``, and ``bundle``, the digest of the archive it came in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    schema_version: int = Field(SCHEMA, strict=True)
    status: Literal["done", "failed", "skipped"]
    model: str
    task: str
    metric: dict[str, Any]
    seed: int = 0
    partner: str | None = None
    key: str = ""
    scores: tuple[ScoreData, ...] = ()
    draws: Draws | None = None
    reason: str = ""
    kind: Kind = "measured"
    primary: bool = False
    limit: int | None = None
    finished: float = Field(default_factory=time.time, ge=0, le=LATEST)
    card: dict[str, Any] = Field(default_factory=dict)
    dataset: dict[str, Any] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    submission: dict[str, str] = Field(default_factory=dict)
    reused: bool = Field(default=False, exclude=True)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not isinstance(self.metric.get("name"), str):
            raise ValueError("its metric has no name")
        if self.status == "done" and not self.scores:
            raise ValueError("it is done, but holds no score")
        low, high = self._bounds()
        for score in self.scores:
            if not low <= score.value <= high:
                raise ValueError(f"its score {score.value:g} is outside its metric's bounds")
        return self

    def _bounds(self) -> tuple[float, float]:
        """The metric's, with room for rounding; infinite where it tells none."""
        match self.metric.get("bounds"):
            case [low, high] if all(x is None or (type(x) in (int, float) and -MOST < x < MOST) for x in (low, high)):
                slack = 1e-6 * max(1.0, *(abs(x) for x in (low, high) if x is not None), 1.0)
                ends = (-math.inf if low is None else low - slack, math.inf if high is None else high + slack)
                if ends[0] < ends[1]:
                    return ends
        return -math.inf, math.inf

    @property
    def cell(self) -> Cell:
        return Cell(self.model, self.task, self.metric["name"], self.seed, self.partner)

    @property
    def score(self) -> ScoreData:
        """The primary score of a done record."""
        return self.scores[0]


class Summary(BaseModel):
    """How a run ended; ``summary.json``.

    Attributes:
        undefined: each cell that has no score because its metric is undefined there, with the reason.
        keys: the record key of each cell that was done, reused, failed or undefined: which records are this run's.
    """

    suite: str
    out: str
    cells: int = 0
    done: int = 0
    reused: int = 0
    failed: int = 0
    skipped: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    images_forwarded: int = 0
    images_wanted: int = 0
    failures: list[dict[str, str]] = Field(default_factory=list)
    skips: list[dict[str, str | bool]] = Field(default_factory=list)
    undefined: list[dict[str, str]] = Field(default_factory=list)
    excluded_images: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    keys: dict[Cell, str] = Field(default_factory=dict, exclude=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write under a temporary name, fsync, rename: a reader sees the old file or the new one, never half of it.

    Raises `OutputError` when the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        reason = error.strerror or error
        raise OutputError(f"cannot write {path}: {reason}; free space or choose another --out") from error


def sweep(root: Path) -> None:
    """Remove the temporary files that killed writers left below a folder, once they are a day old."""
    for path in root.glob("*/*/.*.tmp"):
        with contextlib.suppress(OSError):  # another run has just finished it, or the store is read-only
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


class RecordStore:
    """The ``records/`` folder of a run: ``MODEL/TASK/METRIC-SEED-KEY.json``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, cell: Cell, key: str) -> Path:
        """Where a cell's record is. The same cell under another key (another revision, say) has another file."""
        model = slug(cell.model if cell.partner is None else f"{cell.model}~{cell.partner}")
        return self.folder / model / slug(cell.task) / f"{slug(cell.metric)}-{cell.seed}-{(key or 'unknown')[:16]}.json"

    def done(self, cell: Cell, key: str) -> Record | None:
        """The record of a cell under exactly this key, if it holds a score."""
        record = self.finished(cell, key)
        return record if record is not None and record.status == "done" else None

    def finished(self, cell: Cell, key: str) -> Record | None:
        """The record of a cell under exactly this key, if it is done, or skipped because its score is undefined.

        What was skipped (or failed) before its key was known is not finished.
        """
        path = self.path(cell, key)
        if not key or not path.is_file():
            return None
        record = read_record(path)
        return record if record.status != "failed" and record.key == key else None

    def write(self, record: Record) -> Path:
        """Write a record. A failure never replaces a finished record; a finished one removes the cell's old failure.

        Raises `NewerSchemaError` rather than replace what a newer harness wrote.
        """
        path, done = self.path(record.cell, record.key), record.status == "done"
        held = self._held(path)
        if done and held == "newer":
            raise NewerSchemaError(
                f"{path}: written by a newer harness and left as it is: upgrade, or use another --out"
            )
        if done or held not in ("newer", "done"):
            write_atomically(path, record.model_dump_json(indent=1).encode() + b"\n")
        if done:
            self.forget_failure(record.cell)
        return path

    def forget_failure(self, cell: Cell) -> None:
        """Remove the record of a failure from before the cell's key was known: the cell is finished now."""
        with contextlib.suppress(OSError):
            self.path(cell, "").unlink()

    @staticmethod
    def _held(path: Path) -> str:
        """The status of the record in a file; ``newer`` for one of a later schema, empty for none or a damaged one."""
        try:
            return read_record(path).status
        except NewerSchemaError:
            return "newer"
        except HarnessError:
            return ""

    def paths(self) -> Iterator[Path]:
        """All record files (temporary ones have another ending)."""
        return self.folder.glob("*/*/*.json")


def read_record(path: Path) -> Record:
    """A record from its file.

    Raises `HarnessError` for a file that is no record, `NewerSchemaError` for one of a later schema.
    """
    try:
        data = from_json(path.read_bytes(), allow_inf_nan=False)
        version = data.get("schema_version")
        if isinstance(version, int) and version > SCHEMA:
            raise NewerSchemaError(
                f"{path}: written by a newer harness (schema {version}; this one reads {SCHEMA}): upgrade"
            )
        return Record.model_validate(data)
    except ValidationError as error:
        raise HarnessError(f"{path}: not a record: {first_problem(error)}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise HarnessError(f"{path}: not a record: {one_line(error)}") from None


def slug(name: str) -> str:
    """A name as one file-system component; different names stay different."""
    plain = re.sub(r"[^A-Za-z0-9._@=,+-]+", "_", name).strip(".") or "_"
    if plain == name and len(plain) <= 80:
        return plain
    return f"{plain[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
