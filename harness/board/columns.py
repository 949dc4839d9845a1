"""Which columns a board has, in which order, and what their readers must know."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.board.entries import Chosen, choose
from harness.board.table import Column, Entry, Selection
from harness.outcomes import Outcome, told, versions
from harness.records import MOST

if TYPE_CHECKING:
    from harness.planning import Plan


_SHARED = {
    "dataset revision": ("dataset", "revision"),
    "precision": ("precision",),
    "decoder": ("decoder",),
}
"""What the scores of a column should have in common, and where a record's facts hold it."""


class Cells:
    """The records of one task × metric, and those of them that count, by model and seed.

    Args:
        found: all records, in order.
        wanted: of `choose`.
    """

    def __init__(self, task: str, metric: str, found: Sequence[Outcome], **wanted: Any) -> None:
        self.task, self.metric = task, metric
        self._found, self._wanted = found, wanted

    @cached_property
    def plain(self) -> bool:
        """Whether each model has one record, as most often, so that there is nothing to choose."""
        return len({r.model for r in self._found}) == len(self._found)

    @property
    def models(self) -> Mapping[str, Mapping[int, Chosen]]:
        """The chosen records by model and seed."""
        if self.plain:  # soon made anew, while a million of them would take 300 MB
            return {r.model: {r.seed: Chosen(r)} for r in self._found}
        return self._chosen

    @cached_property
    def _chosen(self) -> Mapping[str, Mapping[int, Chosen]]:
        groups: dict[str, dict[int, list[Outcome]]] = {}
        for r in self._found:
            groups.setdefault(r.model, {}).setdefault(r.seed, []).append(r)
        return {model: choose(seeds, **self._wanted) for model, seeds in groups.items()}

    @cached_property
    def records(self) -> Sequence[Outcome]:
        """The chosen records."""
        if self.plain:
            return self._found
        return [chosen.record for seeds in self.models.values() for chosen in seeds.values()]

    @cached_property
    def seeds(self) -> set[int]:
        """Those measured of any model; a published score has none that others should have."""
        return {r.seed for r in self.records if r.kind == "measured"}

    @cached_property
    def skipped(self) -> bool:
        """Whether there is nothing but skips: the metric does not apply to the task."""
        return bool(self.records) and all(r.status == "skipped" for r in self.records)

    @property
    def undefined(self) -> bool:
        """Whether there is nothing but skips, of cells that ran: only those have a key."""
        return self.skipped and all(r.key for r in self.records)

    @cached_property
    def newest(self) -> Outcome | None:
        """The newest done record, else the newest."""
        return max(self.records, key=lambda r: (r.status == "done", r.finished), default=None)

    def primary(self, plan: Plan | None) -> bool:
        """Whether the metric is the one that ranks models on the task's dataset."""
        if plan is not None and self.task in plan.tasks:
            return bool(plan.tasks[self.task].primary.name == self.metric)
        return self._told_primary

    @cached_property
    def _told_primary(self) -> bool:
        return any(r.primary for r in self.records)

    def variants(self) -> list[str]:
        """The scores' variants, the primary one first; one empty name when no record has a score."""
        return list(dict.fromkeys(s.variant for r in self.records for s in r.scores)) or [""]


def current(records: Sequence[Outcome]) -> tuple[list[Outcome], dict[str, int]]:
    """The records of the newest version of a task and metric, and how many others there are of each version.

    Scores of two versions are two quantities: they never stand in one column. What tells no version is kept.

    Args:
        records: all of one task and metric.
    """
    known = [versions(r) for r in records]
    if len(set(known)) < 2:
        return list(records), {}
    done = [own for r, own in zip(records, known, strict=True) if r.status == "done"]
    task, metric = (max(numbers) for numbers in zip((0, 0), *done, strict=True))
    kept, older = [], Counter[str]()
    for r, own in zip(records, known, strict=True):
        if r.status == "done" and 0 < own[0] < task:
            older[f"{r.task} version {own[0]}, superseded by version {task}"] += 1
        elif r.status == "done" and 0 < own[1] < metric:
            older[f"{r.task} {r.metric['name']} version {own[1]}, superseded by version {metric}"] += 1
        else:
            kept.append(r)
    return kept, dict(older)


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
        first = not by_primary or group.primary(plan)
        seen = first or lone.get(group.task) == group.metric or selection in ("first", "all")
        for i, variant in enumerate(group.variants() if seen else ()):
            ranked = not by_primary or (i == 0 and first)
            if ranked or i == 0 or selection == "all":
                found.append((_column(group, variant, ranked, plan), group))
    return found


def _measured(cells: Cells, plan: Plan | None) -> Mapping[str, Any]:
    """What the newest record says of the metric, else the plan."""
    return cells.newest.metric if cells.newest else plan.metrics[cells.metric].describe() if plan else {}


def _order(cells: Cells, plan: Plan | None) -> tuple[int | str | bool, ...]:
    dataset = cells.task.partition("@")[2]
    if plan is None:
        return (dataset, cells.task, not cells.primary(plan), cells.metric)
    tasks, metrics = list(plan.tasks), list(plan.metrics)
    first = next(i for i, task in enumerate(tasks) if task.partition("@")[2] == dataset)
    return (first, tasks.index(cells.task), not cells.primary(plan), metrics.index(cells.metric))


def _column(cells: Cells, variant: str, ranked: bool, plan: Plan | None) -> Column:
    """A column; one whose metric tells no direction is not ranked."""
    newest, facts = cells.newest, _measured(cells, plan)
    direction = facts.get("higher_is_better", True)
    direction = direction if isinstance(direction, bool) else None
    return Column(
        cells.task, cells.metric, variant, str(facts.get("unit") or ""), direction,
        ranked and direction is not None, _bounds(facts), description=_description(cells, plan),
        dataset_card=newest.dataset if newest else {}, facts=_facts(newest) if newest else {},
    )  # fmt: skip


def _bounds(facts: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The metric's; None where it has none."""
    match facts.get("bounds"):
        case [low, high] if all(x is None or _finite(x) for x in (low, high)):
            return (None, None) if None not in (low, high) and not low < high else (low, high)
    return None, None


def _finite(bound: Any) -> bool:
    return type(bound) in (int, float) and -MOST < bound < MOST


def _facts(record: Outcome) -> dict[str, Any]:
    """How the number is made, as far as a record says."""
    known = {
        name: record.facts[name]
        for name in ("task", "dataset", "precision", "decoder", "excluded")
        if name in record.facts
    }
    return known | {"metric": dict(record.metric)}


def _description(cells: Cells, plan: Plan | None) -> str:
    if plan is None:
        return ""
    task = plan.tasks[cells.task]
    texts = [task.dataset.card.title, inspect.getdoc(type(task.protocol)), plan.metrics[cells.metric].__doc__]
    return " ".join(text.strip().splitlines()[0].strip() for text in texts if text and text.strip())


def limit_and_note(cells: Cells, entries: Iterable[Entry]) -> tuple[int | None, str]:
    """The limit that all scores of a column share, and what its readers must know to compare them."""
    done = [e for e in entries if e.status == "done"]
    limits = {e.limit for e in done if e.kind != "reported"}
    notes = [] if done else ["no model has a score, so it counts for no rank"]
    if len(limits) > 1:
        some = ", ".join(str(x) for x in sorted(x for x in limits if x is not None))
        notes.append(f"mixed: some scores were made with --limit {some} (marked †)")
    elif limits != {None} and limits:
        notes.append(f"made with --limit {next(iter(limits))}: at most that many images of each split")
    return next(iter(limits)) if len(limits) == 1 else None, "; ".join(notes + _mixed(cells))


def _mixed(cells: Cells) -> list[str]:
    """What differs between the scores of a column though it can change them."""
    values: dict[str, set[str]] = {what: set() for what in _SHARED}
    for r in cells.records:
        if r.status == "done" and r.kind != "reported":
            facts = r.facts
            for what, path in _SHARED.items():
                if (found := told(facts, *path)) is not None:
                    values[what].add(str(found))
    return [f"mixed: {what} {' and '.join(sorted(some))}" for what, some in values.items() if len(some) > 1]
