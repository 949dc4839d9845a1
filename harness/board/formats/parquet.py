"""A board as a Parquet file: a row for each model and column, with typed fields, for data frames and databases."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any

from harness.board.formats.facts import at
from harness.board.table import Board, Column, Entry, Row
from harness.errors import HarnessError

Value = str | float | int | bool | None

TEXT, REAL, WHOLE, TRUTH = "string", "float64", "int64", "bool_"
FIELDS = {
    "model": TEXT, "paradigm": TEXT, "task": TEXT, "protocol": TEXT, "dataset": TEXT, "metric": TEXT, "variant": TEXT,
    "value": REAL, "low": REAL, "high": REAL, "sd": REAL, "n": WHOLE, "seeds": WHOLE, "status": TEXT, "kind": TEXT,
    "limit": WHOLE, "rank": REAL, "mark": TEXT, "note": TEXT, "overlap": TRUTH,
    "unit": TEXT, "higher_is_better": TRUTH, "bound_low": REAL, "bound_high": REAL, "counts": TRUTH,
    "domain": TEXT, "near": TRUTH, "collection": TEXT, "classes": WHOLE,
    "task_version": WHOLE, "metric_version": WHOLE, "dataset_revision": TEXT, "precision": TEXT, "decoder": TEXT,
    "score": REAL, "score_low": REAL, "score_high": REAL, "place": WHOLE, "place_best": WHOLE, "place_worst": WHOLE,
    "average_rank": REAL,
    "title": TEXT, "method": TEXT, "data": TEXT, "epochs": WHOLE, "architecture": TEXT, "licence": TEXT, "url": TEXT,
    "seconds": REAL, "images_per_second": REAL, "peak_memory": WHOLE, "parameters": WHOLE, "flops": WHOLE,
}  # fmt: skip
"""Fields and their Arrow types. ``counts``: whether the ranking counts the column; ``place``: the model's on the board,
``rank``: its fractional one in the column; the versions are those of the column's newest record."""


def render(board: Board) -> bytes:
    """The file; what is unknown is null, and no number is NaN. Its metadata say title, date, rule and notes.

    Raises `HarnessError` where pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise HarnessError(f'the format parquet needs pyarrow ({error}): pip install "ssl-harness[parquet]"') from error
    about = {"title": board.title, "date": board.date, "rule": board.rule.text, "notes": json.dumps(board.footnotes)}
    metadata = {name: text.encode("utf-8", "replace") for name, text in about.items()}
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in FIELDS.items()], metadata=metadata)
    columns: dict[str, list[Value]] = {name: [] for name in FIELDS}
    for row in _rows(board):
        for name, kind in FIELDS.items():
            columns[name].append(_typed(row[name], kind))
    file = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), file, compression="zstd")
    return file.getvalue()


def _rows(board: Board) -> Iterator[dict[str, Any]]:
    columns = [_column(column) for column in board.columns]
    for row in board.rows:
        model = _model(row)
        for column, entry in zip(columns, row.entries, strict=True):
            yield model | column | _entry(entry)


def _model(row: Row) -> dict[str, Any]:
    told = ("title", "method", "data", "epochs", "architecture", "licence", "url")
    card = {name: row.card.get(name) for name in told}
    s = row.standing
    place = (None,) * 6 if s is None else (s.score, s.low, s.high, s.rank, s.best, s.worst)
    names = ("score", "score_low", "score_high", "place", "place_best", "place_worst")
    standing = dict(zip(names, place, strict=True)) | {"average_rank": row.average_rank}
    return {"model": row.model, "paradigm": row.paradigm} | card | standing | row.cost._asdict()


def _column(column: Column) -> dict[str, Any]:
    facts = column.facts
    low, high = column.bounds
    same = ("task", "protocol", "dataset", "metric", "variant", "unit", "higher_is_better", "domain", "near")
    return {name: getattr(column, name) for name in same} | {
        "bound_low": low, "bound_high": high, "counts": column.ranked,
        "collection": column.collection or None, "classes": column.dataset_card.get("classes"),
        "task_version": at(facts, "task", "version"), "metric_version": at(facts, "metric", "version"),
        "dataset_revision": at(facts, "dataset", "revision"),
        "precision": facts.get("precision"), "decoder": facts.get("decoder"),
    }  # fmt: skip


def _entry(entry: Entry) -> dict[str, Any]:
    same = ("value", "low", "high", "sd", "n", "seeds", "limit", "rank", "mark", "note", "overlap", "status")
    found = {name: getattr(entry, name) for name in same}
    absent = {} if entry.status == "done" else {"n": None, "seeds": None, "overlap": None}
    return found | absent | {"kind": entry.kind if entry.status == "done" else None}


def _typed(value: Any, kind: str) -> Value:
    """A value as its field has it; null for what is none, as a card or a record that was edited by hand may hold."""
    if value is None or kind == TEXT:
        return None if value is None else str(value).encode("utf-8", "replace").decode()
    if kind == TRUTH:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if kind == REAL else int(value) if value == int(value) and abs(value) < 2**63 else None
