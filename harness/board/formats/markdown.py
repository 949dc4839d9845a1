"""A board as a GitHub-flavoured Markdown table: best in bold, second best underlined."""

from __future__ import annotations

import re

from tabulate import tabulate

from harness.board.lead import Leads, leads
from harness.board.numbers import interval, one_line, score, short
from harness.board.table import Board, Column, Entry, Row

_SPECIAL = re.compile(r"[\\`*|~]|\](?=[(\[:])|\[(?=\^)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(text: str) -> str:
    """A name as Markdown text on one line."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text)).translate(_ENTITIES)


def render(board: Board) -> str:
    """Heading, table, footnotes."""
    parts = [f"# {escape(short(board.title))}", escape(board.summary) or "No records."]
    found = leads(board)
    if board.rows:
        lead = [*found.headings, *(["Mean rank"] if found.averaged else [])]
        headers = ["Model", "Paradigm", *lead, *map(_header, board.columns)]
        rows = [_cells(row, board.columns, found) for row in board.rows]
        align = ["left" if name in ("Model", "Paradigm", "Ties") else "right" for name in headers]
        parts.append(tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align))
    notes = [f"- {escape(note)}" for note in (*board.footnotes, *found.notes)]
    if any(e.place for row in board.rows for e in row.entries):
        notes.insert(0, "- **Best** and <u>second best</u> of a column.")
    parts.append("\n".join(notes))
    return "\n\n".join(filter(None, parts)) + "\n"


def _header(column: Column) -> str:
    return "<br>".join(escape(short(text)) for text in (column.task, column.heading))


def _cells(row: Row, columns: tuple[Column, ...], found: Leads) -> list[str]:
    cells = [_entry(e, c.unit) for e, c in zip(row.entries, columns, strict=True)]
    mean = [found.of[row.model].mean] if found.averaged else []
    return [escape(short(row.model)), escape(short(row.paradigm)), *found.cells(row.model), *mean, *cells]


def _entry(entry: Entry, unit: str) -> str:
    value = score(entry, unit)
    if entry.place == 1:
        value = f"**{value}**"
    elif entry.place == 2:
        value = f"<u>{value}</u>"
    return " ".join(filter(None, (value, interval(entry, unit))))
