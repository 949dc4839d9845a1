"""A small world for the engine's tests: a dataset, models, tasks and metrics in memory, and a run of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from harness.api import plan, run
from harness.datasets import Dataset, DatasetCard, Split
from harness.encoder import ModuleEncoder
from harness.evidence import Embeddings, Predictions
from harness.metrics import metric
from harness.models import PRESETS, Model, ModelCard
from harness.plugins import Host
from harness.records import Record, RecordStore, Summary, read_record
from harness.registry import Entry, Origin
from harness.suite import Suite
from harness.tasks import Needs, TaskData, task

ME = Origin("test")
CIFAR = PRESETS["cifar"]


class Colours(Dataset):
    """Three classes of images that differ in their dominant channel."""

    def __init__(self, target: str = "label", revision: str = "1", broken: str = "", classes: int = 3) -> None:
        self.broken, self.read = broken, 0
        self._card = DatasetCard(
            name="colours", revision=revision + broken, target=target, classes=tuple("abc"[:classes]),
            splits={"train": 90, "test": 60},
        )  # fmt: skip

    @property
    def card(self) -> DatasetCard:
        return self._card

    def split(self, name: str) -> Split:
        rng, n = np.random.default_rng(len(name)), self.card.splits[name]
        y = rng.integers(0, 3, n)
        x = rng.integers(0, 120, (n, 12, 12, 3)).astype(np.uint8)
        x[np.arange(n), :, :, y] += 60
        images: list[object] = list(x)
        if self.broken:
            images[7] = b"not an image"
        return Split(
            images,
            (y if len(self.card.classes) == 3 else np.zeros(n)).astype(np.int64),
            [f"{name}{i}" for i in range(n)],
        )


def small_net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def model(seed: int, fail: bool = False) -> Model:
    def load() -> ModuleEncoder:
        if fail:
            raise RuntimeError("no such weights")
        return ModuleEncoder(small_net(seed), CIFAR)

    return Model(f"net{seed}", ModelCard(paradigm="none"), load, CIFAR, {"seed": seed})


@task("cheat", evidence=Predictions)
class Cheat:
    """Asks for what it must not see."""

    def run(self, data: TaskData) -> Predictions:
        return Predictions(torch.nn.functional.one_hot(data.test.targets).float())


@task("pixels", evidence=Predictions)
class Pixels:
    """Needs the live encoder; classifies by the brightest channel."""

    needs = Needs(encoder=True)

    def run(self, data: TaskData) -> Predictions:
        assert data.encoder is not None
        batches = [(batch, data.encoder(batch)["embedding"]) for batch in data.test.pixels(16)]
        assert all(len(batch) == len(embedding) for batch, embedding in batches)
        return Predictions(torch.cat([batch.float().mean((2, 3)) for batch, _ in batches]))


@task("embedded", evidence=Embeddings)
class Embed:
    """Hands the test embeddings of two layers on, by variant."""

    needs = Needs(folds=("test",), layers=("embedding", "0"))

    def run(self, data: TaskData) -> dict[str, Embeddings]:
        return {layer: Embeddings(data.test.layer(layer)) for layer in self.needs.layers}


@metric("distance", accepts=Embeddings, pair=True, bounds=(0, float("inf")), higher_is_better=False)
def distance(a: Embeddings, b: Embeddings) -> torch.Tensor:
    """Distance of two models' embeddings of each image, (N,)."""
    return (a.features - b.features).norm(dim=1)


@metric("raises", accepts=Predictions)
def raises(p: Predictions) -> float:
    """Always fails."""
    raise ZeroDivisionError("on purpose")


def make_host(**datasets: Dataset) -> Host:
    host = Host()
    for seed in range(3):
        host["model"].add(Entry(f"net{seed}", model(seed), ME))
    host["model"].add(Entry("broken", model(9, fail=True), ME))
    for name, dataset in ({"colours": Colours()} | datasets).items():
        host["dataset"].add(Entry(name, lambda *a, _d=dataset, **k: _d, ME))
    for cls in (Cheat, Pixels, Embed):
        host["task"].add(Entry(cls.name, cls, ME))
    for one in (distance, raises):
        host["metric"].add(Entry(one.name, one, ME))
    return host


def suite(**changes: object) -> Suite:
    fields = {
        "models": ("net0", "net1"),
        "tasks": ("knn@colours", "linear@colours"),
        "metrics": ("top1", "nll"),
        "resamples": 20,
    }
    return Suite.model_validate(fields | changes)


def go(out: Path, host: Host | None = None, options: dict | None = None, **changes: object) -> Summary:
    host = host or make_host()
    return run(plan(suite(**changes), host), out, host, **(options or {}))


def records(out: Path, status: str = "done") -> list[Record]:
    found = [read_record(path) for path in RecordStore(out / "records").paths()]
    return sorted((r for r in found if r.status == status), key=lambda r: tuple(map(str, r.cell)))
