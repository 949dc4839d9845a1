"""TensorBoard: one folder of event files for each run of a suite, in ``tensorboard/`` of the run folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from harness import hookimpl
from harness.planning import Plan
from harness.records import Record, Summary
from harness_reporters.common import Names, board_of, require, suite_facts, totals


class TensorboardReporter:
    """Cells as scalars whose step is the seed; the suite's facts, failures and the board as texts."""

    def __init__(self) -> None:
        require("tensorboard", "tensorboard")

    @hookimpl
    def run_started(self, plan: Plan, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._plan, self._out, self._names = plan, out, Names(plan)
        folder = out / "tensorboard" / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        self._writer: Any = SummaryWriter(str(folder))
        self._writer.add_text("suite", "\n".join(f"- **{name}**: {value}" for name, value in suite_facts(plan).items()))

    @hookimpl
    def cell_finished(self, record: Record) -> None:
        self._writer.add_scalar(self._names(record), record.score.value, record.seed)

    @hookimpl
    def cell_failed(self, record: Record) -> None:
        self._writer.add_text(f"failed/{self._names(record)}", record.reason)

    @hookimpl
    def run_finished(self, summary: Summary) -> None:
        try:
            for name, value in totals(summary).items():
                self._writer.add_scalar(f"run/{name}", value)
            self._writer.add_text("board", board_of(self._plan, self._out, summary).render("markdown"))
        finally:
            self._writer.close()
