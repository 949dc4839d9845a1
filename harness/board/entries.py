"""From the records of one cell, over seeds and revisions, to the one entry that stands on the board."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from harness.board.numbers import number
from harness.board.table import Entry
from harness.records import Record, ScoreData

CAVEAT, REPORTED = "†", "‡"
REVISED = "several records (revisions, limits); the newest counts"
PUBLISHED = "a published score too; the measured one counts"
UNMEASURED = "a published score, which counts, and no successful measurement"


class Chosen(NamedTuple):
    """The record of a cell that counts, and others of the cell that a reader should know of."""

    record: Record
    others: tuple[Record, ...] = ()


def choose(
    seeds: Mapping[int, Sequence[Record]], limit: int | None = None, *, any_limit: bool = True
) -> dict[int, Chosen]:
    """The records that count of one model, task and metric, by seed.

    Measured scores go before published ones, which stand in where none was measured or a seed failed. The two are
    never averaged; those passed over are told with the first seed.
    """

    def newest(kind: str) -> dict[int, Chosen]:
        found = {seed: [r for r in records if r.kind == kind] for seed, records in sorted(seeds.items())}
        return {seed: _newest(records, limit, any_limit) for seed, records in found.items() if records}

    measured, published = newest("measured"), newest("reported")
    status = {chosen.record.status for chosen in measured.values()}
    stands = "done" in status and "failed" not in status
    counted, passed = (measured, published) if stands or not published else (published, measured)
    first = next(iter(counted))
    others = tuple(r for chosen in passed.values() for r in (chosen.record, *chosen.others))
    return counted | {first: counted[first]._replace(others=counted[first].others + others)}


def _newest(records: Iterable[Record], limit: int | None, any_limit: bool) -> Chosen:
    """The record that counts among those of one cell and kind: the newest, with two exceptions.

    Unless `any_limit`, a record made with `limit` goes before one that was not; and a failure from before the cell's
    key was known (it may have been another cell's) hides no record. Copies of the chosen record and failures before it
    are not worth telling.
    """

    def weight(r: Record) -> tuple[bool, bool, float, str]:
        known = r.status == "done" or bool(r.key)
        return any_limit or r.limit == limit, known, r.finished, r.key

    def telling(r: Record) -> bool:
        return r.key != newest.key if r.status == "done" else r.finished > newest.finished

    newest, *others = sorted(records, key=weight, reverse=True)
    return Chosen(newest, tuple(filter(telling, others)))


def entry(cells: Mapping[int, Chosen], variant: str, seeds: Iterable[int]) -> Entry:
    """The entry of one model and column.

    Args:
        cells: the chosen record by seed.
        variant: of the score, as the column has it.
        seeds: all that are expected; a seed that failed makes the entry a failure, one that was skipped or is missing
            is noted.
    """
    for status, enough in (("failed", 1), ("skipped", len(cells))):
        bad = {seed: c.record for seed, c in cells.items() if c.record.status == status}
        if bad and len(bad) >= enough:
            return Entry("failed" if status == "failed" else "skipped", note=_reasons(bad, len(cells)))
    scores = {seed: s for seed, c in cells.items() for s in c.record.scores if s.variant == variant}
    if not scores:
        return Entry("missing", note="no score of this variant" if cells else "")
    records = [cells[seed].record for seed in scores]
    limits = {r.limit for r in records}
    caveats = _caveats(cells, scores.keys(), seeds)
    reported = any(r.kind == "reported" for r in records)
    values = [s.value for s in scores.values()]
    return Entry(
        "done", _mean(values), _bound(scores.values(), "low"), _bound(scores.values(), "high"), _sd(values),
        n=min(s.n for s in scores.values()), seeds=len(scores), kind="reported" if reported else "measured",
        limit=min((x for x in limits if x is not None), default=None),
        mark=REPORTED * reported + CAVEAT * bool(caveats),
        note="; ".join(caveats + _aggregated(values, records[0]) + list(superseded(cells).values())),
    )  # fmt: skip


def superseded(cells: Mapping[int, Chosen]) -> dict[str, str]:
    """What other records there are of the same cells, in words, by what their readers should know."""
    counted = {c.record.kind for c in cells.values()}
    others = [r for c in cells.values() for r in c.others]
    same = [_brief(r) for r in others if r.kind in counted]
    other = ", ".join(_brief(r) for r in others if r.kind not in counted)
    notes = {}
    if same:
        notes[REVISED] = f"the newest of {len(same) + len(cells)} records (others: {', '.join(same)})"
    if other and "measured" in counted:
        notes[PUBLISHED] = f"measured; a published score too ({other})"
    elif other:
        notes[UNMEASURED] = f"published, as it was not measured with success ({other})"
    return notes


def _reasons(bad: Mapping[int, Record], seeds: int) -> str:
    reasons = list(dict.fromkeys(" ".join(r.reason.split()) or "no reason recorded" for r in bad.values()))
    where = f"seed {', '.join(map(str, bad))}: " if seeds > 1 else ""
    return where + "; ".join(reasons)


def _caveats(cells: Mapping[int, Chosen], found: Iterable[int], wanted: Iterable[int]) -> list[str]:
    """What makes the score less than it seems. A published one has the seeds that it has."""
    caveats = []
    skipped = {seed: c.record for seed, c in cells.items() if c.record.status == "skipped"}
    published = any(c.record.kind == "reported" for c in cells.values())
    if (lacking := sorted(set(wanted) - set(found) - set(skipped))) and not published:
        caveats.append(f"seed {', '.join(map(str, lacking))} is missing")
    if skipped:
        caveats.append(f"skipped: {_reasons(skipped, len(cells))}")
    if len({cells[seed].record.limit for seed in found}) > 1:
        caveats.append("its seeds were made with different limits")
    if failed := [r for c in cells.values() for r in c.others if r.status == "failed"]:
        attempt = "measuring it here" if published else "a later attempt"
        caveats.append(f"{attempt} failed: {' '.join(failed[0].reason.split())}")
    return caveats


def _aggregated(values: list[float], record: Record) -> list[str]:
    sd = _sd(values)
    unit = str(record.metric.get("unit") or "")
    return [] if sd is None else [f"mean of {len(values)} seeds, standard deviation {number(sd, unit)}"]


def _brief(record: Record) -> str:
    day = datetime.fromtimestamp(record.finished, UTC).date().isoformat()
    limit = f", limit {record.limit}" if record.limit is not None else ""
    return f"{'reported' if record.kind == 'reported' else record.status} {day}{limit}"


def _bound(scores: Iterable[ScoreData], name: str) -> float | None:
    """The mean of the seeds' bounds; None when any seed has none."""
    bounds = [getattr(s, name) for s in scores]
    return None if None in bounds else _mean(bounds)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _sd(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = _mean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
