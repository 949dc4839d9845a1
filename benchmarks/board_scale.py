"""From a folder of many records, whose index is in sync, to a ranked board and a site: time, and memory of the process.

    python -m benchmarks.board_scale
    python -m benchmarks.board_scale --models 1000 --folder DIR

A model has 1,000 records: 50 tasks x 20 metrics, one of them primary, with 1,000 draws. Each row is a process of its
own. "In sync" lists the files and compares their times and sizes with the index; the board and the site begin with that
too. The peers read the same files: JSON alone, and whole records. DIR keeps the files (4.4 GB of a million).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks._common import Timing, report, timed
from benchmarks._records import METRICS, TASKS, write

MIB = 2**20 if sys.platform == "darwin" else 1024


class Measured(NamedTuple):
    """One action in a process of its own: its time, and the most memory that the process took."""

    timing: Timing
    peak_mib: float


def in_sync(run: Path) -> None:
    """Look whether any file is new."""
    from harness.index import Index

    assert Index(run / "records").sync().read == 0


def board(run: Path) -> None:
    """The primary metric of each task, ranked with intervals."""
    from harness.api import leaderboard

    assert leaderboard(run).ranked


def site(run: Path) -> None:
    """The board's site, without analyses."""
    from harness.api import leaderboard
    from harness.board.site import build

    with tempfile.TemporaryDirectory() as out:
        build(leaderboard(run), out, analyses=[])


def every_column(run: Path) -> None:
    """A board of all metrics."""
    from harness.api import leaderboard

    assert leaderboard(run, columns="all").rows


def only_json(run: Path) -> None:
    """Read and parse every file, and forget it."""
    for path in run.glob("records/*/*/*.json"):
        json.loads(path.read_bytes())


def whole_records(run: Path) -> None:
    """Read every file as a validated record, and forget it."""
    from harness.records import read_record

    for path in run.glob("records/*/*/*.json"):
        read_record(path)


ACTIONS: dict[str, Callable[[Path], None]] = {
    "in sync": in_sync,
    "board": board,
    "site": site,
    "board of all columns": every_column,
    "peer: json.loads": only_json,
    "peer: read_record": whole_records,
}
PEERS = [name for name in ACTIONS if name.startswith("peer")]


def measured(action: str, run: Path) -> Measured:
    """One action in a new process, imports included."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (action, run))


def _measured(action: str, run: Path) -> Measured:
    timing = timed(lambda: ACTIONS[action](run))
    return Measured(timing, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB)


def prepare(run: Path, models: int) -> None:
    """Files and index, unless they are there."""
    from harness.index import Index

    there = len(list((run / "records").glob("*"))) if (run / "records").is_dir() else 0
    if there and there != models:
        raise SystemExit(f"{run} holds {there} models: give another --folder, or --models {there}")
    if not there:
        write(run / "records", models)
    Index(run / "records").sync()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where the files are, or are made and kept")
    parser.add_argument("--only", nargs="+", choices=ACTIONS, default=list(ACTIONS), metavar="ROW")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        run = args.folder or Path(scratch) / "run"
        prepare(run, args.models)
        found = {action: measured(action, run) for action in args.only}
    rows = [(name, m.timing.wall, m.timing.cpu, round(m.peak_mib)) for name, m in found.items()]
    print(f"{args.models * TASKS * METRICS:,} records\n")
    told = [f"{name[6:]} of all files / site: {found[name].timing.cpu / found['site'].timing.cpu:.1f}"
            for name in PEERS if {name, "site"} <= found.keys()]  # fmt: skip
    report(("", "seconds", "CPU s", "peak MiB"), rows, ", ".join(told))


if __name__ == "__main__":
    main()
