"""Rows of the index: a record as columns, with what many records share once, and back as an `Indexed`."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from harness.draws import Draws
from harness.outcomes import Indexed
from harness.records import Record

OF_TASK = {"task", "dataset", "precision", "decoder", "resamples"}
"""The facts of a record that all records of its task have in common; most others are its model's."""
OF_CELL = {"seconds", "peak_memory", "cost", "traceback"}
"""What of a record's provenance is its own; the rest is that of a run."""
EVIDENCE = ("evidence", "partner_evidence")
Row = tuple[str | bytes | int | float | None, ...]
FIELDS = (
    *("status TEXT", "kind TEXT", "model TEXT", "partner TEXT", "task TEXT", "reason TEXT"),
    *("evidence TEXT", "partner_evidence TEXT", "key TEXT", "seed INTEGER", "limited INTEGER", "finished REAL"),
    *("is_primary INTEGER", "draws BLOB", "scores BLOB", "own BLOB"),
    *("metric INTEGER", "of_task INTEGER", "of_model INTEGER", "of_run INTEGER"),
)
"""Those of `Indexed`, in order; the last are ids of parts."""
NAMES = ", ".join(field.split()[0] for field in FIELDS)
_TEXTS, _PLAIN, _PARTS = slice(0, 8), slice(8, 12), slice(16, 20)


def row_of(r: Record, shared: dict[int, bytes]) -> Row:
    """A record's row; its parts are added to those `shared`, by id.

    Raises `OverflowError` or `pydantic_core.PydanticSerializationError` for what SQLite or JSON cannot hold.
    """
    ids = []
    for part in _parts(r):
        text = to_json(part)
        ids.append(int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True))
        shared[ids[-1]] = text
    for number in (r.seed, r.limit or 0):
        number.to_bytes(8, "big", signed=True)
    evidence = [key if isinstance(key := r.facts.get(side), str) else None for side in EVIDENCE]
    return (
        r.status, r.kind, r.model, r.partner, r.task, r.reason, *evidence, r.key, r.seed, r.limit, r.finished,
        r.primary, None if r.draws is None else to_json((r.draws.low, r.draws.high, r.draws.codes)),
        to_json([(s.value, s.low, s.high, s.n, s.variant) for s in r.scores]),
        to_json({name: r.provenance[name] for name in OF_CELL & r.provenance.keys()}), *ids,
    )  # fmt: skip


def _parts(r: Record) -> tuple[Mapping[str, Any], ...]:
    """A record's larger parts; see `Indexed`."""
    facts = {name: value for name, value in r.facts.items() if not (name in EVIDENCE and isinstance(value, str))}
    of_task = {"dataset": r.dataset, "facts": {name: facts.pop(name) for name in OF_TASK & facts.keys()}}
    provenance = {name: value for name, value in r.provenance.items() if name not in OF_CELL}
    of_run = {"schema_version": r.schema_version, "provenance": provenance, "submission": r.submission}
    return r.metric, of_task, {"card": r.card, "facts": facts}, of_run


class Reader:
    """Makes records of rows; equal texts and parts are one object."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._once = dict[str, str]().setdefault
        self._part = _Parts(db).__getitem__

    def __call__(self, row: tuple[Any, ...]) -> Indexed:
        """Raises `sqlite3.DatabaseError` for a row that is damaged."""
        texts, draws = row[_TEXTS], row[13]
        try:
            return Indexed._make(
                (*map(self._once, texts, texts), *row[_PLAIN], bool(row[12]), draws and _draws(draws), row[14], row[15],
                 *map(self._part, row[_PARTS]))
            )  # fmt: skip
        except (TypeError, ValueError) as error:
            raise sqlite3.DatabaseError("a row is damaged") from error


class _Parts(dict[int, dict[str, Any]]):
    """The parts by id, each parsed once. Raises `TypeError` or `ValueError` for one that is missing or no JSON."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __missing__(self, part: int) -> dict[str, Any]:
        row = self.db.execute("SELECT json FROM parts WHERE id = ?", (part,)).fetchone()
        found: dict[str, Any] = from_json(row[0])
        self[part] = found
        return found


def _draws(fields: bytes) -> Draws:
    low, high, codes = from_json(fields)
    return Draws.model_construct(low=low, high=high, codes=codes)
