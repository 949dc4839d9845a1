"""A board as a GitHub-flavoured Markdown table: best in bold, second best underlined."""

from __future__ import annotations

import re

from tabulate import tabulate

from harness.board.numbers import interval, one_line, rank, score
from harness.board.table import Board, Column, Entry, Row

_SPECIAL = re.compile(r"[\\`*|~]|\](?=[(\[:])|\[(?=\^)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(text: str) -> str:
    """A name as Markdown text on one line."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text)).translate(_ENTITIES)


def render(board: Board) -> str:
    """Heading, table, footnotes."""
    parts = [f"# {escape(board.title)}", escape(board.summary) or "No records."]
    if board.rows:
        headers = ["Model", "Paradigm", "Rank", *map(_header, board.columns)]
        rows = [_cells(row, board.columns) for row in board.rows]
        align = ["left", "left", *["right"] * (len(headers) - 2)]
        parts.append(tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align))
    notes = [f"- {escape(note)}" for note in board.footnotes]
    if board.counts.get("done"):
        notes.insert(0, "- **Best** and <u>second best</u> of a column.")
    parts.append("\n".join(notes))
    return "\n\n".join(filter(None, parts)) + "\n"


def _header(column: Column) -> str:
    return "<br>".join(map(escape, (column.task, column.heading)))


def _cells(row: Row, columns: tuple[Column, ...]) -> list[str]:
    cells = [_entry(e, c.unit) for e, c in zip(row.entries, columns, strict=True)]
    return [escape(row.model), escape(row.paradigm), rank(row.average_rank), *cells]


def _entry(entry: Entry, unit: str) -> str:
    value = score(entry, unit)
    if entry.place == 1:
        value = f"**{value}**"
    elif entry.place == 2:
        value = f"<u>{value}</u>"
    return " ".join(filter(None, (value, interval(entry, unit))))
