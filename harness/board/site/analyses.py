"""What analysis plugins find on a board, as sections of a page: whatever is registered, nothing known by name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.board.formats.csv import guard
from harness.board.numbers import one_line
from harness.board.site.texts import few, paragraphs, plain, public, several
from harness.errors import HarnessError, naming
from harness.errors import one_line as told
from harness.records import slug

if TYPE_CHECKING:
    from harness.analyses import Analysis, Rows
    from harness.board.table import Board
    from harness.plugins import Host

MOST_ROWS, MOST_COLUMNS, MOST_FIGURES, LONGEST_CELL, MOST_NAMED = 50, 12, 24, 200, 12
WIDE, PAGE = 1.7, 1100
"""From which ratio of its sides a figure has a row of its own, and the pixels that it is drawn up to there."""
_ROOT = re.compile(r"<svg\b[^>]*>")
_SIDE = r"""\s{}=["']([0-9.]+)(pt|px)?["']"""


@dataclass(frozen=True)
class Drawn:
    """A figure: the path of its SVG in the site, what it shows, and the CSS pixels it takes; 0 where not known."""

    path: str
    alt: str
    width: int = 0
    height: int = 0

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of the page."""
        return self.width > WIDE * self.height


@dataclass(frozen=True)
class Section:
    """What one analysis gives.

    Attributes:
        about: the first paragraph of its documentation, then the others.
        headings, cells: the first rows as a table; columns without a value are left out.
        rows: how many there are in all.
        csv: the path of all of them.
    """

    name: str
    title: str
    about: tuple[str, ...]
    figures: tuple[Drawn, ...]
    more_figures: int
    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    rows: int
    csv: str

    @property
    def anchor(self) -> str:
        return slug(self.name)


@dataclass(frozen=True)
class Found:
    """The sections, the files they link to by path, and what other analyses came to."""

    sections: tuple[Section, ...]
    files: dict[str, bytes]
    notes: tuple[str, ...]


def analyses(board: Board, host: Host, names: Sequence[str] | None, progress: Callable[[str], None]) -> Found:
    """Run analyses over a board with all columns.

    Args:
        names: which; None for every registered one.

    An analysis that fails, or finds nothing, leaves a note. Raises `HarnessError` for a name that is not registered.
    """
    entries = [host["analysis"].entry(name) for name in (host["analysis"].names() if names is None else names)]
    sections, notes, files, silent = list[Section](), list[str](), dict[str, bytes](), list[str]()
    for k, entry in enumerate(entries):
        known = plain(one_line(entry.name), LONGEST_CELL)
        progress(f"analysis {k + 1}/{len(entries)}: {known}")
        try:
            with naming("it failed"):
                section = _section(entry.resolve(), entry.name, board, files)
            if section is None:
                silent.append(known)
            else:
                sections.append(section)
        except HarnessError as error:
            notes.append(f"analysis {known}: {plain(told(error), 300)}")
    if silent:
        find = "finds" if len(silent) == 1 else "find"
        many = several(len(silent), "analysis", "analyses")
        notes.insert(0, f"{many} {find} nothing on this board: {few(silent, MOST_NAMED)}")
    return Found(tuple(sections), files, tuple(notes))


def _section(analysis: Analysis, name: str, board: Board, files: dict[str, bytes]) -> Section | None:
    """What an analysis gives, its figures and rows put into `files`; None where it finds no row.

    Raises `HarnessError` where all that its rows tell is the `reason` why they hold nothing.
    """
    rows = analysis(board)
    if not rows:
        return None
    drawn = analysis.figures(board) if analysis.figures is not None else {}
    if not drawn and all(row.get("reason") for row in rows):
        raise HarnessError(str(rows[0]["reason"]))
    title = one_line(name).replace("_", " ").replace("-", " ").strip()
    made, figures = dict[str, bytes](), list[Drawn]()
    for key, figure in list(drawn.items())[:MOST_FIGURES]:
        path = f"figures/{slug(f'{name}-{key}')}.svg"
        made[path] = figure.svg.encode("utf-8", "replace")
        figures.append(Drawn(path, plain(f"{title}: {one_line(str(key))}", LONGEST_CELL), *size(figure.svg)))
    table = f"figures/{slug(name)}.csv"
    made[table] = as_csv(rows).encode("utf-8", "replace")
    headings = [key for key in rows[0] if any(row.get(key) is not None for row in rows)][:MOST_COLUMNS]
    section = Section(
        name, title[:1].upper() + title[1:], tuple(paragraphs(analysis.__doc__)), tuple(figures),
        max(0, len(drawn) - MOST_FIGURES), tuple(plain(one_line(str(key)), LONGEST_CELL) for key in headings),
        tuple(tuple(read(row.get(key)) for key in headings) for row in rows[:MOST_ROWS]), len(rows), table,
    )  # fmt: skip
    files |= made
    return section


def size(svg: str) -> tuple[int, int]:
    """Width and height in CSS pixels, of a wide drawing enlarged by up to a quarter; (0, 0) where it does not tell."""
    root = _ROOT.search(svg)
    sides = [re.search(_SIDE.format(side), root[0]) if root else None for side in ("width", "height")]
    pixels = [float(side[1]) * (4 / 3 if side[2] == "pt" else 1) if side else 0.0 for side in sides]
    if not min(pixels) > 0:
        return 0, 0
    width, height = pixels
    scale = max(1.0, min(1.25, PAGE / width)) if width > WIDE * height else 1.0
    return round(scale * width), round(scale * height)


def read(value: Any) -> str:
    """A value as people read it: four digits, intervals as ``0.61 to 0.94``."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " to ".join(map(read, value))
    return public(one_line(str(value)), LONGEST_CELL)


def as_csv(rows: Rows) -> str:
    """All rows, lists as JSON; texts that a spreadsheet would run as formulas are made inert."""
    text = io.StringIO(newline="")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([guard(str(key)) for key in keys])
    writer.writerows([_cell(row.get(key)) for key in keys] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return guard(public(value, len(value)))
    return json.dumps(value, default=str) if isinstance(value, list | dict | tuple) else value


def listing(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """For the navigation of other pages."""
    return [{"name": s.name, "title": s.title, "figures": len(s.figures)} for s in sections]
