"""Progress on a terminal and off it; ``events.jsonl``."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from harness.api import plan, run
from harness.passes import PassProgress
from harness.plugins import Host
from harness.records import Record
from harness.suite import Suite
from harness_reporters.events import EventLog
from harness_reporters.progress import ProgressReporter

SUITE = Suite(models=("tiny-random",), tasks=("knn@digits",), metrics=("top1",), limit=40, resamples=10)


def shown(out: Path, terminal: bool) -> str:
    host, text = Host(), io.StringIO()
    host.manager.register(ProgressReporter(Console(file=text, force_terminal=terminal, width=120)))
    run(plan(SUITE, host), out, host)
    return text.getvalue()


def test_plain_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=False)
    assert "1 models × 1 tasks, 1 cells, 80 images" in text
    assert "pass tiny-random · digits/train: 40 images" in text
    assert "\x1b" not in text


def test_bars_on_a_terminal(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True)
    assert "cells" in text
    assert "\x1b" in text


def test_a_failure_is_printed_literally(tmp_path: Path) -> None:
    text = io.StringIO()
    reporter = ProgressReporter(Console(file=text, width=200))
    record = Record(status="failed", model="m", task="t@d", metric={"name": "x"}, reason="bad [bold]thing[/] in /a/[b]")
    reporter.cell_failed(record)
    reporter.pass_progress(PassProgress("m", "d@1", "train", 5, 10, 1.0))
    assert "failed m × t@d × x: bad [bold]thing[/] in /a/[b]" in text.getvalue()


def test_events_are_one_json_line_each_and_appended(tmp_path: Path) -> None:
    host = Host()
    for _ in range(2):
        run(plan(SUITE, host), tmp_path, host)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run_started", "cell_finished", "run_finished"] * 2
    assert [line["reused"] for line in lines if line["event"] == "cell_finished"] == [False, True]
    assert all(line["time"] > 1e9 for line in lines)


def test_a_log_that_was_not_started_writes_nothing() -> None:
    EventLog().cell_failed(Record(status="failed", model="m", task="t@d", metric={"name": "x"}))
