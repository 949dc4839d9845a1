"""Peak memory of one call."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch

UNIT = 1 if sys.platform == "darwin" else 1024


def peak(action: Callable[[], object], device: str = "cpu") -> int:
    """Bytes that a call needs beyond what was there: of the process, a forked one, or of the GPU."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        action()
        return torch.cuda.max_memory_allocated() - before
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_measure, args=(action, theirs))
    child.start()
    theirs.close()
    try:
        return int(ours.recv())
    finally:
        child.join()


def _measure(action: Callable[[], object], to: Connection) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    action()
    to.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * UNIT)
