"""A board as a plain table, for terminals and logs."""

from __future__ import annotations

from tabulate import SEPARATING_LINE, tabulate

from harness.board.numbers import WORDS, interval, one_line, rank, score
from harness.board.table import Board, Column, Entry, Row

PLACES = {1: "¹", 2: "²"}


def render(board: Board) -> str:
    """Title, table and footnotes; ``¹`` and ``²`` mark the best and second best of a column."""
    if not board.rows:
        return f"{one_line(board.title)}: no records\n"
    headers = ["model", "paradigm", "rank", *("\n".join((c.dataset, c.protocol, c.heading)) for c in board.columns)]
    rows: list[list[str] | str] = [_cells(row, board.columns) for row in board.ranked]
    if board.ranked and board.unranked:
        rows.append(SEPARATING_LINE)
    rows += [_cells(row, board.columns) for row in board.unranked]
    align = ["left", "left", *["right"] * (len(headers) - 2)]
    headers = ["\n".join(one_line(line) for line in h.split("\n")) for h in headers]
    table = tabulate(rows, headers, tablefmt="simple", disable_numparse=True, colalign=align)
    notes = [*board.footnotes, *(["¹ best, ² second best of a column."] if board.counts["done"] else [])]
    return "\n".join([f"{one_line(board.title)}: {board.summary}", "", table, "", *map(one_line, notes)]) + "\n"


def _cells(row: Row, columns: tuple[Column, ...]) -> list[str]:
    cells = [_entry(e, c.unit) for e, c in zip(row.entries, columns, strict=True)]
    return [one_line(row.model), one_line(row.paradigm), rank(row.average_rank), *cells]


def _entry(entry: Entry, unit: str) -> str:
    if entry.status in WORDS:
        return WORDS[entry.status]
    return " ".join(filter(None, (score(entry, unit) + PLACES.get(entry.place or 0, ""), interval(entry, unit))))
