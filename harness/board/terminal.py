"""A board as a coloured table for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.board.numbers import WORDS, interval, one_line, rank, score
from harness.board.table import Board, Column, Entry, Row

WIDTH = 100
FOLD = 10
_STYLES = {"failed": "bold red", "missing": "dim", "skipped": "dim"}
_PLACES = {1: "bold green", 2: "underline"}


def table(board: Board, width: int = WIDTH) -> Table:
    """The board to print with rich: best bold and green, second best underlined, failures red.

    Where `width` characters are too few, it does without paradigms; a board that is wider still is cut into several
    tables, one below the other.
    """
    whole = range(len(board.columns))
    for paradigms in (True, False):
        if _width(part := _part(board, whole, paradigms)) <= width:
            break
    else:
        part = _stacked(board, width)
    part.title, part.title_justify = Text(one_line(board.title), style="bold"), "left"
    part.caption, part.caption_justify = _caption(board), "left"
    return part


def _stacked(board: Board, width: int) -> Table:
    grid = Table.grid()
    for columns in _cuts(board, width):
        grid.add_row(_part(board, columns, paradigms=False))
    return grid


def _cuts(board: Board, width: int) -> Iterator[range]:
    """The columns in runs that fit, of one column at least."""
    start, base = 0, _width(_part(board, (), paradigms=False))
    used = base
    for at, column in enumerate(board.columns):
        texts = [_header(column), *(_entry(row.entries[at], column.unit) for row in board.rows)]
        needed = 2 + max(cell_len(line) for text in texts for line in text.plain.split("\n"))
        if at > start and used + needed > width:
            yield range(start, at)
            start, used = at, base
        used += needed
    yield range(start, len(board.columns))


def _width(part: Table) -> int:
    """The characters that a table wants on a terminal of any width."""
    console = Console(width=10_000)
    return Measurement.get(console, console.options, part).maximum


def _part(board: Board, columns: Sequence[int], paradigms: bool) -> Table:
    """The table of some of the columns."""
    part = Table(box=box.SIMPLE_HEAD, header_style="", pad_edge=False, collapse_padding=True)
    part.add_column("model", vertical="bottom", overflow="fold")
    if paradigms:
        part.add_column("paradigm", vertical="bottom", no_wrap=True)
    part.add_column("rank", vertical="bottom", justify="right", no_wrap=True)
    for i in columns:
        part.add_column(_header(board.columns[i]), vertical="bottom", justify="right", overflow="fold")
    for rows in (board.ranked, board.unranked):
        for row in rows:
            scores = [_entry(row.entries[i], board.columns[i].unit) for i in columns]
            part.add_row(*_about(row, paradigms), *scores)
        part.add_section()
    return part


def _header(column: Column) -> Text:
    """Dataset over protocol over metric, each folded, so that the scores decide the width."""
    lines = [(column.dataset, "bold"), (column.protocol, ""), (column.heading, "dim")]
    return Text("\n").join(Text("\n".join(_folded(one_line(text))), style=style) for text, style in lines)


def _folded(name: str) -> list[str]:
    """A name in lines of at most `FOLD` characters, its bracket on a line of its own if it does not fit.

    Lines end after ``,``, ``=``, ``_`` or ``-`` where they can.
    """
    if len(name) <= FOLD:
        return [name]
    lines: list[str] = []
    for part in re.split(r"(?=\[)| ", name):
        lines.append("")
        for piece in re.split(r"(?<=[,=_-])", part):
            if lines[-1] and len(lines[-1]) + len(piece) > FOLD:
                lines.append("")
            *full, rest = (piece[i : i + FOLD] for i in range(0, max(len(piece), 1), FOLD))
            lines[-1:] = [*full, rest] if not lines[-1] else [lines[-1] + rest]
    return lines


def _about(row: Row, paradigms: bool) -> list[Text]:
    ranked = row.average_rank is not None
    paradigm = [Text(one_line(row.paradigm), style="dim")] if paradigms else []
    name = Text(one_line(row.model), style="" if ranked else "dim")
    return [name, *paradigm, Text(rank(row.average_rank), style="bold" if ranked else "dim")]


def _entry(entry: Entry, unit: str) -> Text:
    if entry.status in WORDS:
        return Text(WORDS[entry.status], style=_STYLES[entry.status])
    half = interval(entry, unit)
    value = Text(score(entry, unit), style=_PLACES.get(entry.place or 0, ""))
    return Text.assemble(value, (f" {half}" if half else "", "not bold not underline dim"))


def _caption(board: Board) -> Text:
    return Text("\n".join(map(one_line, (board.summary, *board.footnotes))), style="dim")
