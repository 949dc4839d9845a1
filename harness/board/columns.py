"""Which columns a board has, in which order, and what their readers must know."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.board.entries import Chosen
from harness.board.table import Column, Entry, Selection
from harness.records import Record

if TYPE_CHECKING:
    from harness.planning import Plan


_SHARED = {
    "metric version": ("metric", "version"),
    "task version": ("facts", "task", "version"),
    "dataset revision": ("facts", "dataset", "revision"),
    "precision": ("facts", "precision"),
    "decoder": ("facts", "decoder"),
}
"""What the scores of a column should have in common, and where a record holds it."""


class Cells(NamedTuple):
    """The chosen records of one task × metric, by model and seed."""

    task: str
    metric: str
    models: Mapping[str, Mapping[int, Chosen]]

    @property
    def records(self) -> list[Record]:
        return [chosen.record for seeds in self.models.values() for chosen in seeds.values()]

    @property
    def seeds(self) -> set[int]:
        """Those measured of any model; a published score has none that others should have."""
        return {r.seed for r in self.records if r.kind == "measured"}

    @property
    def skipped(self) -> bool:
        """Whether there is nothing but skips: the metric does not apply to the task."""
        return bool(self.records) and all(r.status == "skipped" for r in self.records)

    @property
    def undefined(self) -> bool:
        """Whether there is nothing but skips, of cells that ran: only those have a key."""
        return self.skipped and all(r.key for r in self.records)

    def primary(self, plan: Plan | None) -> bool:
        """Whether the metric is the one that ranks models on the task's dataset."""
        if plan is not None and self.task in plan.tasks:
            return bool(plan.tasks[self.task].primary.name == self.metric)
        return any(r.primary for r in self.records)

    def variants(self) -> list[str]:
        """The scores' variants, the primary one first; one empty name when no record has a score."""
        return list(dict.fromkeys(s.variant for r in self.records for s in r.scores)) or [""]


def columns_of(table: Iterable[Cells], selection: Selection, plan: Plan | None) -> list[tuple[Column, Cells]]:
    """The columns of a table, grouped by dataset: the plan's order, or alphabetical with primary metrics first.

    The average rank counts primary columns, or all of them when none is primary; so does a ``primary`` board, which
    also shows the first metric of a task that has no primary one. A ``first`` board shows the first variant of each
    metric, an ``all`` board every one.
    """
    cells = sorted((c for c in table if not c.skipped), key=lambda c: _order(c, plan))
    by_primary = any(c.primary(plan) for c in cells)
    with_primary = {c.task for c in cells if c.primary(plan)}
    lone = {c.task: c.metric for c in reversed(cells) if c.task not in with_primary}  # to be seen, though not ranked
    found = []
    for group in cells:
        merit = _measured(group, plan).get("higher_is_better", True) is not None
        for i, variant in enumerate(group.variants()):
            ranked = not by_primary or (i == 0 and group.primary(plan))
            seen = i == 0 and lone.get(group.task) == group.metric
            if ranked or seen or selection == "all" or (selection == "first" and i == 0):
                found.append((_column(group, variant, ranked and merit, plan), group))
    return found


def _measured(cells: Cells, plan: Plan | None) -> Mapping[str, Any]:
    """What the newest record says of the metric, else the plan."""
    newest = _newest(cells)
    return newest.metric if newest else plan.metrics[cells.metric].describe() if plan else {}


def _newest(cells: Cells) -> Record | None:
    return max(cells.records, key=lambda r: (r.status == "done", r.finished), default=None)


def _order(cells: Cells, plan: Plan | None) -> tuple[int | str | bool, ...]:
    dataset = cells.task.partition("@")[2]
    if plan is None:
        return (dataset, cells.task, not cells.primary(plan), cells.metric)
    tasks, metrics = list(plan.tasks), list(plan.metrics)
    first = next(i for i, task in enumerate(tasks) if task.partition("@")[2] == dataset)
    return (first, tasks.index(cells.task), not cells.primary(plan), metrics.index(cells.metric))


def _column(cells: Cells, variant: str, ranked: bool, plan: Plan | None) -> Column:
    newest, facts = _newest(cells), _measured(cells, plan)
    low, high = facts.get("bounds") or (None, None)
    return Column(
        cells.task, cells.metric, variant, str(facts.get("unit") or ""), facts.get("higher_is_better", True),
        ranked, (low, high), description=_description(cells, plan), dataset_card=newest.dataset if newest else {},
    )  # fmt: skip


def _description(cells: Cells, plan: Plan | None) -> str:
    if plan is None:
        return ""
    task = plan.tasks[cells.task]
    texts = [task.dataset.card.title, inspect.getdoc(type(task.protocol)), plan.metrics[cells.metric].__doc__]
    return " ".join(text.strip().splitlines()[0].strip() for text in texts if text and text.strip())


def limit_and_note(cells: Cells, entries: Iterable[Entry]) -> tuple[int | None, str]:
    """The limit that all scores of a column share, and what its readers must know to compare them."""
    done = [e for e in entries if e.status == "done"]
    limits = {e.limit for e in done if e.kind == "measured"}
    notes = [] if done else ["no model has a score, so it counts for no rank"]
    if len(limits) > 1:
        some = ", ".join(str(x) for x in sorted(x for x in limits if x is not None))
        notes.append(f"mixed: some scores were made with --limit {some} (marked †)")
    elif limits != {None} and limits:
        notes.append(f"made with --limit {next(iter(limits))}: at most that many images of each split")
    return next(iter(limits)) if len(limits) == 1 else None, "; ".join(notes + _mixed(cells))


def _mixed(cells: Cells) -> list[str]:
    """What differs between the scores of a column though it can change them."""
    done = [r for r in cells.records if r.status == "done" and r.kind == "measured"]
    notes = []
    for what, path in _SHARED.items():
        values = {str(found) for r in done if (found := _at(r, path)) is not None}
        if len(values) > 1:
            notes.append(f"mixed: {what} {' and '.join(sorted(values))}")
    return notes


def _at(record: Record, path: tuple[str, ...]) -> object:
    value: object = {"metric": record.metric, "facts": record.facts}
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
