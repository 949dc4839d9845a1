"""A board as one self-contained web page: no script, no request, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from harness.board.lead import Leads, Tie, drawable, lanes, leads, width
from harness.board.numbers import interval, number, one_line, score, short
from harness.board.table import Board, Column, Entry, Row

if TYPE_CHECKING:
    from jinja2 import Template

Scale = tuple[float, float]
HUES = 8
"""Colours of paradigms in the template; further paradigms start over."""
FEW = 8
"""Models named in a title."""


def render(board: Board) -> str:
    """The page."""
    scales = [_scale([row.entries[i] for row in board.rows]) for i in range(len(board.columns))]
    hues = {p: i % HUES for i, p in enumerate(sorted({row.paradigm for row in board.rows}))}
    starts, found, runs = _starts(board.columns), leads(board), drawable(lanes(board.ties))
    about = partial(_row, columns=board.columns, scales=scales, starts=starts, found=found)
    return _template().render(
        board=board,
        groups=[(name, len(list(group))) for name, group in groupby(board.columns, key=lambda c: c.dataset)],
        columns=[_header(board, i, i in starts) for i in range(len(board.columns))],
        hues=hues,
        leads=found,
        lead_width=2 + found.averaged if found.ranked else 0,
        lanes=width(runs),
        notes=[*board.footnotes, *(() if runs else found.notes)],
        ranked=[{**about(row), "ties": _ties(at, runs, board)} for at, row in enumerate(board.ranked)],
        unranked=[{**about(row), "ties": {"bars": (), "title": ""}} for row in board.unranked],
    )


def _ties(at: int, runs: Sequence[Tie], board: Board) -> dict[str, Any]:
    """The bars beside a ranked row, and the models that they join it with."""
    own = [tie for tie in runs if tie.first <= at <= tie.last]
    joined = sorted({i for tie in own for i in range(tie.first, tie.last + 1)} - {at})
    names = [short(board.ranked[i].model) for i in joined]
    bars = [{"lane": tie.lane, "opens": tie.first == at, "closes": tie.last == at} for tie in own]
    told = ", ".join(names[:FEW]) + f" and {len(names) - FEW} more" * (len(names) > FEW)
    return {"bars": bars, "title": f"not told apart from {told}" if names else ""}


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("harness.board", "templates")
    page = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    page.filters["one_line"] = one_line
    return page.get_template("board.html.j2")


def _starts(columns: Sequence[Column]) -> set[int]:
    """The columns that open a dataset's group."""
    return {i for i, c in enumerate(columns) if i == 0 or columns[i - 1].dataset != c.dataset}


def _header(board: Board, at: int, starts: bool) -> dict[str, Any]:
    """A column's heading and its explanation."""
    column = board.columns[at]
    done = [row.entries[at] for row in board.rows if row.entries[at].status == "done"]
    images = sorted({e.n for e in done if e.n})
    low, high = column.bounds
    facts = [
        {True: "higher is better", False: "lower is better", None: "a description"}[column.higher_is_better],
        f"bounds {'−∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}",
        f"{' or '.join(f'{n:,}' for n in images[:3])} test images" if images else "",
        f"up to {max(e.seeds for e in done)} seeds" if any(e.seeds > 1 for e in done) else "",
        "counts for the rank" if column.ranked else "does not count for the rank",
    ]
    return {"column": column, "starts": starts, "facts": " · ".join(filter(None, facts))}


def _scale(entries: Sequence[Entry]) -> Scale:
    """The least and the greatest number of a column, intervals included."""
    found = [x for e in entries for x in (e.low, e.value, e.high) if x is not None]
    return (min(found), max(found)) if found else (0.0, 0.0)


def _row(
    row: Row, columns: Sequence[Column], scales: Sequence[Scale], starts: set[int], found: Leads
) -> dict[str, Any]:
    about = [str(row.card[k]) for k in ("method", "data") if row.card.get(k)]
    if row.card.get("epochs"):
        about.append(f"{row.card['epochs']} epochs")
    cells = [
        {**_cell(e, c, scale), "starts": i in starts}
        for i, (e, c, scale) in enumerate(zip(row.entries, columns, scales, strict=True))
    ]
    return {"row": row, "lead": found.of[row.model], "about": " · ".join(about), "cells": cells}


def _cell(entry: Entry, column: Column, scale: Scale) -> dict[str, Any]:
    """What the template shows of an entry: texts, heat from 0 (worst) to 100 (best), whisker in percent."""
    shown: dict[str, Any] = {"entry": entry, "text": score(entry, column.unit), "half": interval(entry, column.unit)}
    shown |= {"heat": None, "whisker": None, "title": entry.note or ("no record" if entry.status == "missing" else "")}
    if entry.value is None:
        return shown
    shown["title"] = _title(entry, column)
    low, high = scale
    if high > low and column.higher_is_better is not None:
        at = 100 * (entry.value - low) / (high - low)
        good = (at if column.higher_is_better else 100 - at) / 100
        shown["heat"] = round(100 * good**2)  # squared, as one bad model would else make all others look alike
        if entry.low is not None and entry.high is not None:
            left, right = (100 * (x - low) / (high - low) for x in (entry.low, entry.high))
            shown["whisker"] = {"left": round(left, 1), "width": round(right - left, 1), "at": round(at, 1)}
    return shown


def _title(entry: Entry, column: Column) -> str:
    """The text that appears over a score."""
    unit = column.unit
    parts = [f"{number(entry.value or 0.0, unit)}{f' {unit}' if unit else ''}"]
    if entry.low is not None and entry.high is not None:
        parts.append(f"95 % interval {number(entry.low, unit)} to {number(entry.high, unit)}")
    if entry.n:
        parts.append(f"{entry.n:,} images")
    if entry.rank is not None:
        parts.append(f"rank {entry.rank:g}")
    return " · ".join([*parts, *filter(None, [entry.note])])
