"""Live progress: bars on a terminal, plain lines off it, names printed literally."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from harness.api import plan, run
from harness.cli.progress import ProgressReporter
from harness.passes import PassProgress
from harness.plugins import Host
from harness.records import Record
from harness.suite import Suite

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


def test_a_cell_without_a_score_counts_too() -> None:
    reporter = ProgressReporter(Console(file=io.StringIO()))
    reporter.cell_skipped(Record(status="skipped", model="m", task="t@d", metric={"name": "x"}, key="k"))
    assert reporter.finished == 1


def test_a_failure_is_printed_literally(tmp_path: Path) -> None:
    text = io.StringIO()
    reporter = ProgressReporter(Console(file=text, width=200))
    record = Record(
        status="failed", model="py:m:f", task="t[k=1]@d", metric={"name": "x"}, reason="bad [bold]thing[/] in /a/[b]"
    )
    reporter.cell_failed(record)
    reporter.pass_progress(PassProgress("m", "d@1", "train", 5, 10, 1.0))
    assert "failed py:m:f × t[k=1]@d: bad [bold]thing[/] in /a/[b]" in text.getvalue()


def test_a_pass_over_views_is_told_apart() -> None:
    text = io.StringIO()
    reporter = ProgressReporter(Console(file=text, width=200))
    reporter.pass_progress(PassProgress("m", "d@1", "test", 80, 80, 10.0, "rotation[8]"))
    reporter.pass_progress(PassProgress("m", "d@1", "test", 10, 10, 10.0))
    assert text.getvalue().splitlines() == [
        "  pass m · d/test rotation[8]: 80 images, 10 img/s",
        "  pass m · d/test: 10 images, 10 img/s",
    ]
