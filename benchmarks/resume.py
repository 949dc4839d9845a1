"""Resuming: a run again with nothing left to do, against its first time; and the index of a folder of many records.

python -m benchmarks.resume
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._common import report, timed
from harness import plan, run
from harness.api import default_host
from harness.index import Index
from harness.memory import model_of
from harness.models import Model
from harness.records import Record, RecordStore, Summary, read_record
from harness.suite import Suite

Row = tuple[str, int, int, float, float]


def models(count: int) -> dict[str, Model]:
    """Random initialisations of the tiny zoo's architecture."""
    import torch

    from harness_models.tiny import TinyResNet

    made = {}
    for seed in range(count):
        torch.manual_seed(seed)
        made[f"seed{seed}"] = model_of(f"seed{seed}", TinyResNet(), "cifar")
    return made


def write_records(folder: Path, like: Record, count: int) -> None:
    """Copies of one record under `count` models' names, 20 cells each."""
    store = RecordStore(folder)
    for i in range(count):
        copy = like.model_copy(update={"model": f"model{i // 20:04d}", "seed": i % 20})
        path = store.path(copy.cell, copy.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(copy.model_dump_json(indent=1), encoding="utf-8")


def row(what: str, summary: Summary) -> Row:
    """A line of the table."""
    return what, summary.cells, summary.reused, summary.seconds, 1000 * summary.seconds / summary.cells


def index_rows(folder: Path, records: int) -> Iterator[Row]:
    """The index of a folder of records: made, looked over, read."""
    index = Index(folder)
    steps = (("index: read all", index.sync), ("index: nothing new", index.sync), ("index: all records", index.records))
    for what, action in steps:
        seconds = timed(action).wall
        yield what, records, records, seconds, 1000 * seconds / records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=20, help="of a task on stored embeddings: cells that cost little")
    parser.add_argument("--records", type=int, default=10_000, help="in the folder that is indexed")
    args = parser.parse_args()

    given, host = models(args.models), default_host()
    suite = Suite(models=tuple(given), tasks=("linear@digits", "knn@digits"))
    many = suite.model_copy(update={"tasks": ("knn@digits",), "seeds": tuple(range(args.seeds)), "resamples": 10})
    with tempfile.TemporaryDirectory() as scratch:
        out, copies = Path(scratch) / "run", Path(scratch) / "many" / "records"
        rows, ratios = [], []
        for what, wanted in (("first run", suite), (f"{args.seeds} seeds of knn", many)):
            first, second = (run(plan(wanted, host, given), out, host) for _ in range(2))
            assert second.reused == second.cells, second
            rows += [row(what, first), row("the same again", second)]
            ratios.append(second.seconds / first.seconds)
        write_records(copies, read_record(next(RecordStore(out / "records").paths())), args.records)
        rows += index_rows(copies, args.records)
    report(("", "cells", "reused", "seconds", "ms a cell"), rows,
           f"second run / first: {ratios[0]:.4f} of the time")  # fmt: skip


if __name__ == "__main__":
    main()
