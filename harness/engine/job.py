"""A job: what the local engine computes at one go, and how reporters hear of its progress."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from harness.planning import Cell
from harness.plugins import Host
from harness.tasks import TaskProgress


@dataclass(frozen=True)
class Job:
    """One task of one model at one seed: the cells that share one piece of evidence, `key`.

    Attributes:
        paired: whether cells of two models will want the evidence too.
    """

    model: str
    task: str
    seed: int
    key: str
    cells: tuple[Cell, ...]
    paired: bool


class Announcer:
    """Tells reporters how far a job's task is, half a second apart at least, and when it is done."""

    SECONDS = 0.5

    def __init__(self, host: Host, job: Job) -> None:
        self.host, self.job = host, job
        self.last = -math.inf

    def __call__(self, done: int, total: int) -> None:
        if done >= total or time.monotonic() - self.last >= self.SECONDS:
            self.last = time.monotonic()
            self.host.emit("task_progress", progress=TaskProgress(self.job.model, self.job.task, done, total))
