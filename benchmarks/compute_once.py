"""Images forwarded / images wanted: 10 encoders x 3 datasets x several tasks and metrics, run four times.

Forwards are counted by a hook on each encoder, wanted images from the datasets' cards, so that neither number comes
from the harness. The file is its own plugin: it adds the one task that reads several layers.

    python -m benchmarks.compute_once
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._common import report
from harness import Needs, TaskData, hookimpl, plan, run, task
from harness.evidence import Predictions
from harness.lookup import find_dataset
from harness.models import preprocess_of
from harness.plugins import Host
from harness.registry import Register
from harness.suite import Suite

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models import Model

LAYERS = ("stage1", "stage3", "embedding")
METRICS = ("top1", "mean_per_class", "nll")


@task("layerwise", evidence=Predictions)
@dataclass(frozen=True)
class Layerwise:
    """Nearest class mean on each of three layers: one variant a layer."""

    needs = Needs(layers=LAYERS)

    def run(self, data: TaskData) -> Mapping[str, Predictions]:
        import torch

        found = {}
        for layer in LAYERS:
            means = class_means(data.train.layer(layer), data.train.targets, data.num_classes)
            found[layer] = Predictions(-torch.cdist(data.test.layer(layer), means))
        return found


def class_means(features: Tensor, targets: Tensor, classes: int) -> Tensor:
    """(C, D); far away for a class without images."""
    import torch

    members = torch.nn.functional.one_hot(targets, classes).to(features)
    counts = members.sum(0)[:, None]
    return torch.where(counts > 0, members.T @ features / counts.clamp(min=1), 1e6)


@hookimpl
def register_tasks(register: Register) -> None:
    register(Layerwise)


class Counter:
    """Images that went into any encoder since the last `take`."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, encoder: Any, args: tuple[Any, ...]) -> None:
        self.images += len(args[0])

    def take(self) -> int:
        taken, self.images = self.images, 0
        return taken


def encoders(count: int, counter: Counter) -> dict[str, Model]:
    """The tiny zoo's architecture with `count` random initialisations, each hooked."""
    import torch

    from harness.encoder import ModuleEncoder
    from harness.memory import model_of
    from harness_models.tiny import TinyResNet

    made = {}
    for seed in range(count):
        torch.manual_seed(seed)
        encoder = ModuleEncoder(TinyResNet(), preprocess_of("cifar"))
        encoder.register_forward_pre_hook(counter)
        made[f"seed{seed}"] = model_of(f"seed{seed}", encoder, "cifar")
    return made


def write_arrays(path: Path) -> str:
    """A seeded four-class set of coloured noise, with an official validation split; returns its name."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, n in (("train", 400), ("val", 100), ("test", 200)):
        y = rng.integers(0, 4, n)
        tint = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [150, 150, 40]])[y][:, None, None]
        arrays[f"x_{split}"] = np.clip(tint + rng.normal(0, 60, (n, 24, 24, 3)), 0, 255).astype(np.uint8)
        arrays[f"y_{split}"] = y
    np.savez(path, **arrays)
    return f"arrays:{path}"


def wanted(suite: Suite, host: Host) -> int:
    """The distinct (encoder, image): of each source, not of each dataset, as targets share images."""
    cards = [find_dataset(host, text.partition("@")[2]).card for text in suite.tasks]
    sources = {card.source: card.splits for card in cards}
    return len(suite.models) * sum(min(n, suite.limit or n) for splits in sources.values() for n in splits.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--limit", type=int, default=150, help="images of each split")
    args = parser.parse_args()

    counter, host = Counter(), Host(plugins=[__file__])
    models = encoders(args.models, counter)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        noise = write_arrays(Path(scratch) / "noise.npz")
        tasks = [f"{p}@{d}" for d in ("digits", "scenes", noise) for p in ("knn", "linear", "layerwise")]
        tasks += ["knn@scenes[colour]", "linear@scenes[shapes]"]
        suite = Suite(models=tuple(models), tasks=tuple(tasks), metrics=METRICS, limit=args.limit, resamples=100)
        for what, changes in (
            ("first run", {}),
            ("the same again", {}),
            ("two metrics added", {"metrics": (*METRICS, "ece", "top5")}),
            ("a task added", {"tasks": (*tasks, "knn[temperature=0.2]@digits")}),
        ):
            changed = suite.model_copy(update=changes)
            summary = run(plan(changed, host, models), Path(scratch) / "run", host)
            assert summary.failed == 0, summary.failures[0]
            counts = summary.cells, summary.reused, wanted(changed, host), counter.take(), summary.images_forwarded
            rows.append((what, *counts, summary.seconds))
    ratio, later = rows[0][4] / rows[0][3], sum(row[4] for row in rows[1:])
    report(("run", "cells", "reused", "wanted", "forwarded", "summary.json", "seconds"), rows,
           f"images forwarded / wanted: {ratio:.2f} (must be 1.00); in the three later runs {later} (0)")  # fmt: skip


if __name__ == "__main__":
    main()
