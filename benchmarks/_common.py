"""What the benchmarks share: alternating timings, ratios, and how they are printed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tabulate import tabulate


class Timing(NamedTuple):
    """Seconds of one call: by the clock, and of processor time over all threads of this process."""

    wall: float
    cpu: float


def timed(action: Callable[[], object]) -> Timing:
    """One call."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def alternate(contestants: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[Timing]]:
    """Each contestant `repeats` times after one call to warm up.

    They take turns, and the order turns round each time, so that a busy machine slows all of them alike.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in contestants}
    for action in contestants.values():
        action()
    for repeat in range(repeats):
        for name in list(contestants)[:: 1 if repeat % 2 == 0 else -1]:
            timings[name].append(timed(contestants[name]))
    return timings


def speed_ratio(peer: Iterable[Timing], ours: Iterable[Timing], field: Literal["wall", "cpu"] = "wall") -> float:
    """How many times as fast as `peer` we are: the median, over repeats, of peer's seconds by ours."""
    ratios: list[float] = [getattr(p, field) / getattr(o, field) for p, o in zip(peer, ours, strict=True)]
    return statistics.median(ratios)


def median(timings: Iterable[Timing]) -> Timing:
    """The median of each field."""
    wall, cpu = zip(*timings, strict=True)
    return Timing(statistics.median(wall), statistics.median(cpu))


def report(headers: Sequence[str], rows: Sequence[Sequence[Any]], ratio: str) -> None:
    """The table, then the one ratio that the benchmark is about."""
    print(tabulate(rows, headers, tablefmt="simple", floatfmt=".3f", intfmt=","))
    print(f"\n{ratio}")
