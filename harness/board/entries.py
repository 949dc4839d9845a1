"""From the records of one cell, over seeds and revisions, to the one entry that stands on the board."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from harness.board.numbers import number
from harness.board.table import Entry
from harness.draws import Draws, paired
from harness.outcomes import Outcome, told
from harness.records import ScoreData

CAVEAT, OVERLAP = "†", "◊"
MARKS = {"measured": "", "submitted": "§", "reported": "‡"}
KINDS = {"measured": "measured", "submitted": "submitted", "reported": "published"}
"""Whence a score is, the nearest first, in words."""
REVISED = "several records (revisions, limits); the newest counts"


class Chosen(NamedTuple):
    """The record of a cell that counts, and others of the cell that a reader should know of."""

    record: Outcome
    others: tuple[Outcome, ...] = ()


def choose(
    seeds: Mapping[int, Sequence[Outcome]], limit: int | None = None, *, any_limit: bool = True
) -> dict[int, Chosen]:
    """The records that count of one model, task and metric, by seed.

    Measured scores go before submitted ones, and those before published ones, which stand in where none was measured or
    a seed failed. They are never averaged; those passed over are told with the first seed.
    """
    if all(len(records) == 1 for records in seeds.values()) and len({r.kind for (r,) in seeds.values()}) == 1:
        return {seed: Chosen(records[0]) for seed, records in sorted(seeds.items())}

    def newest(kind: str) -> dict[int, Chosen]:
        found = {seed: [r for r in records if r.kind == kind] for seed, records in sorted(seeds.items())}
        return {seed: _newest(records, limit, any_limit) for seed, records in found.items() if records}

    def stands(found: Mapping[int, Chosen]) -> bool:
        status = {chosen.record.status for chosen in found.values()}
        return "done" in status and "failed" not in status

    sorts = [found for kind in KINDS if (found := newest(kind))]
    counted = next(filter(stands, sorts), sorts[0])
    passed = (chosen for found in sorts if found is not counted for chosen in found.values())
    others = tuple(r for chosen in passed for r in (chosen.record, *chosen.others))
    first = next(iter(counted))
    return counted | {first: counted[first]._replace(others=counted[first].others + others)}


def _newest(records: Iterable[Outcome], limit: int | None, any_limit: bool) -> Chosen:
    """The record that counts among those of one cell and kind: the newest, with two exceptions.

    Unless `any_limit`, a record made with `limit` goes before one that was not; and a failure from before the cell's
    key was known (it may have been another cell's) hides no record. Copies of the chosen record and failures before it
    are not worth telling; another score under the same key is.
    """

    def weight(r: Outcome) -> tuple[bool, bool, float, str]:
        known = r.status == "done" or bool(r.key)
        return any_limit or r.limit == limit, known, r.finished, r.key

    def telling(r: Outcome) -> bool:
        if r.status != "done":
            return r.finished > newest.finished
        return (r.key, r.scores) != (newest.key, newest.scores)

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
    every = {seed: c.record.scores for seed, c in cells.items()}
    scores = {seed: s for seed, some in every.items() for s in some if s.variant == variant}
    if not scores:
        return Entry("missing", note="no score of this variant" if cells else "")
    records = [cells[seed].record for seed in scores]
    limits = {r.limit for r in records}
    caveats = _caveats(cells, scores.keys(), seeds)
    kind, overlap = records[0].kind, trained_on(records[0])
    values = [s.value for s in scores.values()]
    return Entry(
        "done", _mean(values), _bound(scores.values(), "low"), _bound(scores.values(), "high"), _sd(values),
        n=min(s.n for s in scores.values()), seeds=len(scores), kind=kind,
        limit=min((x for x in limits if x is not None), default=None),
        mark=MARKS[kind] + OVERLAP * overlap + CAVEAT * bool(caveats),
        note="; ".join(caveats + _sent(records) + _aggregated(values, records[0]) + list(superseded(cells).values())),
        overlap=overlap, draws=_draws(records) if all(every[seed][0].variant == variant for seed in scores) else None,
    )  # fmt: skip


def _sent(records: Iterable[Outcome]) -> list[str]:
    """Who sent the records in, and when."""
    sent = {
        (str(r.submission.get("by") or "?"), str(r.submission.get("date") or "")[:10]) for r in records if r.submission
    }
    return [f"submitted by {by}{f' on {date}' if date else ''}" for by, date in sorted(sent)]


def trained_on(record: Outcome) -> bool:
    """Whether the model's card says that it was trained on images of the dataset, or of a set that contains it."""
    name = told(record.facts, "dataset", "name") or record.task.partition("@")[2].partition("[")[0]
    within = record.dataset.get("within")
    tested = (name, *(within if isinstance(within, list) else ()))
    return any(_plain(str(x)) in _sets(str(record.card.get("data") or "")) for x in tested)


@lru_cache
def _sets(data: str) -> frozenset[str]:
    """The datasets that a card names: ``imagenet-1k, cifar10 + stl10``."""
    return frozenset(filter(None, (_plain(part) for part in re.split(r"[,;+&]| and ", data))))


@lru_cache
def _plain(name: str) -> str:
    """A dataset's name as it is compared: ``CIFAR-10 train`` is ``cifar10``."""
    return re.sub(r"[^a-z0-9]+", "", re.sub(r"\s+train(ing)?$", "", name.strip().lower()))


def _draws(records: Sequence[Outcome]) -> Draws | None:
    """The draws of the first score, the mean over seeds of those of the same resample."""
    if len(records) == 1:
        return records[0].draws
    drawn = paired(r.draws for r in records)
    return None if drawn is None else Draws.of(drawn.mean(1).tolist())


def superseded(cells: Mapping[int, Chosen]) -> dict[str, str]:
    """What other records there are of the same cells, in words, by what their readers should know."""
    others = [r for c in cells.values() for r in c.others]
    if not others:
        return {}
    counted = next(iter(cells.values())).record.kind
    notes, word = {}, KINDS[counted]
    if same := [_brief(r) for r in others if r.kind == counted]:
        notes[REVISED] = f"the newest of {len(same) + len(cells)} records (others: {', '.join(same)})"
    for kind in KINDS:
        told = ", ".join(_brief(r) for r in others if r.kind == kind != counted)
        if told and kind == "measured":
            notes[f"a {word} score, which counts, and no successful measurement"] = (
                f"{word}, as it was not measured with success ({told})"
            )
        elif told:
            notes[f"a {KINDS[kind]} score too; the {word} one counts"] = f"{word}; a {KINDS[kind]} score too ({told})"
    return notes


def _reasons(bad: Mapping[int, Outcome], seeds: int) -> str:
    reasons = list(dict.fromkeys(" ".join(r.reason.split()) or "no reason recorded" for r in bad.values()))
    where = f"seed {', '.join(map(str, bad))}: " if seeds > 1 else ""
    return where + "; ".join(reasons)


def _caveats(cells: Mapping[int, Chosen], found: Iterable[int], wanted: Iterable[int]) -> list[str]:
    """What makes the score less than it seems. A published one has the seeds that it has."""
    caveats = []
    skipped = {seed: c.record for seed, c in cells.items() if c.record.status == "skipped"}
    published = any(c.record.kind != "measured" for c in cells.values())
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


def _aggregated(values: list[float], record: Outcome) -> list[str]:
    sd = _sd(values)
    unit = str(record.metric.get("unit") or "")
    return [] if sd is None else [f"mean of {len(values)} seeds, standard deviation {number(sd, unit)}"]


def _brief(record: Outcome) -> str:
    day = datetime.fromtimestamp(record.finished, UTC).date().isoformat()
    limit = f", limit {record.limit}" if record.limit is not None else ""
    return f"{record.status if record.kind == 'measured' else record.kind} {day}{limit}"


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
