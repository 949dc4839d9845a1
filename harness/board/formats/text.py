"""A board as a plain table, for terminals and logs."""

from __future__ import annotations

from tabulate import SEPARATING_LINE, tabulate

from harness.board.lead import Leads, leads
from harness.board.numbers import WORDS, interval, one_line, score, short
from harness.board.table import Board, Column, Entry, Row

PLACES = {1: "¹", 2: "²"}


def render(board: Board) -> str:
    """Title, table and footnotes; ``¹`` and ``²`` mark the best and second best of a column."""
    if not board.rows:
        return f"{short(board.title)}: no records\n"
    found = leads(board, "·")
    headers = ["model", "paradigm", *map(str.lower, found.headings), *map(_header, board.columns)]
    rows: list[list[str] | str] = [_cells(row, board.columns, found) for row in board.ranked]
    if board.ranked and board.unranked:
        rows.append(SEPARATING_LINE)
    rows += [_cells(row, board.columns, found) for row in board.unranked]
    align = ["left" if name in ("model", "paradigm", "ties") else "right" for name in headers]
    table = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)
    notes = [*board.footnotes, *found.notes, *(["¹ best, ² second best of a column."] if _placed(board) else [])]
    return "\n".join([f"{short(board.title)}: {board.summary}", "", table, "", *map(one_line, notes)]) + "\n"


def _header(column: Column) -> str:
    return "\n".join(map(short, (column.dataset, column.protocol, column.heading)))


def _cells(row: Row, columns: tuple[Column, ...], found: Leads) -> list[str]:
    cells = [_entry(e, c.unit) for e, c in zip(row.entries, columns, strict=True)]
    return [short(row.model), short(row.paradigm), *found.cells(row.model), *cells]


def _entry(entry: Entry, unit: str) -> str:
    if entry.status in WORDS:
        return WORDS[entry.status]
    return " ".join(filter(None, (score(entry, unit) + PLACES.get(entry.place or 0, ""), interval(entry, unit))))


def _placed(board: Board) -> bool:
    return any(e.place for row in board.rows for e in row.entries)
