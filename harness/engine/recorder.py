"""Keeps the outcome of every cell: a record on disk, an event for reporters, a line of the summary."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

from harness.datasets import DatasetCard
from harness.engine.options import Options, environment, peak_memory
from harness.errors import HarnessError, OutputError, UndefinedError, one_line
from harness.identity import record_key
from harness.metrics import Score
from harness.planning import Cell, Plan, dataset_identity, task_identity
from harness.plugins import Host
from harness.records import Record, RecordStore, ScoreData, Summary

T = TypeVar("T")


def about(card: DatasetCard) -> dict[str, Any]:
    """What a record says of its dataset, so that boards and analyses can group by it."""
    facts = card.model_dump(mode="json", include={"title", "domain", "near", "collection", "kind", "within"})
    return facts | {"classes": card.num_classes}


def _named(cell: Cell) -> dict[str, str]:
    return {name: str(value) for name, value in cell._asdict().items() if value is not None}


def _outdated(record: Record) -> bool:
    """Whether it ranks models, and is from before records had draws: scored anew, from the stored evidence."""
    return record.schema_version < 2 and record.primary and record.status == "done"


class StopRunError(Exception):
    """``--fail-fast`` met a failed cell."""


class Recorder:
    """Everything about cells but computing them.

    Attributes:
        summary: counts so far.
        evidence: the evidence key of each (model, task, seed), once known.
        cause: why the last guarded action failed, in a line.
    """

    cause = HarnessError("")

    def __init__(self, plan: Plan, host: Host, options: Options, device: str) -> None:
        self.plan, self.host, self.options, self.device = plan, host, options, device
        self.records = RecordStore(options.out / "records")
        self.environment = environment(device) | {"plugins": {n: str(o) for n, o in host.origins.items()}}
        self.evidence: dict[tuple[str, str, int], str] = {}
        self.summary = Summary(
            suite=plan.suite.name, out=str(options.out), cells=len(plan), images_wanted=plan.images,
            skipped=len(plan.skips), skips=[skip._asdict() for skip in plan.skips],
        )  # fmt: skip

    def key(self, cell: Cell) -> str:
        """The cell's record key; empty while the evidence of its model (or of its partner) is unknown."""
        models = [cell.model] if cell.partner is None else [cell.model, cell.partner]
        evidence = tuple(self.evidence.get((model, cell.task, cell.seed), "") for model in models)
        if not all(evidence):
            return ""
        return record_key(evidence, self.plan.metrics[cell.metric].identity, self.plan.suite.resamples)

    def finished(self, cell: Cell) -> Record | None:
        """The cell's finished record, if it was measured here, unless the run is forced or the file cannot be read."""
        if self.options.force:
            return None
        try:
            record = self.records.finished(cell, self.key(cell))
            return record if record is not None and record.kind == "measured" and not _outdated(record) else None
        except HarnessError as error:
            if str(error) not in self.summary.warnings:
                self.summary.warnings.append(str(error))
            return None

    def reuse(self, cell: Cell) -> bool:
        """Whether the cell was finished before; if so it is announced."""
        record = self.finished(cell)
        if record is None:
            return False
        self.records.forget_failure(cell)
        record = record.model_copy(update={"reused": True})
        if record.status == "skipped":
            self._tell_undefined(cell, record)
            return True
        self.summary.keys[cell] = record.key
        self.summary.reused += 1
        self.host.emit("cell_finished", record=record)
        return True

    def done(
        self, cell: Cell, scores: list[Score], facts: Mapping[str, Any], seconds: dict[str, float],
        cost: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Record a finished cell."""
        provenance = self.environment | {"seconds": seconds, "peak_memory": peak_memory(self.device)}
        provenance |= {"cost": dict(cost)} if cost else {}
        found = tuple(ScoreData(value=s.value, low=s.low, high=s.high, n=s.n, variant=s.variant) for s in scores)
        facts = self._facts(cell) | dict(facts)
        draws = scores[0].draws if self.plan.tasks[cell.task].primary.name == cell.metric else None
        record = self._record(cell, "done", scores=found, draws=draws, facts=facts, provenance=provenance)
        self.records.write(record)
        self.summary.keys[cell] = record.key
        self.summary.done += 1
        self.host.emit("cell_finished", record=record)

    def skipped(self) -> None:
        """Record every pair that is skipped for more than its type with its reason, once."""
        for skip in (skip for skip in self.plan.skips if not skip.mismatch):
            for metric in [skip.metric] if skip.metric else self.plan.metrics:
                for model in self.plan.models:
                    cell = Cell(model, skip.task, metric, self.plan.suite.seeds[0])
                    if not self.records.path(cell, "").is_file():
                        self.records.write(self._record(cell, "skipped", reason=skip.reason))

    def guard(self, cells: Iterable[Cell], action: Callable[[], T]) -> T | None:
        """``action()``; or None, after a record for every cell: of its failure, or that its score is undefined.

        Raises `OutputError` when nothing can be recorded any more, `StopRunError` after a failure with ``--fail-fast``.
        """
        try:
            return action()
        except (OutputError, StopRunError):
            raise
        except UndefinedError as error:
            self.cause = UndefinedError(one_line(error))
            for cell in cells:
                self._undefined(cell)
            return None
        except (Exception, SystemExit) as error:  # what model, task or metric code raises fails its cells, not the run
            self.cause = HarnessError(one_line(error))
            for cell in cells:
                self._failed(cell, error)
            return None

    def _undefined(self, cell: Cell) -> None:
        record = self._record(cell, "skipped", reason=str(self.cause))
        self.records.write(record)
        self._tell_undefined(cell, record)

    def _tell_undefined(self, cell: Cell, record: Record) -> None:
        self.summary.keys[cell] = record.key
        self.summary.undefined.append(_named(cell) | {"reason": record.reason})
        self.host.emit("cell_skipped", record=record)

    def _failed(self, cell: Cell, error: BaseException) -> None:
        printed = "".join(traceback.format_exception(error))
        trace = {"traceback": printed.encode("utf-8", "replace").decode()}
        record = self._record(cell, "failed", reason=one_line(error), provenance=self.environment | trace)
        self.records.write(record)
        self.summary.keys[cell] = record.key
        self.summary.failed += 1
        self.summary.failures.append(_named(cell) | {"reason": record.reason})
        self.host.emit("cell_failed", record=record)
        if self.options.fail_fast:
            raise StopRunError

    def _record(self, cell: Cell, status: Literal["done", "failed", "skipped"], **fields: Any) -> Record:
        return Record(
            status=status, model=cell.model, task=cell.task, metric=self.plan.metrics[cell.metric].describe(),
            seed=cell.seed, partner=cell.partner, key=self.key(cell), limit=self._limit(cell),
            primary=self.plan.tasks[cell.task].primary.name == cell.metric,
            card=self.plan.models[cell.model].card.model_dump(mode="json", exclude_defaults=True),
            dataset=about(self.plan.tasks[cell.task].dataset.card), **fields,
        )  # fmt: skip

    def _limit(self, cell: Cell) -> int | None:
        """The suite's limit, where it leaves images out."""
        limit, sizes = self.plan.suite.limit, self.plan.tasks[cell.task].dataset.card.splits.values()
        return limit if limit is not None and any(n > limit for n in sizes) else None

    def _facts(self, cell: Cell) -> dict[str, Any]:
        """What went into the key, in words."""
        task, suite = self.plan.tasks[cell.task], self.plan.suite
        sides = {"evidence": cell.model} | ({"partner_evidence": cell.partner} if cell.partner is not None else {})
        facts = {side: self.evidence.get((model, cell.task, cell.seed), "") for side, model in sides.items()}
        return {"task": task_identity(task), "dataset": dataset_identity(task), "precision": suite.precision,
                "decoder": suite.decoder, "resamples": suite.resamples, **facts}  # fmt: skip
