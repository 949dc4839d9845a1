"""What to show of a board and in which order: columns by name, sorted rows, costs. No score or standing changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from harness.board.table import Board, Column, Entry, Row
from harness.errors import HarnessError, nearest

Key = float | str | None
COSTS = ("seconds", "images_per_second", "peak_memory", "parameters", "flops")
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


class _Cost(NamedTuple):
    """How a cost is shown: its heading, unit, and what it is of."""

    name: str
    unit: str
    of: str


_SHOWN = {
    "seconds": _Cost("time", "s", "run@cost"),
    "peak_memory": _Cost("peak memory", "B", "run@cost"),
    "images_per_second": _Cost("images/s", "", "encoder@cost"),
    "parameters": _Cost("parameters", "", "encoder@cost"),
    "flops": _Cost("FLOPs", "", "encoder@cost"),
}
_PLAIN = ("seconds", "images_per_second")
"""Costs in their own unit, whatever their size."""


def pick(board: Board, patterns: Sequence[str]) -> Board:
    """The board with only the columns that a pattern fits (name, task, or metric), in the board's order.

    Raises `HarnessError` for a pattern that fits none, with the nearest name.
    """
    for pattern in patterns:
        if not any(_fits(column, pattern) for column in board.columns):
            known = dict.fromkeys(text for c in board.columns for text in (c.task, c.name, c.metric))
            hint = nearest(pattern, ["primary", "first", "all", *known])
            raise HarnessError(f"no column fits {pattern!r}{hint} (primary, first, all, or patterns: 'linear*@* top1')")
    shown = [i for i, column in enumerate(board.columns) if any(_fits(column, p) for p in patterns)]
    rows = tuple(replace(row, entries=tuple(row.entries[i] for i in shown)) for row in board.rows)
    return recounted(replace(board, columns=tuple(board.columns[i] for i in shown), rows=rows))


def recounted(board: Board) -> Board:
    """The board with the counts of what it shows."""
    entries = [e for row in board.rows for e in row.entries]
    found = Counter(e.status for e in entries) + Counter(e.kind for e in entries if e.status == "done")
    shown = {name: found[name] for name in ("done", "submitted", "reported", "failed", "missing", "skipped")}
    return replace(board, counts={**board.counts, "columns": len(board.columns), **shown})


def _fits(column: Column, pattern: str) -> bool:
    """A bracket is part of a name here."""
    escaped = pattern.replace("[", "[[]")
    return any(fnmatchcase(text, escaped) for text in (column.name, column.task, column.metric, column.measure))


def ordered(board: Board, by: str, reverse: bool = False) -> Board:
    """The board with its rows sorted, what is best or least costly first.

    Rows without a value come last, the unranked below all others. Ranks stay as they are. Ties are runs of rows in the
    order of the standing, so that no other order has them.

    Args:
        by: ``score`` or ``rank`` (the standing), ``model``, ``paradigm``, ``average_rank``, a cost, or a column's name
            or task.

    Raises `HarnessError` for what is none of these, with the nearest.
    """
    standing = by in ("score", "rank")
    if standing and not reverse:
        return board
    found = _key(board, by)
    parts = [_sorted(rows, found, reverse) for rows in (board.ranked, board.unranked)]
    if standing:
        parts[1] = list(board.unranked)
    told = f"Rows are sorted by {by}{', reversed' if reverse else ''}."
    return replace(board, rows=(*parts[0], *parts[1]), ties=(), footnotes=(told, *board.footnotes))


def _sorted(rows: Sequence[Row], key: Callable[[Row], Key], reverse: bool) -> list[Row]:
    """Rows of the same value keep their order."""
    known = sorted((row for row in rows if key(row) is not None), key=lambda row: (key(row),), reverse=reverse)
    return known + [row for row in rows if key(row) is None]


def _key(board: Board, by: str) -> Callable[[Row], Key]:
    """What rows are sorted by, ascending."""
    simple: dict[str, Callable[[Row], Key]] = {
        "score": lambda row: row.standing and row.standing.rank,
        "rank": lambda row: row.standing and row.standing.rank,
        "model": lambda row: row.model,
        "paradigm": lambda row: row.paradigm,
        "average_rank": lambda row: row.average_rank,
    }
    if by in simple:
        return simple[by]
    if by in COSTS:
        sign = -1 if by == "images_per_second" else 1
        return lambda row: None if getattr(row.cost, by) is None else sign * getattr(row.cost, by)
    at = next((i for i, c in enumerate(board.columns) if by in (c.name, c.task)), None)
    if at is None:
        known = [*simple, *COSTS, *(c.name for c in board.columns), *(c.task for c in board.columns)]
        raise HarnessError(f"no column {by!r} to sort by{nearest(by, known)} (or {', '.join((*simple, *COSTS))})")
    lower = board.columns[at].higher_is_better is False

    def value(row: Row) -> Key:
        found = row.entries[at].value
        return found if found is None or lower else -found

    return value


def with_costs(board: Board) -> Board:
    """The board with a column for each cost that is known of any model; a reader is told of them, and nobody ranked."""
    columns, entries = list(board.columns), [list(row.entries) for row in board.rows]
    for name, shown in _SHOWN.items():
        values = [getattr(row.cost, name) for row in board.rows]
        known = [value for value in values if value is not None]
        if known:
            factor, prefix = (1.0, "") if name in _PLAIN else _prefix(max(known))
            unit = f"{prefix}{shown.unit}"
            columns.append(Column(shown.of, shown.name, unit=unit, higher_is_better=None, ranked=False))
            for own, value in zip(entries, values, strict=True):
                own.append(Entry("missing") if value is None else Entry("done", value / factor))
    rows = tuple(replace(row, entries=tuple(own)) for row, own in zip(board.rows, entries, strict=True))
    return replace(board, columns=tuple(columns), rows=rows)


def _prefix(most: float) -> tuple[float, str]:
    """The factor and SI prefix that make a number readable."""
    return next(((factor, prefix) for factor, prefix in PREFIXES if most >= factor), (1.0, ""))
