"""What a reader of the board must be told below it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.board.columns import Cells
from harness.board.entries import superseded
from harness.board.numbers import many, number
from harness.board.table import Column, Entry, Row, Rule

MOST = 8
"""Footnotes of one sort; more are counted."""
FEW = 2

Placed = tuple[str, Column, Entry]


def footnotes(
    columns: Sequence[Column], rows: Sequence[Row], table: Sequence[Cells], rule: Rule, older: Mapping[str, int]
) -> list[str]:
    """In order: how to read the numbers, caveats, what is absent and why.

    Args:
        table: the cells behind the columns, and others, of which only skips are told.
        older: how many records there are of each superseded version.
    """
    shown = {(c.task, c.metric) for c in columns}
    placed = [(row.model, c, e) for row in rows for c, e in zip(columns, row.entries, strict=True)]
    done = [(m, c, e) for m, c, e in placed if e.status == "done"]
    return [
        *_reading(columns, rows, done, rule),
        *_capped(list(_noted(columns))),
        *_capped([f"† {m}, {c.name}: {e.note or f'limit {e.limit}'}" for m, c, e in done if "†" in e.mark]),
        *_capped([f"{many(n, 'record')} of {what}, not shown." for what, n in older.items()]),
        *_superseded(cells for cells in table if (cells.task, cells.metric) in shown and not cells.plain),
        *_capped(list(_absent(placed, "failed"))),
        *_capped(list(_absent(placed, "skipped"))),
        *_excluded([cells for cells in table if (cells.task, cells.metric) in shown]),
        *_capped(list(_undefined([c for c in table if c.undefined]))),
        *_inapplicable([c for c in table if c.skipped and not c.undefined]),
    ]


def _reading(columns: Sequence[Column], rows: Sequence[Row], done: list[Placed], rule: Rule) -> Iterator[str]:
    if any(e.half is not None for _, _, e in done):
        yield "± beside a score is half the width of its 95 % interval over test images (few-shot: episodes)."
    counted = sum(c.ranked for c in columns)
    described = not counted and any(c.higher_is_better is None for _, c, _ in done)
    if rows and not described:
        yield rule.text
    if any(row.standing is not None and row.standing.best is not None for row in rows):
        yield "Rank is the 95 % interval of a model's place, bound by those surely above it and those surely below it."
    if described:
        yield "Nobody is ranked: these metrics describe, and none of their values is better than another."
    elif lacking := [row.model for row in rows if row.standing is None]:
        yield f"Without a rank, because a score is missing: {_few(lacking)}."
    if spread := [(e.sd, m, c, e) for m, c, e in done if e.sd is not None]:
        sd, model, column, entry = max(spread, key=lambda s: s[0])
        yield (
            f"Scores are means over up to {max(e.seeds for *_, e in spread)} seeds; the largest standard deviation over"
            f" seeds is {number(sd, column.unit)} ({model}, {column.name}, {entry.seeds} seeds)."
        )
    if any(e.kind == "reported" for _, _, e in done):
        yield "‡ reported elsewhere, not measured here."
    if any(e.kind == "submitted" for _, _, e in done):
        yield "§ submitted: measured by who sent the records in."
    if trained := list(dict.fromkeys(m for m, _, e in done if e.overlap)):
        yield f"◊ trained on images of the dataset it is tested on, as the cards say: {_few(trained)}."


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST]) + f" and {len(names) - MOST} more" * (len(names) > MOST)


def _noted(columns: Sequence[Column]) -> Iterator[str]:
    """Columns with the same note, as one line."""
    groups: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        groups[column.note].append(column.name)
    for note, names in groups.items():
        if note:
            yield f"{_listed(names) if len(names) < len(columns) or len(names) == 1 else 'all columns'}: {note}"


def _listed(names: Sequence[str]) -> str:
    """The name, or how many there are and the first of them."""
    return names[0] if len(names) == 1 else f"{len(names)} columns ({', '.join(names[:3])}{', …' * (len(names) > 3)})"


def _superseded(table: Iterable[Cells]) -> Iterator[str]:
    """Cells with several records, as one line a sort unless they are few."""
    sorts: dict[str, list[str]] = defaultdict(list)
    for cells in table:
        for model, seeds in cells.models.items():
            for sort, note in superseded(seeds).items():
                sorts[sort].append(f"{model}, {cells.task} {cells.metric}: {note}")
    for sort, notes in sorts.items():
        if len(notes) > MOST:
            yield f"{len(notes)} cells have {sort}. E.g. {notes[0]}"
        else:
            yield from notes


def _absent(placed: Iterable[Placed], status: str) -> Iterator[str]:
    """Failures (or skips) with the same model and reason, as one line."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model, column, entry in placed:
        if entry.status == status:
            groups[model, entry.note].append(column.name)
    for (model, reason), names in groups.items():
        yield f"{model} {status} in {_listed(names)}: {reason}"


def _excluded(table: Sequence[Cells]) -> Iterator[str]:
    """Images that a task went without, because they cannot be read."""
    for task in dict.fromkeys(c.task for c in table):
        named = (r.facts.get("excluded") for c in table if c.task == task for r in c.records)
        left = {str(i) for ids in named if isinstance(ids, list) for i in ids}
        if left:
            some = ", ".join(sorted(left)[:FEW]) + ", …" * (len(left) > FEW)
            yield f"{task}: without {many(len(left), 'image')} that cannot be read ({some})."


def _undefined(skipped: Sequence[Cells]) -> Iterator[str]:
    """Pairs of a task and a metric that ran, but are defined for no model: a line for each task and reason."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cells in skipped:
        groups[cells.task, cells.records[0].reason].append(cells.metric)
    for (task, reason), metrics in groups.items():
        listed = ", ".join(metrics[:3]) + ", …" * (len(metrics) > 3)
        yield f"{task} {listed} undefined: {reason}"


def _inapplicable(skipped: Sequence[Cells]) -> Iterator[str]:
    """Pairs of a task and a metric that no model runs: told in full only when there are few."""
    if len(skipped) <= FEW:
        yield from (f"{c.task} {c.metric} skipped: {c.records[0].reason}" for c in skipped)
    else:
        yield f"{len(skipped)} pairs of a task and a metric do not apply; their records, and 'harness plan', say why."


def _capped(lines: list[str]) -> list[str]:
    return lines[:MOST] + [f"… and {len(lines) - MOST} more like the last"] * (len(lines) > MOST)
