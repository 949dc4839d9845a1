"""The rows of a board: what is known of each model, and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.board.standings import Standings, absent, standings
from harness.board.table import UNKNOWN, Column, Cost, Entry, Row, Rule
from harness.outcomes import Outcome, amount, section
from harness.suite import Ranking

if TYPE_CHECKING:
    from harness.planning import Plan

Entries = dict[str, tuple[Entry, ...]]


class About(NamedTuple):
    """What records tell of a model."""

    card: Mapping[str, Any]
    cost: Cost = UNKNOWN
    facts: Mapping[str, Any] = {}
    provenance: Mapping[str, Any] = {}


class Ranked(NamedTuple):
    """The rows in order, the rule of it, and what it does not tell apart."""

    rows: tuple[Row, ...]
    rule: Rule
    ties: tuple[tuple[int, int], ...]


def ranked(columns: Sequence[Column], entries: Entries, about: Mapping[str, About], ranking: Ranking) -> Ranked:
    """Rows in the order of their standings, then those that lack a required score, by name."""
    counted = [i for i, c in enumerate(columns) if c.ranked]
    lacking = absent(columns, ranking)
    able = counted and not lacking
    complete = [m for m, row in entries.items() if able and all(row[i].status == "done" for i in counted)]
    made: Standings | None = None
    if complete:
        scores = [[entries[m][i] for i in counted] for m in complete]
        made = standings([columns[i] for i in counted], scores, ranking, complete)
    rows = {m: _row(m, cells, about.get(m, About({}))) for m, cells in entries.items()}
    for at, m in enumerate(complete if made else ()):
        assert made is not None
        cells = list(entries[m])
        for i, rank in zip(counted, made.column_ranks[at], strict=True):
            cells[i] = replace(cells[i], rank=rank)
        rows[m] = replace(rows[m], entries=tuple(cells), standing=made.of[at], average_rank=made.average_ranks[at])
    order = [complete[i] for i in made.order] if made else []
    rest = sorted(set(entries) - set(order))
    why = (
        f"no column with a score fits {lacking[0]!r}" if lacking else "no model has a score in every column that counts"
    )
    rule = made.rule if made else Rule(ranking.by, "", f"Nobody is ranked: {why}.")
    return Ranked(tuple(rows[m] for m in [*order, *rest]), rule, made.ties if made else ())


def _row(model: str, cells: tuple[Entry, ...], about: About) -> Row:
    paradigm = str(about.card.get("paradigm") or "unknown")
    return Row(model, paradigm, None, cells, about.card, None, about.cost, about.facts, about.provenance)


def about_models(records: Iterable[Outcome], plan: Plan | None) -> dict[str, About]:
    """Of each model: the card, facts and provenance of its newest record (else the plan's card), and its cost."""
    models = plan.models if plan is not None else {}
    found = {name: About(model.card.model_dump(mode="json", exclude_defaults=True)) for name, model in models.items()}
    by_model: dict[str, list[Outcome]] = {}
    for record in records:
        by_model.setdefault(record.model, []).append(record)
    for name, own in by_model.items():
        own.sort(key=lambda r: r.finished)
        card = next((r.card for r in reversed(own) if r.card), found[name].card if name in found else {})
        newest = next((r for r in reversed(own) if r.status == "done" and r.kind != "reported"), own[-1])
        found[name] = About(card, _cost(own, card), newest.facts, newest.provenance)
    return found


def _cost(records: Sequence[Outcome], card: Mapping[str, Any]) -> Cost:
    """A model's cost, from its records, oldest first.

    Passes are timed once for all cells of a model and run, a task once for all of its metrics: each counts once. Of a
    cell's records, copies and repetitions in other folders, the newest counts. A process's memory is no model's.
    """
    passes: set[float] = set()
    tasks: dict[tuple[str, int], float] = {}
    metrics, peak, latest = 0.0, 0.0, dict[str, Any]()
    for r in {r.cell: r for r in records if r.kind != "reported" and r.status == "done"}.values():
        provenance = r.provenance
        seconds, memory = section(provenance, "seconds"), section(provenance, "peak_memory")
        passes.add(amount(seconds.get("passes")))
        tasks[r.task, r.seed] = max(tasks.get((r.task, r.seed), 0.0), amount(seconds.get("task")))
        metrics += amount(seconds.get("metric"))
        peak = max(peak, amount(memory.get("device")))
        latest |= section(provenance, "cost")
    total = sum(passes) + sum(tasks.values()) + metrics
    parameters = amount(latest.get("parameters")) or amount(card.get("parameters"))
    return Cost(
        total or None, amount(latest.get("images_per_second")) or None, int(peak) or None,
        int(parameters) or None, int(amount(latest.get("flops"))) or None,
    )  # fmt: skip
