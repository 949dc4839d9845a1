"""From records to the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.board.columns import Cells, columns_of, current, limit_and_note
from harness.board.entries import CAVEAT, entry
from harness.board.footnotes import footnotes
from harness.board.numbers import many
from harness.board.rows import Entries, about_models, ranked
from harness.board.standings import counted
from harness.board.statistics import places
from harness.board.table import Board, Column, Entry, Pair, Row, Selection
from harness.index import no_collection
from harness.outcomes import Outcome
from harness.suite import Ranking

if TYPE_CHECKING:
    from harness.evidence import Evidence
    from harness.planning import Cell, Plan


@no_collection()
def build(
    records: Iterable[Outcome],
    *,
    columns: Selection = "primary",
    plan: Plan | None = None,
    keys: Mapping[Cell, str] | None = None,
    title: str = "",
    ranking: Ranking | None = None,
    stored: Callable[[str], Mapping[str, Evidence] | None] | None = None,
) -> Board:
    """Rank the models of these records; see `Board` for the rules.

    Args:
        columns: ``primary`` shows only the metric that ranks models on each dataset, unless there is none.
        plan: shows exactly this plan's cells, in its order, and those without a record as missing.
        keys: shows, of each cell, the record of this key only: those of one run of the plan (`Summary.keys`).
        title: the plan's suite if not given.
        ranking: the plan's if not given.
        stored: finds the stored evidence of a key.
    """
    given = [r for r in records if keys is None or keys.get(r.cell) == r.key]
    single, table, older = _table([r for r in given if r.partner is None and (plan is None or _planned(r, plan))], plan)
    rule = ranking or (plan.suite.ranking if plan is not None else Ranking())
    found = _columns(table, columns, plan, rule)
    models = list(plan.models) if plan is not None else sorted({r.model for r in single})
    made, by_model = _filled(found, models, plan)
    rows, rule_told, ties = ranked(made, by_model, about_models(single, plan), rule)
    counts = _counts(rows, made, sum(r.partner is not None for r in given))
    shown = {c.task for c in made} if columns == "primary" else set()
    told = [c for c in table if not c.skipped or c.task not in shown or c.primary(plan)]  # of others nobody asked
    notes = footnotes(made, rows, told, rule_told, older)
    date = datetime.fromtimestamp(max(r.finished for r in single), UTC).isoformat(timespec="seconds") if single else ""
    title = title or (plan.suite.name if plan is not None else "Leaderboard")
    return Board(
        title, tuple(made), rows, (*notes, *_outside(given, single, plan)), counts, date, columns,
        tuple(_pairs(given)), rule_told, ties, partial(_evidence, _keys(given), stored) if stored is not None else None,
    )  # fmt: skip


def _columns(
    table: Sequence[Cells], selection: Selection, plan: Plan | None, rule: Ranking
) -> list[tuple[Column, Cells]]:
    """The columns to show; those that the ranking requires are among them."""
    found = columns_of(table, selection, plan)
    if not rule.require:
        return found
    shown, every = {c.name for c, _ in found}, columns_of(table, "all", plan)
    marked = counted([c for c, _ in every], rule)
    return [(c, cells) for c, (_, cells) in zip(marked, every, strict=True) if c.ranked or c.name in shown]


def _pairs(records: Iterable[Outcome]) -> Iterator[Pair]:
    """The scores of the newest record of each pair cell, of the newest version of its task and metric."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for r in records:
        if r.partner is not None and r.status == "done":
            groups.setdefault((r.task, r.metric["name"]), []).append(r)
    done = [r for group in groups.values() for r in current(group)[0]]
    newest = {record.cell: record for record in sorted(done, key=lambda r: r.finished)}
    for cell, record in newest.items():
        for s in record.scores:
            yield Pair(
                cell.model, record.partner or "", cell.task, cell.metric, s.variant, s.value, s.low, s.high, cell.seed
            )


def _keys(records: Iterable[Outcome]) -> dict[tuple[str, str], str]:
    """The evidence key of the newest record of each model and task, of its first seed."""
    found: dict[tuple[str, str], tuple[int, float, str]] = {}
    for record in records:
        if record.status != "done":
            continue
        facts = record.facts
        for model, side in ((record.model, "evidence"), (record.partner, "partner_evidence")):
            if model is not None and side in facts:
                before = found.get((model, record.task))
                if before is None or (-record.seed, record.finished) >= before[:2]:
                    found[model, record.task] = -record.seed, record.finished, str(facts[side])
    return {cell: key for cell, (_, _, key) in found.items()}


def _evidence(
    keys: Mapping[tuple[str, str], str],
    stored: Callable[[str], Mapping[str, Evidence] | None],
    model: str,
    task: str,
) -> Mapping[str, Evidence] | None:
    key = keys.get((model, task))
    return stored(key) if key else None


def _planned(record: Outcome, plan: Plan) -> bool:
    known = record.metric["name"] in plan.pairs.get(record.task, ())
    return known and record.model in plan.models and record.seed in plan.suite.seeds


def _outside(given: Sequence[Outcome], single: Sequence[Outcome], plan: Plan | None) -> Iterator[str]:
    """What the records hold that the board does not show."""
    if pairs := sum(r.partner is not None for r in given):
        yield f"{many(pairs, 'record')} of pairs of models, not part of this table."
    if others := sum(r.partner is None and r.status != "skipped" for r in given) - sum(
        r.status != "skipped" for r in single
    ):
        yield f"{many(others, 'record')} of other cells than this suite's, not shown."
    for skip in plan.skips if plan is not None else ():
        if not skip.metric:
            yield f"{skip.task} skipped: {skip.reason}"


def _table(records: Iterable[Outcome], plan: Plan | None) -> tuple[list[Outcome], list[Cells], dict[str, int]]:
    """The records of current versions, also by task and metric, and how many there are of each superseded version.

    Planned cells without a record are there, empty.
    """
    groups: dict[tuple[str, str], list[Outcome]] = {}
    if plan is not None:
        groups = {(t, m): [] for t, metrics in plan.pairs.items() for m in metrics if not plan.metrics[m].pair}
    for r in records:
        groups.setdefault((r.task, r.metric["name"]), []).append(r)
    wanted: dict[str, Any] = {} if plan is None else {"limit": plan.suite.limit, "any_limit": False}
    kept, table, older = list[Outcome](), list[Cells](), Counter[str]()
    for (task, metric), every in groups.items():
        latest, others = current(every)
        kept += latest
        older.update(others)
        table.append(Cells(task, metric, latest, **wanted))
    return kept, table, dict(older)


def _filled(
    found: Sequence[tuple[Column, Cells]], models: Sequence[str], plan: Plan | None
) -> tuple[list[Column], Entries]:
    """The columns with their notes, and every model's entries with their places."""
    made, filled = [], []
    for column, cells in found:
        seeds = plan.suite.seeds if plan is not None else cells.seeds
        chosen = cells.models
        entries = [entry(chosen.get(model, {}), column.variant, seeds) for model in models]
        limit, note = limit_and_note(cells, entries)
        scored = any(e.status == "done" for e in entries)
        made.append(replace(column, limit=limit, note=note, ranked=column.ranked and scored))
        filled.append(_placed(column, [_marked(e, limit) for e in entries]))
    return made, dict(zip(models, zip(*filled, strict=True), strict=True)) if filled else dict.fromkeys(models, ())


def _marked(e: Entry, shared: int | None) -> Entry:
    """The entry, with the caveat's mark if its limit is not that of the whole column."""
    return replace(e, mark=e.mark + CAVEAT) if e.limit != shared and CAVEAT not in e.mark and e.limit else e


def _placed(column: Column, entries: Sequence[Entry]) -> list[Entry]:
    if column.higher_is_better is None:
        return list(entries)
    found = places([e.value for e in entries], column.higher_is_better)
    return [replace(e, place=place) if place else e for e, place in zip(entries, found, strict=True)]


def _counts(rows: Sequence[Row], columns: Sequence[Column], pairs: int) -> dict[str, int]:
    entries = [e for row in rows for e in row.entries]
    status = Counter(e.status for e in entries)
    return {
        "models": len(rows),
        "ranked": sum(row.standing is not None for row in rows),
        "columns": len(columns),
        "done": status["done"],
        "failed": status["failed"],
        "missing": status["missing"],
        "skipped": status["skipped"],
        **{kind: sum(e.kind == kind and e.status == "done" for e in entries) for kind in ("submitted", "reported")},
        "pairs": pairs,
    }
