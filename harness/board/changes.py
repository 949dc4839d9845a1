"""What changed between two runs, and why: the facts behind each score tell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from harness.board.entries import KINDS
from harness.outcomes import Outcome, section
from harness.planning import Cell

Status = Literal["unchanged", "value", "interval", "outcome", "first only", "second only"]
MODEL, PARTS = ("architecture", "preprocess"), ("task", "dataset")
SIMPLE = ("weights", "precision", "decoder", "resamples")
SURROUNDINGS = ("device", "torch", "torchvision", "python", "platform")
"""Of a record's provenance: what can change a number without being in its key."""
UNTOLD = "its facts do not say why its key differs"
UNSTEADY = "not deterministic: same key, other value"


class Cause(NamedTuple):
    """A fact that differs, before and after, as text; both are empty for a cause that is a whole sentence."""

    fact: str
    before: str = ""
    after: str = ""


class Change(NamedTuple):
    """A cell of either run.

    Attributes:
        status: ``value`` and ``interval`` tell what of its scores differs, ``outcome`` that it failed or was skipped
            in one run only or for another reason.
        before, after: the records that count; None where the run has none.
        causes: none for an unchanged cell.
    """

    cell: Cell
    status: Status
    before: Outcome | None
    after: Outcome | None
    causes: tuple[Cause, ...] = ()

    @property
    def size(self) -> float:
        """How far the first score moved, as a share of the metric's bounds, or of the score where it has none."""
        if self.before is None or self.after is None or not (self.before.scores and self.after.scores):
            return 0.0
        was, now = self.before.scores[0].value, self.after.scores[0].value
        match self.after.metric.get("bounds"):
            case [int() | float() as low, int() | float() as high] if low < high:
                whole = float(high - low)
            case _:
                whole = max(abs(was), abs(now))
        return abs(now - was) / whole if whole else 0.0


class Group(NamedTuple):
    """Changes of one status for the same causes."""

    status: Status
    facts: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def largest(self) -> Change:
        return max(self.changes, key=lambda change: change.size)

    def values(self, fact: str) -> list[Cause]:
        """The distinct values of a fact, the most frequent first."""
        return [
            cause
            for cause, _ in Counter(c for each in self.changes for c in each.causes if c.fact == fact).most_common()
        ]

    def names(self, field: Literal["model", "task", "metric"]) -> list[str]:
        """The distinct models, tasks or metrics."""
        return list(dict.fromkeys(getattr(change.cell, field) for change in self.changes))


@dataclass(frozen=True)
class Changes:
    """All cells of two runs."""

    cells: tuple[Change, ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        return dict(Counter(change.status for change in self.cells))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """What is not unchanged, by status and causes, the largest group first."""
        found: dict[tuple[Status, tuple[str, ...]], list[Change]] = {}
        for change in self.cells:
            if change.status != "unchanged":
                found.setdefault((change.status, tuple(cause.fact for cause in change.causes)), []).append(change)
        made = [Group(status, facts, tuple(members)) for (status, facts), members in found.items()]
        return tuple(sorted(made, key=lambda group: -len(group.changes)))


def changes(first: Iterable[Outcome], second: Iterable[Outcome]) -> Changes:
    """Compare the records of two runs, cell by cell."""
    before, after = _Run(first), _Run(second)
    cells = dict.fromkeys((*before.cells, *after.cells))
    return Changes(tuple(_change(cell, before, after) for cell in cells))


class _Run:
    """A run's record of each cell, and what is known of its models."""

    def __init__(self, records: Iterable[Outcome]) -> None:
        self.cells: dict[Cell, Outcome] = {}
        for record in sorted(records, key=_weight):
            self.cells[record.cell] = record
        self.models = {r.model: r for r in self.cells.values() if r.partner is None and "weights" in r.facts}

    @cached_property
    def names(self) -> dict[str, set[Any]]:
        return {field: {getattr(cell, field) for cell in self.cells} for field in ("model", "task", "metric", "seed")}

    def limits(self, record: Outcome | None) -> set[int | None]:
        """Of a record, or of the whole run where it has none; of published figures none is known."""
        return {r.limit for r in (self.cells.values() if record is None else [record]) if r.kind != "reported"}

    def facts(self, record: Outcome, all_of_them: bool = True) -> dict[str, Any]:
        """What can change a record's key, by name; of a pair's models, what their own records say."""
        given = record.facts
        found = {"kind": record.kind, "limit": record.limit, "metric version": record.metric.get("version")}
        if not all_of_them:
            return found
        found |= {"excluded images": given.get("excluded") or []} | {name: given.get(name) for name in SIMPLE}
        for part in (*PARTS, *MODEL):
            found |= _flat(part, section(given, part))
        if record.partner is not None:
            known = [self.models[m] for m in (record.model, record.partner) if m in self.models]
            sides = [{"weights": r.facts["weights"]} | _model_facts(r) for r in known]
            found |= {name: [side.get(name) for side in sides] for side in sides for name in side}
        return found


def _weight(record: Outcome) -> tuple[int, bool, float]:
    """The record of a cell that counts is the greatest: measured, its key known, the newest."""
    return -list(KINDS).index(record.kind), record.status == "done" or bool(record.key), record.finished


def _model_facts(record: Outcome) -> dict[str, Any]:
    return {name: value for part in MODEL for name, value in _flat(part, section(record.facts, part)).items()}


def _flat(part: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """``{"version": 2, "parameters": {"k": 5}}`` of a task as ``task version`` and ``task parameter k``."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "parameters" and isinstance(value, Mapping):
            found |= {f"{part} parameter {key}": each for key, each in value.items()}
        else:
            found[f"{part} {name}"] = value
    return found


def _change(cell: Cell, before: _Run, after: _Run) -> Change:
    was, now = before.cells.get(cell), after.cells.get(cell)
    if was is None or now is None:
        lacking = before if was is None else after
        absent = next((f for f, names in lacking.names.items() if getattr(cell, f) not in names), "cell")
        why = Cause(f"the other run has no such {absent}"), *_limits(before.limits(was), after.limits(now))
        return Change(cell, "second only" if was is None else "first only", was, now, why)
    if (found := _status(was, now)) == "unchanged":
        return Change(cell, found, was, now)
    return Change(cell, found, was, now, tuple(_causes(was, now, before, after)))


def _limits(old: set[int | None], new: set[int | None]) -> Iterator[Cause]:
    """That no limit is common to both."""
    if old and new and not old & new:
        yield Cause("limit", *(", ".join(text(n) for n in sorted(side, key=lambda n: n or 0)) for side in (old, new)))


def _status(was: Outcome, now: Outcome) -> Status:
    if was.status != now.status:
        return "outcome"
    if was.status != "done":
        return "unchanged" if was.reason == now.reason else "outcome"
    old, new = ({s.variant: s for s in r.scores} for r in (was, now))
    if {v: s.value for v, s in old.items()} != {v: s.value for v, s in new.items()}:
        return "value"
    return "unchanged" if all((old[v].low, old[v].high) == (new[v].low, new[v].high) for v in old) else "interval"


def _causes(was: Outcome, now: Outcome, before: _Run, after: _Run) -> Iterator[Cause]:
    """The facts that differ; of records with the same key, what else may have made the difference."""
    both = bool(was.facts and now.facts)  # what failed, and what was published, has none
    old, new = before.facts(was, both), after.facts(now, both)
    differ = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    yield from (Cause(name, text(old.get(name)), text(new.get(name))) for name in differ)
    if was.status != "done" or now.status != "done":
        yield Cause(" → ".join(f"{r.status} ({r.reason})" if r.reason else r.status for r in (was, now)))
    elif was.key == now.key and not differ:
        yield Cause(UNSTEADY)
        yield from _surroundings(was.provenance, now.provenance)
    elif not differ:
        yield Cause(UNTOLD)


def _surroundings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Cause]:
    plugins = section(old, "plugins"), section(new, "plugins")
    for name in SURROUNDINGS:
        if old.get(name) != new.get(name):
            yield Cause(name, text(old.get(name)), text(new.get(name)))
    for name in sorted({*plugins[0], *plugins[1]}):
        if plugins[0].get(name) != plugins[1].get(name):
            yield Cause(f"plugin {name}", text(plugins[0].get(name)), text(plugins[1].get(name)))


def text(value: Any) -> str:
    """A fact as text: digests by their first 8 digits, long lists by their first members."""
    if value is None or value == []:
        return "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = ", ".join(map(text, value[:3]))
        return f"{shown}, … ({len(value)})" if len(value) > 3 else shown
    plain = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    if len(plain) == 64 and set(plain) <= set("0123456789abcdef"):
        return plain[:8]
    return plain if len(plain) <= 60 else f"{plain[:59]}…"
