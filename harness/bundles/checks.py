"""Whether one record from outside is what a run could have written, as far as a record can tell."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from harness.errors import HarnessError, first_problem, one_line
from harness.identity import digest, record_key
from harness.lookup import find_metric
from harness.names import parse_task
from harness.plugins import Host
from harness.records import SCHEMA, Record, RecordStore, ScoreData

DAY = 24 * 3600.0
NAME_LENGTH = 400
_KEY = re.compile(r"[0-9a-f]{64}")


def parse_record(data: bytes) -> Record:
    """A record from bytes of unknown origin. Raises `HarnessError` with the first thing that does not fit."""
    try:
        fields = json.loads(data, parse_constant=_refuse, parse_float=_finite)
        version = fields.get("schema_version", SCHEMA)
        if not isinstance(version, int) or version < 1:
            raise HarnessError(f"not a record: its schema_version is {json.dumps(version)[:40]}")
        if version > SCHEMA:
            raise HarnessError(f"written by a newer harness (schema {version}; this one reads {SCHEMA}): upgrade")
        record = Record.model_validate(fields)
        record.model_dump_json().encode()
        return record
    except ValidationError as error:
        raise HarnessError(f"not a record: {first_problem(error)}") from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise HarnessError(f"not a record: {one_line(error)}") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"it holds {constant}, which is no number")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"it holds {text[:20]}, which is no finite number")
    return value


class Installed(NamedTuple):
    """What is known here of a protocol or metric: its version, and a metric's description."""

    version: int
    description: dict[str, Any] | None = None


class Checker:
    """Checks records against each other's rules and against the plugins installed here.

    Attributes:
        notes: what is no fault but should be told, each once: names unknown here, superseded versions.
    """

    def __init__(self, host: Host, now: float | None = None) -> None:
        self.host, self.now = host, time.time() if now is None else now
        self.notes: dict[str, None] = {}
        self._task, self._metric = lru_cache(self._find_task), lru_cache(self._find_metric)

    def problems(self, record: Record, name: str) -> Iterator[str]:
        """What is wrong with a record, one line each.

        Args:
            name: of its member, ``records/MODEL/TASK/METRIC-SEED-KEY.json``.
        """
        if faults := list(_names(record)):
            yield from faults  # nothing else can be told of it on a line
            return
        yield from _state(record, self.now)
        if RecordStore(Path("records")).path(record.cell, record.key).as_posix() != name:
            yield "its file name is not that of its cell and key"
        yield from _key(record)
        bounds = record.metric.get("bounds") or (None, None)
        if not _is_bounds(bounds):
            yield f"its metric's bounds are {json.dumps(bounds)[:60]}, not two numbers"
        else:
            low, high = (-math.inf if bounds[0] is None else bounds[0]), (math.inf if bounds[1] is None else bounds[1])
            for score in record.scores:
                yield from _score(score, low, high)
            if record.draws is not None and not _within(record.draws.low, record.draws.high, low, high):
                yield f"its draws leave the metric's bounds, {low:g} to {high:g}"
        if record.kind != "reported":
            yield from self._versions(record)

    def _versions(self, record: Record) -> Iterator[str]:
        """Versions of task and metric against those installed; newer ones cannot be judged here."""
        protocol, facts = parse_task(record.task)[0].name, record.facts.get("task")
        stated = facts.get("version") if isinstance(facts, dict) else None
        found = self._task(protocol)
        if record.status == "done" and not isinstance(stated, int):
            yield "its facts do not say which version of the task it was made by"
        yield from self._version("task", protocol, stated, found)
        metric, known = record.metric["name"], self._metric(record.metric["name"])
        yield from self._version("metric", metric, record.metric.get("version"), known)
        if known is not None and known.version == record.metric.get("version"):
            for field, here in (known.description or {}).items():
                if (there := record.metric.get(field)) != here:
                    yield f"it says that {metric} has {field} {json.dumps(there)[:60]}; here it has {json.dumps(here)}"

    def _version(self, what: str, name: str, stated: Any, found: Installed | None) -> Iterator[str]:
        if found is None:
            self.notes[f"{what} {name} is not installed here: its scores are taken as they are"] = None
        elif isinstance(stated, int) and stated > found.version:
            yield f"made by {what} {name} version {stated}, newer than {found.version} here: upgrade, then import"
        elif isinstance(stated, int) and stated < found.version:
            self.notes[f"{what} {name} is version {found.version} here; some records are of version {stated}"] = None

    def _find_task(self, name: str) -> Installed | None:
        try:
            return Installed(int(self.host["task"].entry(name).resolve().version))
        except (HarnessError, AttributeError):
            return None

    def _find_metric(self, name: str) -> Installed | None:
        try:
            found = find_metric(self.host, name)
        except HarnessError:
            return None
        return Installed(found.version, found.describe())


def _names(record: Record) -> Iterator[str]:
    """Names that no line, file or board should have to carry."""
    variants = [score.variant for score in record.scores]
    named = [("model", record.model), ("task", record.task), ("metric", record.metric["name"])]
    for what, text in [*named, ("partner", record.partner or ""), *(("variant", v) for v in variants)]:
        if len(text) > NAME_LENGTH:
            yield f"the name of its {what} has {len(text):,} characters, at most {NAME_LENGTH} are taken"
        elif not text.isprintable():
            yield f"the name of its {what} has characters that do not print: {ascii(text)[:80]}"
    if not (record.model and record.metric["name"]):
        yield "its model or metric has an empty name"
    try:
        parse_task(record.task)
    except HarnessError as error:
        yield one_line(error)[:200]


def _state(record: Record, now: float) -> Iterator[str]:
    if record.status == "failed":
        yield "it is a failure, which bundles do not hold"
    if record.status == "skipped" and record.scores:
        yield "it is skipped, and yet has scores"
    if record.seed < 0:
        yield f"its seed is {record.seed}"
    if not 0 < record.finished <= now + DAY:
        yield "it was finished in the future, or never" if record.finished > 0 else "it has no date"
    if len({score.variant for score in record.scores}) < len(record.scores):
        yield "two of its scores have one variant"


def _key(record: Record) -> Iterator[str]:
    """Whether the key is that of what the record says it was made of, where it says enough to tell."""
    facts, metric = record.facts, record.metric
    if not _KEY.fullmatch(record.key):
        yield "its key is not 64 hexadecimal digits"
    elif record.kind == "reported":
        place = {name: facts.get(name) for name in ("source", "table", "row", "column")}
        if digest(place) != record.key:
            yield "its key is not that of its source, table, row and column"
    elif record.status == "done":
        sides = [facts.get("evidence")] + ([facts.get("partner_evidence")] if record.partner is not None else [])
        if not all(isinstance(side, str) and _KEY.fullmatch(side) for side in sides):
            yield "its facts do not name its evidence"
        elif record.key != record_key(
            tuple(map(str, sides)),
            {"name": metric["name"], "version": metric.get("version")},
            facts.get("resamples", 0),
        ):
            yield "its key is not that of its evidence, metric and resamples: it was changed after it was made"


def _score(score: ScoreData, low: float, high: float) -> Iterator[str]:
    """A value within the bounds, and an interval that is one.

    An interval may lie beside its value, as a bootstrap's can, and reach beyond the bounds, as a symmetric one can, but
    by no more than their range.
    """
    name = f"{score.variant}: " if score.variant else ""
    if not _within(score.value, score.value, low, high):
        yield f"{name}its value {score.value:g} is outside the metric's bounds, {low:g} to {high:g}"
    if (score.low is None) != (score.high is None):
        yield f"{name}its interval has one end"
    elif score.low is not None and score.high is not None:
        if score.low > score.high:
            yield f"{name}its interval is upside down: {score.low:g} to {score.high:g}"
        elif not _within(score.low, score.high, low - (high - low), high + (high - low)):
            yield f"{name}its interval {score.low:g} to {score.high:g} is far outside the bounds, {low:g} to {high:g}"
    if score.n < 0:
        yield f"{name}it is of {score.n} images"


def _is_bounds(bounds: Any) -> bool:
    return (
        isinstance(bounds, list | tuple)
        and len(bounds) == 2
        and all(b is None or (isinstance(b, int | float) and not isinstance(b, bool)) for b in bounds)
    )


def _within(least: float, greatest: float, low: float, high: float) -> bool:
    """With the slack that `harness.metrics` grants for rounding."""
    slack = 1e-6 * max(1.0, *(abs(b) for b in (low, high) if math.isfinite(b)), 1.0)
    return low - slack <= least and greatest <= high + slack
