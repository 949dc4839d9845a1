"""Live progress: cells done, images a second of the current pass, time left; plain lines where there is no terminal."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.cli.common import escape
from harness.passes import PassProgress
from harness.planning import Plan
from harness.records import Record, Summary
from harness.spec import hookimpl
from harness.tasks import TaskProgress

PLAIN_SECONDS = 5.0
LONG_SECONDS = 30.0


class ProgressReporter:
    """Draws two bars, cells and the current pass; on a non-terminal prints a line now and then."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = console.is_terminal
        self.total = self.finished = 0
        self._last = 0.0
        self._told: set[tuple[str, str, str]] = set()
        self._bars = Progress(
            TextColumn("{task.description:<34}", markup=False), BarColumn(24), MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False), TimeElapsedColumn(), TextColumn("left"),
            TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip

    @hookimpl
    def run_started(self, plan: Plan, out: Path) -> None:
        self.total, self.finished, self._last = len(plan), 0, time.monotonic()
        self.console.print(
            f"[bold]{escape(plan.suite.name)}[/]: {len(plan.models)} models × {len(plan.tasks)} tasks,"
            f" {self.total} cells, {plan.images:,} images to forward at most → {escape(out)}",
            highlight=False, soft_wrap=True, emoji=False,
        )  # fmt: skip
        if self.live:
            self._cells = self._bars.add_task("cells", total=self.total, note="")
            self._pass = self._bars.add_task("", total=None, note="", visible=False)
            self._bars.start()

    @hookimpl
    def pass_progress(self, progress: PassProgress) -> None:
        where = f"{progress.model} · {progress.source.split('@')[0]}/{progress.split}"
        where += f" {progress.view}" * (progress.view != "clean")
        speed = f"{progress.images_per_second:,.0f} img/s"
        if self.live:
            self._bars.update(self._pass, description=where[:34], total=progress.total, completed=progress.done,
                              note=speed, visible=progress.done < progress.total)  # fmt: skip
        elif progress.done == progress.total:
            self._line(f"  pass {where}: {progress.total:,} images, {speed}")
        else:
            left = (progress.total - progress.done) / progress.images_per_second
            part = f"{progress.done:,} of {progress.total:,} images"
            self._line(f"  pass {where}: {part}, {speed}, {left:.0f} s left", every=LONG_SECONDS)

    @hookimpl
    def task_progress(self, progress: TaskProgress) -> None:
        where = f"{progress.model} · {progress.task}"
        if self.live:
            self._bars.update(self._pass, description=where[:34], total=progress.total, completed=progress.done,
                              note="steps", visible=progress.done < progress.total)  # fmt: skip
        elif progress.done < progress.total:
            self._line(f"  {where}: step {progress.done:,} of {progress.total:,}", every=LONG_SECONDS)

    @hookimpl
    def cell_finished(self, record: Record) -> None:
        self._advance(record)

    @hookimpl
    def cell_skipped(self, record: Record) -> None:
        self._advance(record)

    @hookimpl
    def cell_failed(self, record: Record) -> None:
        self._advance(record)
        told = (record.model, record.task, record.reason)
        if told not in self._told:  # once, however many metrics it costs
            self._told.add(told)
            line = f"[red]failed[/] {escape(record.model)} × {escape(record.task)}: {escape(record.reason)}"
            self.console.print(line, highlight=False, soft_wrap=True, emoji=False)

    @hookimpl
    def run_finished(self, summary: Summary) -> None:
        if self.live:
            self._bars.stop()

    def _advance(self, record: Record) -> None:
        self.finished += 1
        if self.live:
            self._bars.update(self._cells, completed=self.finished, note=record.model[:20])
        else:
            self._line(f"  {self.finished}/{self.total} cells, at {record.model} × {record.task}", every=PLAIN_SECONDS)

    def _line(self, text: str, every: float = 0.0) -> None:
        now = time.monotonic()
        if now - self._last >= every:
            self._last = now
            self.console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)
