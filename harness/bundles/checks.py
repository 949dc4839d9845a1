"""Whether one record from outside is what a run could have written, as far as a record can tell."""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from harness.bundles.strict import read_json
from harness.draws import LEVELS, Draws
from harness.errors import HarnessError, first_problem, one_line
from harness.identity import digest, record_key
from harness.lookup import find_metric
from harness.names import parse_task
from harness.plugins import Host
from harness.records import SCHEMA, Record, RecordStore, ScoreData

DAY = 24 * 3600.0
NAME_LENGTH, UNIT_LENGTH = 400, 40
RESAMPLES = 100_000
"""The most that a suite can ask for."""
_KEY = re.compile(r"[0-9a-f]{64}")
_NUMBERS = {int, float, type(None)}


def parse_record(data: bytes) -> Record:
    """A record from bytes of unknown origin. Raises `HarnessError` with the first thing that does not fit."""
    try:
        fields = read_json(data)
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
        if faults := list(_metric(record.metric)):
            yield from faults
            return
        low, high = record.metric.get("bounds") or (None, None)
        low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
        for score in record.scores:
            yield from _score(score, low, high)
        if record.draws is not None:
            yield from _draws(record, record.draws, low, high)
        yield from self._versions(record)

    def _versions(self, record: Record) -> Iterator[str]:
        """Versions of task and metric against those installed; newer ones cannot be judged here."""
        if record.kind != "reported":
            protocol, facts = parse_task(record.task)[0].name, record.facts.get("task")
            stated = facts.get("version") if isinstance(facts, dict) else None
            if record.status == "done" and not _is_version(stated):
                yield "its facts do not say which version of the task it was made by"
            yield from self._version("task", protocol, stated, self._task(protocol))
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
        elif text != unicodedata.normalize("NFC", text).strip():
            yield f"the name of its {what} could pass for another: {ascii(text)[:80]} (spaces at an end, or not NFC)"
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
    if record.limit is not None and record.limit < 2:
        yield f"its limit is {record.limit}"
    if not 0 < record.finished <= now + DAY:
        yield "it was finished in the future, or never" if record.finished > 0 else "it has no date"
    if len({score.variant for score in record.scores}) < len(record.scores):
        yield "two of its scores have one variant"


def _metric(metric: Mapping[str, Any]) -> Iterator[str]:
    """Whether a metric says of itself what boards read: version, unit, direction, bounds."""
    version, unit, bounds = metric.get("version"), metric.get("unit", ""), metric.get("bounds") or (None, None)
    if not _is_version(version):
        yield f"its metric's version is {json.dumps(version)[:60]}, no number from 1"
    if not isinstance(unit, str) or len(unit) > UNIT_LENGTH or not unit.isprintable():
        yield f"its metric's unit is {json.dumps(unit)[:60]}, no word to print"
    if not isinstance(direction := metric.get("higher_is_better"), bool | None):
        yield f"its metric's higher_is_better is {json.dumps(direction)[:60]}, neither true nor false"
    if not _is_bounds(bounds):
        yield f"its metric's bounds are {json.dumps(bounds)[:60]}, not two numbers, the lower first"


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
        elif type(resamples := facts.get("resamples", 0)) is not int or not 0 <= resamples <= RESAMPLES:
            yield f"its resamples are {json.dumps(resamples)[:60]}, no number up to {RESAMPLES:,}"
        elif record.key != record_key(
            tuple(map(str, sides)),
            {"name": metric["name"], "version": metric.get("version")},
            resamples,
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


def _draws(record: Record, draws: Draws, low: float, high: float) -> Iterator[str]:
    """Whether draws are those of the record's resamples and first score: they decide ranks beside other models'."""
    if not _within(draws.low, draws.high, low, high):
        yield f"its draws leave the metric's bounds, {low:g} to {high:g}"
    values, resamples = draws.values(), record.facts.get("resamples", 0)
    if len(values) != resamples:
        yield f"it has {len(values):,} draws, and {json.dumps(resamples)[:20]} resamples"
    ends = np.quantile(values, (0.025, 0.975))
    slack = 2 * (draws.high - draws.low) / LEVELS + 1e-6 * max(1.0, abs(draws.low), abs(draws.high))
    told = [(score.low, score.high) for score in record.scores[:1]]
    if not told or None in told[0] or not np.allclose(ends, np.array(told[0], float), rtol=0, atol=slack):
        yield f"its draws are not those of its interval: 95 % of them lie in {ends[0]:g} to {ends[1]:g}"


def _is_version(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_bounds(bounds: Any) -> bool:
    """Whether these are two numbers, the lower first, either of which may be None."""
    if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not {type(b) for b in bounds} <= _NUMBERS:
        return False
    low, high = bounds
    return low is None or high is None or bool(low < high)


def _within(least: float, greatest: float, low: float, high: float) -> bool:
    """With the slack that `harness.metrics` grants for rounding."""
    slack = 1e-6 * max(1.0, *(abs(b) for b in (low, high) if math.isfinite(b)), 1.0)
    return low - slack <= least and greatest <= high + slack
