"""Progress of downloads: a bar each; a line now and then where there is no terminal."""

from __future__ import annotations

import time
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.cli.common import human_size

PLAIN_SECONDS = 10.0


class Downloads:
    """Used as a context manager; `of` gives what a download reports to."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.transferred: set[str] = set()
        self._last = time.monotonic()
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(24), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip

    def __enter__(self) -> Downloads:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    def of(self, name: str) -> partial[None]:
        """A function of the bytes so far and their total, for the download called `name`."""
        return partial(self._told, name)

    def say(self, text: str) -> None:
        """A line above the bars."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)

    def _told(self, name: str, done: int, total: int | None) -> None:
        self.transferred.add(name)
        if self.console.is_terminal:
            task = self._tasks.get(name)
            if task is None:
                task = self._tasks[name] = self._bars.add_task(name, total=total)
            self._bars.update(task, completed=done, total=total, visible=done != total)
        elif (now := time.monotonic()) - self._last >= PLAIN_SECONDS and done != total:
            self._last = now
            self.say(f"{name}: {human_size(done)} of {human_size(total) if total else 'unknown size'}")
