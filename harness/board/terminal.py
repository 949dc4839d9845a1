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

from harness.board.lead import Leads, leads
from harness.board.numbers import WORDS, interval, one_line, score, short
from harness.board.table import Board, Column, Entry, Row

WIDTH = 100
FOLD, NAME = 10, 48
_STYLES = {"failed": "bold red", "missing": "dim", "skipped": "dim"}
_PLACES = {1: "bold green", 2: "underline"}


def table(board: Board, width: int = WIDTH) -> Table:
    """The board to print with rich: best bold and green, second best underlined, failures red.

    Where `width` characters are too few, it does without paradigms; a board that is wider still is cut into several
    tables, one below the other, of which the first has the ranks.
    """
    found, needed = leads(board, " "), [_needed(board, i) for i in range(len(board.columns))]
    for paradigms in (True, False):
        if _width(_part(board, (), found, paradigms)) + sum(needed) <= width:
            part = _part(board, range(len(needed)), found, paradigms)
            break
    else:
        part = Table.grid()
        for at, columns in enumerate(_cuts(board, found, needed, width)):
            part.add_row(_part(board, columns, found if at == 0 else None))
    part.title, part.title_justify = Text(short(board.title), style="bold"), "left"
    part.caption, part.caption_justify = _caption(board, found), "left"
    return part


def _needed(board: Board, at: int) -> int:
    """The characters that a column takes, with the gap before it."""
    column = board.columns[at]
    heading = max(cell_len(line) for line in _header(column).plain.split("\n"))
    return 2 + max([heading, *(cell_len(_plain(row.entries[at], column.unit)) for row in board.rows)])


def _cuts(board: Board, found: Leads, needed: Sequence[int], width: int) -> Iterator[range]:
    """The columns in runs that fit, of one column at least; the ranks stand alone where no column fits beside them."""
    start, used, bare = 0, _width(_part(board, (), found)), _width(_part(board, (), None))
    for at, own in enumerate(needed):
        if used + own > width and (at > start or (at == 0 and found.ranked)):
            yield range(start, at)
            start, used = at, bare
        used += own
    yield range(start, len(needed))


def _width(part: Table) -> int:
    """The characters that a table wants on a terminal of any width."""
    console = Console(width=10_000)
    return Measurement.get(console, console.options, part).maximum


def _part(board: Board, columns: Sequence[int], found: Leads | None, paradigms: bool = False) -> Table:
    """The table of some of the columns; with the ranks if they are given."""
    part = Table(box=box.SIMPLE_HEAD, header_style="", pad_edge=False, collapse_padding=True)
    part.add_column("model", vertical="bottom", overflow="fold", max_width=NAME)
    if paradigms:
        part.add_column("paradigm", vertical="bottom", no_wrap=True)
    for name in found.headings if found else ():
        part.add_column(
            "\n".join(name.lower().split()),
            vertical="bottom",
            justify="left" if name == "Ties" else "right",
            no_wrap=True,
        )
    for i in columns:
        part.add_column(_header(board.columns[i]), vertical="bottom", justify="right", overflow="fold")
    for rows in (board.ranked, board.unranked):
        for row in rows:
            scores = [_entry(row.entries[i], board.columns[i].unit) for i in columns]
            part.add_row(*_about(row, paradigms), *_lead(row, found), *scores)
        part.add_section()
    return part


def _header(column: Column) -> Text:
    """Dataset over protocol over metric, each folded, so that the scores decide the width."""
    lines = [(column.dataset, "bold"), (column.protocol, ""), (column.heading, "dim")]
    return Text("\n").join(Text("\n".join(_folded(short(text))), style=style) for text, style in lines)


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
    paradigm = [Text(short(row.paradigm), style="dim")] if paradigms else []
    return [Text(short(row.model), style="" if row.standing is not None else "dim"), *paradigm]


def _lead(row: Row, found: Leads | None) -> list[Text]:
    if found is None or not found.ranked:
        return []
    lead = found.of[row.model]
    place = Text(lead.rank, style="bold" if row.standing is not None else "dim")
    total = Text.assemble(lead.score, (f" {lead.half}" if lead.half else "", "dim"))
    return [place, total, *([Text(lead.ties, style="cyan")] if found.lettered else [])]


def _plain(entry: Entry, unit: str) -> str:
    return f"{score(entry, unit)} {interval(entry, unit)}".rstrip()


def _entry(entry: Entry, unit: str) -> Text:
    if entry.status in WORDS:
        return Text(WORDS[entry.status], style=_STYLES[entry.status])
    half = interval(entry, unit)
    value = Text(score(entry, unit), style=_PLACES.get(entry.place or 0, ""))
    return Text.assemble(value, (f" {half}" if half else "", "not bold not underline dim"))


def _caption(board: Board, found: Leads) -> Text:
    return Text("\n".join(map(one_line, (board.summary, *board.footnotes, *found.notes))), style="dim")
