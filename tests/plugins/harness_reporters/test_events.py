"""``events.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path

from harness.api import plan, run
from harness.plugins import Host
from harness.records import Record, Summary
from harness.suite import Suite
from harness_reporters.events import EventLog

SUITE = Suite(models=("tiny-random",), tasks=("knn@digits",), metrics=("top1",), limit=40, resamples=10)


def test_events_are_one_json_line_each_and_appended(tmp_path: Path) -> None:
    host = Host()
    for _ in range(2):
        run(plan(SUITE, host), tmp_path, host)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run_started", "cell_finished", "run_finished"] * 2
    assert [line["reused"] for line in lines if line["event"] == "cell_finished"] == [False, True]
    assert all(line["time"] > 1e9 for line in lines)


def test_an_undefined_score_is_a_line_with_its_reason(tmp_path: Path) -> None:
    host, log = Host(), EventLog()
    record = Record(status="skipped", model="m", task="t@d", metric={"name": "x"}, key="k", reason="no error")
    log.run_started(plan(SUITE, host), tmp_path)
    log.cell_skipped(record)
    log.run_finished(Summary(suite="s", out="o", undefined=[{"model": "m", "reason": "no error"}]))
    _, told, end = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    cell = {"model": "m", "task": "t@d", "metric": "x", "seed": 0, "reused": False, "reason": "no error"}
    assert told == {"event": "cell_skipped", "time": told["time"], **cell}
    assert end["undefined"] == 1


def test_a_log_that_was_not_started_writes_nothing() -> None:
    EventLog().cell_failed(Record(status="failed", model="m", task="t@d", metric={"name": "x"}))
