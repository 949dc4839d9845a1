"""Weights & Biases: one run for each run of a suite; WANDB_MODE, WANDB_PROJECT and the like say where it goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness import hookimpl
from harness.planning import Plan
from harness.records import Record, Summary
from harness_reporters.common import Names, board_of, require, suite_facts, totals


class WandbReporter:
    """The suite's facts as configuration, cells as metrics, failures in the summary, the board as an artifact.

    Files are kept in the run folder; the project is ``ssl-harness`` unless WANDB_PROJECT names another.
    """

    def __init__(self) -> None:
        require("wandb", "wandb")

    @hookimpl
    def run_started(self, plan: Plan, out: Path) -> None:
        import wandb

        self._plan, self._out, self._names = plan, out, Names(plan)
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "ssl-harness", name=out.resolve().name, group=plan.suite.name,
            dir=out, config=suite_facts(plan), settings=wandb.Settings(console="off"),
        )  # fmt: skip

    @hookimpl
    def cell_finished(self, record: Record) -> None:
        self._run.log({self._names(record): record.score.value, "seed": record.seed})

    @hookimpl
    def cell_failed(self, record: Record) -> None:
        self._run.summary[f"failed/{self._names(record)}"] = record.reason

    @hookimpl
    def run_finished(self, summary: Summary) -> None:
        import wandb

        try:
            self._run.summary.update({f"run/{name}": value for name, value in totals(summary).items()})
            board = board_of(self._plan, self._out, summary)
            artifact = wandb.Artifact("board", type="leaderboard")
            for format, file in (("markdown", "board.md"), ("json", "board.json")):
                with artifact.new_file(file, encoding="utf-8") as opened:
                    opened.write(board.render(format))
            self._run.log_artifact(artifact)
        finally:
            self._run.finish(exit_code=130 if summary.interrupted else 0)
