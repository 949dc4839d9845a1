"""``events.jsonl``: every event of a run as one JSON line, for scripts that watch it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import IO, Any

from harness import hookimpl
from harness.planning import Plan, describe
from harness.records import Record, Summary


class EventLog:
    """Appends to the run folder's ``events.jsonl``."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    @hookimpl
    def run_started(self, plan: Plan, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._file = open(out / "events.jsonl", "a", encoding="utf-8")  # noqa: SIM115 - closed by run_finished
        facts = describe(plan)
        self._write("run_started", {name: facts[name] for name in ("suite", "models", "cells", "images")})

    @hookimpl
    def cell_finished(self, record: Record) -> None:
        score = {"value": record.score.value, "low": record.score.low, "high": record.score.high}
        self._write("cell_finished", {**_cell(record), "reused": record.reused, **score})

    @hookimpl
    def cell_skipped(self, record: Record) -> None:
        self._write("cell_skipped", {**_cell(record), "reused": record.reused, "reason": record.reason})

    @hookimpl
    def cell_failed(self, record: Record) -> None:
        self._write("cell_failed", {**_cell(record), "reason": record.reason})

    @hookimpl
    def run_finished(self, summary: Summary) -> None:
        counts = summary.model_dump(exclude={"failures", "skips", "undefined"})
        self._write("run_finished", counts | {"undefined": len(summary.undefined)})
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: str, facts: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"event": event, "time": round(time.time(), 3), **facts}) + "\n")
            self._file.flush()


def _cell(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.cell._asdict().items() if value is not None}


reporter = EventLog()
