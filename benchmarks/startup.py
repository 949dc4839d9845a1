"""Start-up and planning: `harness --help`, and a plan of 100,000 cells, in processes of their own.

The file is its own plugin: a third of the tasks are on a dataset of ImageNet's size, which exists only as a card.

python -m benchmarks.startup
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._common import report
from harness import hookimpl
from harness.datasets import Dataset, DatasetCard, Split
from harness.errors import HarnessError
from harness.registry import Register

COMMANDS = {
    "python -c pass": ("pass",),
    "harness --help": ("from harness.cli import main; main()", "--help"),
    "harness list": ("from harness.cli import main; main()", "list"),
    "python -c 'import torch'": ("import torch",),
}
METRICS = ("top1", "mean_per_class", "nll", "ece")
DATASETS = ("digits", "scenes", "large")


class Large(Dataset):
    """1.3 million images, which nobody has."""

    @property
    def card(self) -> DatasetCard:
        splits = {"train": 1_281_167, "test": 50_000}
        return DatasetCard(name="large", revision="0", classes=("a", "b"), splits=splits)

    def split(self, name: str) -> Split:
        raise HarnessError("these images exist only as a number")


@hookimpl
def register_datasets(register: Register) -> None:
    register("large", Large)


def run(*command: str) -> tuple[float, str]:
    """Seconds and output of ``python -c``. Raises `CalledProcessError` when it fails."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", *command], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def measure_plan(catalogue: str, tasks: int) -> dict[str, Any]:
    """In a fresh process: discover plugins, read a catalogue of that many checkpoints, plan, list every cell."""
    from harness.api import plan
    from harness.plugins import Host
    from harness.suite import Suite

    start = time.perf_counter()
    host = Host([__file__], [Path(catalogue)])
    discovered, cpu = time.perf_counter(), time.process_time()
    names = [f"knn[temperature={0.01 * (1 + i)}]@{DATASETS[i % 3]}" for i in range(tasks)]
    planned = plan(Suite(models=("bench-*",), tasks=tuple(names), metrics=METRICS), host)
    cells = sum(1 for _ in planned.cells())
    return {"host": discovered - start, "plan": time.perf_counter() - discovered,
            "plan_cpu": time.process_time() - cpu, "cells": cells,
            "torch": "torch" in sys.modules, "sklearn": "sklearn" in sys.modules}  # fmt: skip


def write_catalogue(path: Path, models: int) -> None:
    """Checkpoints that differ by name only; planning reads no weights."""
    rest = "arch: 'torchvision:resnet50', preprocess: imagenet"
    lines = (f"  bench-{i:05d}: {{load: ckpt, source: 'https://example.org/{i}.pth', {rest}}}\n" for i in range(models))
    path.write_text("models:\n" + "".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for repeat in range(args.repeats + 1):  # the first warms the file cache
        for name, command in COMMANDS.items():
            took, _ = run(*command)
            if repeat:
                seconds[name].append(took)
    with tempfile.TemporaryDirectory() as scratch:
        catalogue = Path(scratch) / "catalogue.yaml"
        write_catalogue(catalogue, args.models)
        call = f"from benchmarks.startup import *; print(json.dumps(measure_plan({str(catalogue)!r}, {args.tasks})))"
        plans = [json.loads(run(call)[1]) for _ in range(3)]

    middle = {name: statistics.median(found) for name, found in seconds.items()}
    cells = plans[0]["cells"]
    host, planning, cpu = (statistics.median(found[name] for found in plans) for name in ("host", "plan", "plan_cpu"))
    rows = [*middle.items(), (f"discover plugins, read {args.models} entries", host),
            (f"plan {cells:,} cells", planning), ("the same, CPU seconds", cpu)]  # fmt: skip
    imported = [name for name in ("torch", "sklearn") if any(found[name] for found in plans)]
    print(f"planning imports {' and '.join(imported) or 'neither torch nor scikit-learn'}; "
          f"{cells / cpu:,.0f} cells a CPU second (target: 100,000 in 2 s)")  # fmt: skip
    ratio = middle["harness --help"] / middle["python -c 'import torch'"]
    report(("", "seconds"), rows, f"harness --help / import torch: {ratio:.2f}")


if __name__ == "__main__":
    main()
