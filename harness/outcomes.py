"""Outcomes: what boards read of records, and records as the index holds them, a million of which fit in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from pydantic_core import from_json

from harness.draws import Draws
from harness.planning import Cell
from harness.records import MOST, Kind, Record, ScoreData

Shared = Mapping[str, Any]


class Outcome(Protocol):
    """What a board reads of a record; see `harness.records.Record`. `Indexed` has it too."""

    @property
    def status(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def metric(self) -> Mapping[str, Any]: ...
    @property
    def seed(self) -> int: ...
    @property
    def partner(self) -> str | None: ...
    @property
    def key(self) -> str: ...
    @property
    def scores(self) -> tuple[ScoreData, ...]: ...
    @property
    def draws(self) -> Draws | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def primary(self) -> bool: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def finished(self) -> float: ...
    @property
    def card(self) -> Mapping[str, Any]: ...
    @property
    def dataset(self) -> Mapping[str, Any]: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...
    @property
    def submission(self) -> Mapping[str, str]: ...
    @property
    def cell(self) -> Cell: ...
    @property
    def score(self) -> ScoreData: ...


class Indexed(NamedTuple):
    """A record as the index gives it: an `Outcome` that shares its larger parts and parses the rest when it is asked.

    Attributes:
        scored: the scores as JSON, `ScoreData`'s fields in order.
        own: the cell's own provenance as JSON.
        of_task: ``dataset`` and the facts of the task.
        of_model: ``card`` and the other facts.
        of_run: ``schema_version``, ``provenance`` but for the cell's own, ``submission``.
    """

    status: str
    kind: Kind
    model: str
    partner: str | None
    task: str
    reason: str
    evidence: str | None
    partner_evidence: str | None
    key: str
    seed: int
    limit: int | None
    finished: float
    primary: bool
    draws: Draws | None
    scored: bytes
    own: bytes
    metric: Shared
    of_task: Shared
    of_model: Shared
    of_run: Shared

    @property
    def scores(self) -> tuple[ScoreData, ...]:
        return tuple(
            ScoreData(value=value, low=low, high=high, n=n, variant=variant)
            for value, low, high, n, variant in from_json(self.scored)
        )

    @property
    def card(self) -> Shared:
        return self.of_model["card"]  # type: ignore[no-any-return]

    @property
    def dataset(self) -> Shared:
        return self.of_task["dataset"]  # type: ignore[no-any-return]

    @property
    def facts(self) -> Shared:
        found = self.of_task["facts"] | self.of_model["facts"]
        if self.evidence is not None:
            found["evidence"] = self.evidence
        if self.partner_evidence is not None:
            found["partner_evidence"] = self.partner_evidence
        return found  # type: ignore[no-any-return]

    @property
    def provenance(self) -> Shared:
        return self.of_run["provenance"] | from_json(self.own)  # type: ignore[no-any-return]

    @property
    def submission(self) -> Shared:
        return self.of_run["submission"]  # type: ignore[no-any-return]

    @property
    def cell(self) -> Cell:
        return Cell(self.model, self.task, self.metric["name"], self.seed, self.partner)

    @property
    def score(self) -> ScoreData:
        return self.scores[0]

    def record(self) -> Record:
        """The whole record. Raises `pydantic.ValidationError` for what is none."""
        fields = {name: getattr(self, name) for name in Record.model_fields if name not in ("schema_version", "reused")}
        return Record.model_validate(fields | {"schema_version": self.of_run["schema_version"]})


def told(fields: Mapping[str, Any], *path: str) -> Any:
    """What a record says at a path of its facts; None where it says nothing, or was edited into something else."""
    value: Any = fields
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def section(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a record says under a name, if that is a mapping."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def amount(value: Any) -> float:
    """A number of a record's facts; 0 where there is none."""
    return value if type(value) in (int, float) and -MOST < value < MOST else 0.0


def versions(outcome: Outcome) -> tuple[int, int]:
    """Those of the task's protocol and of the metric; 0 where one is not told."""
    facts = outcome.of_task["facts"] if isinstance(outcome, Indexed) else outcome.facts  # all are put together anew
    return int(amount(told(facts, "task", "version"))), int(amount(outcome.metric.get("version")))
