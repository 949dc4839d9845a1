"""A board as CSV: a row a model, numbers at full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from harness.board.numbers import one_line
from harness.board.table import Board, Column, Entry, Row

Value = str | float | int | None


LEAD = ("score", "score_low", "score_high", "rank", "rank_best", "rank_worst", "average_rank")


def render(board: Board) -> str:
    """Model, paradigm, its standing; then for each column its value, ``_low``, ``_high`` and ``_status``.

    ``_status`` is done, reported, submitted, failed, missing or skipped. Columns with several seeds or a limit have
    ``_sd`` and ``_seeds``, or ``_limit``, as well. Absent numbers are empty.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    entries = [[row.entries[i] for row in board.rows] for i in range(len(board.columns))]
    fields = [list(_fields(column, found)) for column, found in zip(board.columns, entries, strict=True)]
    writer.writerow(["model", "paradigm", *LEAD, *(name for group in fields for name, _ in group)])
    for row in board.rows:
        values = [_value(e, field) for e, group in zip(row.entries, fields, strict=True) for _, field in group]
        writer.writerow([guard(row.model), guard(row.paradigm), *_lead(row), *values])
    return file.getvalue()


def guard(text: str) -> str:
    """A name on one line; if a spreadsheet would run it as a formula, made inert (OWASP, CSV injection)."""
    plain = one_line(text)
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else plain


def _lead(row: Row) -> list[Value]:
    s = row.standing
    standing = [None] * 6 if s is None else [s.score, s.low, s.high, s.rank, s.best, s.worst]
    return [*standing, row.average_rank]


def _fields(column: Column, entries: list[Entry]) -> Iterator[tuple[str, str]]:
    """The CSV columns of a board's column: heading, and the entry's field."""
    name = guard(column.name)
    yield name, "value"
    yield f"{name}_low", "low"
    yield f"{name}_high", "high"
    yield f"{name}_status", "status"
    if any(e.seeds > 1 for e in entries):
        yield f"{name}_sd", "sd"
        yield f"{name}_seeds", "seeds"
    if any(e.limit is not None for e in entries):
        yield f"{name}_limit", "limit"


def _value(entry: Entry, field: str) -> Value:
    if field == "status" and entry.status == "done" and entry.kind != "measured":
        return entry.kind
    value: Value = getattr(entry, field)
    return value
