"""MLflow: one run for each run of a suite, on the server of MLFLOW_TRACKING_URI or in the run folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness import hookimpl
from harness.planning import Plan
from harness.records import Record, Summary
from harness_reporters.common import Names, board_of, require, suite_facts, totals


class MlflowReporter:
    """The suite's facts as parameters, cells as metrics whose step is the seed, failures as tags, the board as files.

    The experiment is that of MLFLOW_EXPERIMENT_NAME, or named after the suite.
    """

    def __init__(self) -> None:
        require("mlflow", "mlflow")

    @hookimpl
    def run_started(self, plan: Plan, out: Path) -> None:
        from mlflow import MlflowClient

        self._plan, self._out, self._names = plan, out, Names(plan)
        self._client: Any = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or _folder(out))
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or plan.suite.name
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        self._run: str = self._client.create_run(experiment, run_name=out.resolve().name).info.run_id
        for fact, value in suite_facts(plan).items():
            self._client.log_param(self._run, fact, value)

    @hookimpl
    def cell_finished(self, record: Record) -> None:
        self._client.log_metric(self._run, self._names(record), record.score.value, step=record.seed)

    @hookimpl
    def cell_failed(self, record: Record) -> None:
        self._client.set_tag(self._run, f"failed/{self._names(record)}", record.reason)

    @hookimpl
    def run_finished(self, summary: Summary) -> None:
        try:
            for name, value in totals(summary).items():
                self._client.log_metric(self._run, f"run/{name}", value)
            board = board_of(self._plan, self._out, summary)
            for format, file in (("markdown", "board.md"), ("json", "board.json")):
                self._client.log_text(self._run, board.render(format), file)
        finally:
            self._client.set_terminated(self._run, "KILLED" if summary.interrupted else "FINISHED")


def _folder(out: Path) -> str:
    """The store in the run folder; MLflow keeps such stores, and wants to be asked for them in so many words."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return (out.resolve() / "mlruns").as_uri()
