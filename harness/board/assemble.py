"""From records to the board."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.board.columns import Cells, columns_of, limit_and_note
from harness.board.entries import CAVEAT, choose, entry
from harness.board.footnotes import footnotes
from harness.board.statistics import average_ranks, places, ranks
from harness.board.table import Board, Column, Entry, Pair, Row, Selection
from harness.index import no_collection
from harness.records import Record

if TYPE_CHECKING:
    from harness.evidence import Evidence
    from harness.planning import Cell, Plan

Entries = dict[str, tuple[Entry, ...]]


@no_collection()
def build(
    records: Iterable[Record],
    *,
    columns: Selection = "primary",
    plan: Plan | None = None,
    keys: Mapping[Cell, str] | None = None,
    title: str = "",
    stored: Callable[[str], Mapping[str, Evidence] | None] | None = None,
) -> Board:
    """Rank the models of these records; see `Board` for the rules.

    Args:
        columns: ``primary`` shows only the metric that ranks models on each dataset, unless there is none.
        plan: shows exactly this plan's cells, in its order, and those without a record as missing.
        keys: shows, of each cell, the record of this key only: those of one run of the plan (`Summary.keys`).
        title: the plan's suite if not given.
        stored: finds the stored evidence of a key.
    """
    given = [r for r in records if keys is None or keys.get(r.cell) == r.key]
    single = [r for r in given if r.partner is None and (plan is None or _planned(r, plan))]
    table = _table(single, plan)
    found = columns_of(table, columns, plan)
    models = list(plan.models) if plan is not None else sorted({r.model for r in single})
    made, by_model = _filled(found, models, plan)
    rows = _rows(made, by_model, _cards(single, plan))
    counts = _counts(rows, made, sum(r.partner is not None for r in given))
    notes = footnotes(made, rows, table)
    date = datetime.fromtimestamp(max(r.finished for r in single), UTC).isoformat(timespec="seconds") if single else ""
    title = title or (plan.suite.name if plan is not None else "Leaderboard")
    return Board(
        title, tuple(made), rows, (*notes, *_outside(given, single, plan)), counts, date, columns,
        tuple(_pairs(given)), partial(_evidence, _keys(given), stored) if stored is not None else None,
    )  # fmt: skip


def _pairs(records: Iterable[Record]) -> Iterator[Pair]:
    """The scores of the newest record of each pair cell."""
    newest: dict[Cell, Record] = {}
    for record in sorted(records, key=lambda r: r.finished):
        if record.partner is not None and record.status == "done":
            newest[record.cell] = record
    for cell, record in newest.items():
        for s in record.scores:
            yield Pair(
                cell.model, record.partner or "", cell.task, cell.metric, s.variant, s.value, s.low, s.high, cell.seed
            )


def _keys(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """The evidence key of the newest record of each model and task, of its first seed."""
    found: dict[tuple[str, str], str] = {}
    for record in sorted(records, key=lambda r: (-r.seed, r.finished)):
        for model, side in ((record.model, "evidence"), (record.partner, "partner_evidence")):
            if record.status == "done" and model is not None and side in record.facts:
                found[model, record.task] = str(record.facts[side])
    return found


def _evidence(
    keys: Mapping[tuple[str, str], str],
    stored: Callable[[str], Mapping[str, Evidence] | None],
    model: str,
    task: str,
) -> Mapping[str, Evidence] | None:
    key = keys.get((model, task))
    return stored(key) if key else None


def _planned(record: Record, plan: Plan) -> bool:
    known = record.metric["name"] in plan.pairs.get(record.task, ())
    return known and record.model in plan.models and record.seed in plan.suite.seeds


def _outside(given: Sequence[Record], single: Sequence[Record], plan: Plan | None) -> Iterator[str]:
    """What the records hold that the board does not show."""
    if pairs := sum(r.partner is not None for r in given):
        yield f"{pairs} records compare pairs of models; they are not part of this table."
    shown = {id(r) for r in single}
    if others := sum(r.partner is None and r.status != "skipped" and id(r) not in shown for r in given):
        yield f"{others} records of other cells than this suite's are not shown."
    for skip in plan.skips if plan is not None else ():
        if not skip.metric:
            yield f"{skip.task} skipped: {skip.reason}"


def _table(records: Iterable[Record], plan: Plan | None) -> list[Cells]:
    """The chosen records by task and metric, then model and seed; planned cells without a record are there, empty."""
    groups: dict[tuple[str, str], dict[str, dict[int, list[Record]]]] = {}
    if plan is not None:
        groups = {(t, m): {} for t, metrics in plan.pairs.items() for m in metrics if not plan.metrics[m].pair}
    for r in records:
        models = groups.setdefault((r.task, r.metric["name"]), {})
        models.setdefault(r.model, defaultdict(list))[r.seed].append(r)
    wanted: dict[str, Any] = {} if plan is None else {"limit": plan.suite.limit, "any_limit": False}
    return [Cells(t, m, {model: choose(s, **wanted) for model, s in by.items()}) for (t, m), by in groups.items()]


def _filled(
    found: Sequence[tuple[Column, Cells]], models: Sequence[str], plan: Plan | None
) -> tuple[list[Column], Entries]:
    """The columns with their notes, and every model's entries with their places."""
    made, filled = [], []
    for column, cells in found:
        seeds = plan.suite.seeds if plan is not None else cells.seeds
        entries = [entry(cells.models.get(model, {}), column.variant, seeds) for model in models]
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
    return [replace(e, place=place) for e, place in zip(entries, found, strict=True)]


def _rows(columns: Sequence[Column], entries: Entries, cards: Mapping[str, dict[str, Any]]) -> tuple[Row, ...]:
    """Rows by average rank, then name; models without one last."""
    counted = [i for i, c in enumerate(columns) if c.ranked]
    complete = [m for m, row in entries.items() if counted and all(row[i].status == "done" for i in counted)]
    by_column = {
        i: ranks([entries[m][i].value or 0.0 for m in complete], bool(columns[i].higher_is_better)) for i in counted
    }
    average = dict(zip(complete, average_ranks(list(by_column.values())), strict=True)) if complete else {}
    position = {m: at for at, m in enumerate(complete)}

    def row(model: str) -> Row:
        cells = list(entries[model])
        for i in counted if model in position else ():
            cells[i] = replace(cells[i], rank=by_column[i][position[model]])
        card = cards.get(model, {})
        return Row(model, str(card.get("paradigm") or "unknown"), average.get(model), tuple(cells), card)

    order = sorted(entries, key=lambda m: (m not in average, average.get(m, 0.0), m))
    return tuple(row(model) for model in order)


def _cards(records: Iterable[Record], plan: Plan | None) -> dict[str, dict[str, Any]]:
    """Each model's card: that of its newest record, else the plan's."""
    models = plan.models if plan is not None else {}
    cards = {name: model.card.model_dump(mode="json", exclude_defaults=True) for name, model in models.items()}
    for record in sorted(records, key=lambda r: r.finished):
        if record.card:
            cards[record.model] = record.card
    return cards


def _counts(rows: Sequence[Row], columns: Sequence[Column], pairs: int) -> dict[str, int]:
    entries = [e for row in rows for e in row.entries]
    status = Counter(e.status for e in entries)
    return {
        "models": len(rows),
        "ranked": sum(row.average_rank is not None for row in rows),
        "columns": len(columns),
        "done": status["done"],
        "failed": status["failed"],
        "missing": status["missing"],
        "skipped": status["skipped"],
        "reported": sum(e.kind == "reported" and e.status == "done" for e in entries),
        "pairs": pairs,
    }
