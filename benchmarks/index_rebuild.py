"""The index of a run's records, made from their files: against reading the same files as JSON, and as records.

    python -m benchmarks.index_rebuild
    python -m benchmarks.index_rebuild --models 10 --repeats 5

A model has 1,000 records; see benchmarks.board_scale.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks._common import alternate, median, report, speed_ratio
from benchmarks._records import METRICS, TASKS, write
from benchmarks.board_scale import only_json, whole_records
from harness.index import Index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()

    count = args.models * TASKS * METRICS
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch)
        write(run / "records", args.models)
        index = Index(run / "records")
        contestants = {
            "rebuild": index.rebuild,
            "json.loads": lambda: only_json(run),
            "read_record": lambda: whole_records(run),
        }
        timings = alternate(contestants, args.repeats)
        files = sum(path.stat().st_size for path in run.glob("records/*/*/*.json"))
        size = (run / "index.sqlite").stat().st_size
    rows = [(name, t.wall, t.cpu, 1e6 * t.cpu / count) for name, t in ((n, median(t)) for n, t in timings.items())]
    print(f"{count:,} records, {files / 1e6:,.0f} MB of JSON, {size / 1e6:,.0f} MB of index\n")
    ratio = speed_ratio(timings["rebuild"], timings["read_record"], "cpu")
    report(("", "seconds", "CPU s", "µs a record"), rows, f"rebuild / read_record: {ratio:.2f} of the CPU time")


if __name__ == "__main__":
    main()
