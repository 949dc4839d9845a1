"""A board with a column for each group of columns: the mean of their scores, each on 0 to 100."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from harness.board.entries import CAVEAT, MARKS, OVERLAP
from harness.board.standings import scaled
from harness.board.statistics import places
from harness.board.table import Board, Column, Entry
from harness.board.views import recounted
from harness.draws import Draws, paired
from harness.errors import HarnessError

By = Literal["domain", "protocol", "dataset", "collection"]
GROUPS: tuple[By, ...] = ("domain", "protocol", "dataset", "collection")
ORDER = "".join(filter(None, MARKS.values())) + OVERLAP + CAVEAT


def grouped(board: Board, by: By) -> Board:
    """The board with its columns that count put together; who stands where is as it was.

    A column of the result is named ``domain@natural mean``. Each member counts the same, by its metric's bounds and
    direction. The interval is of the mean over resampled test images, the same resamples in all columns; there is none
    where a member has no draws. A model that lacks a member's score lacks the group's.

    Raises `HarnessError` where no column counts and has bounds.
    """
    groups: dict[str, list[int]] = {}
    for i, column in enumerate(board.columns):
        if column.ranked and None not in column.bounds:
            groups.setdefault(getattr(column, by) or "none", []).append(i)
    if not groups:
        raise HarnessError(f"no column that counts has bounds: there is nothing to group by {by}")
    columns = [_column(board, by, name, members) for name, members in groups.items()]
    made = [[_entry(board.columns, row.entries, members) for row in board.rows] for members in groups.values()]
    placed = [_placed(entries) for entries in made]
    rows = [replace(row, entries=tuple(entries[at] for entries in placed)) for at, row in enumerate(board.rows)]
    left = sum(c.ranked for c in board.columns) - sum(map(len, groups.values()))
    note = f"Columns: the mean of the scores of a {by}, each on 0 to 100 by its metric's bounds and direction."
    without = [f"{left} columns without bounds are in no group."] if left else []
    notes = (note, *without, *board.footnotes)
    return recounted(replace(board, columns=tuple(columns), rows=tuple(rows), footnotes=notes))


def _column(board: Board, by: By, name: str, members: Sequence[int]) -> Column:
    names = [board.columns[i].name for i in members]
    return Column(
        f"{by}@{name}", "mean", unit="%", bounds=(0.0, 100.0),
        description=f"The mean of {len(names)} columns: {', '.join(names)}." if len(names) > 1 else f"{names[0]}.",
    )  # fmt: skip


def _entry(columns: Sequence[Column], entries: Sequence[Entry], members: Sequence[int]) -> Entry:
    """A model's mean over some of its entries."""
    own = [entries[i] for i in members]
    if lacking := [columns[i].name for i, e in zip(members, own, strict=True) if e.status != "done"]:
        failed = any(e.status == "failed" for e in own)
        return Entry("failed" if failed else "missing", note=f"no score in {', '.join(lacking)}")
    parts = [scaled(np.array([e.value]), columns[i], "score").item() for i, e in zip(members, own, strict=True)]
    drawn = paired(e.draws for e in own)
    draws = low = high = None
    if drawn is not None:
        means = np.mean([scaled(drawn[:, at], columns[i], "score") for at, i in enumerate(members)], axis=0)
        low, high = map(float, np.quantile(means, (0.025, 0.975)))
        draws = Draws.of(means.tolist())
    marks = {mark for e in own for mark in e.mark}
    images = {columns[i].dataset.partition("[")[0]: e.n for i, e in zip(members, own, strict=True)}
    kinds = Counter(e.kind for e in own)
    told = [f"{n} {kind}" for kind, n in kinds.items() if n < len(own)]
    return Entry(
        "done", float(np.mean(parts)), low, high, n=sum(images.values()), seeds=min(e.seeds for e in own),
        kind=max(kinds, key=list(MARKS).index), limit=min((e.limit for e in own if e.limit is not None), default=None),
        mark="".join(sorted(marks, key=ORDER.index)), overlap=any(e.overlap for e in own), draws=draws,
        note=f"mean of {len(own)} columns{' (' + ', '.join(told) + ')' if told else ''}" if len(own) > 1 else "",
    )  # fmt: skip


def _placed(entries: Sequence[Entry]) -> list[Entry]:
    found = places([e.value for e in entries])
    return [replace(e, place=place) for e, place in zip(entries, found, strict=True)]
