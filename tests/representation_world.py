"""A small world for tests of what representations are: images with masks, and a CNN, a ViT and odd networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from harness.api import plan, run
from harness.datasets import Dataset, DatasetCard, Split
from harness.encoder import ModuleEncoder
from harness.models import Model, ModelCard, Preprocess
from harness.plugins import Host
from harness.records import Record, RecordStore, Summary, read_record
from harness.registry import Entry, Origin
from harness.suite import make_suite
from harness_models.timm_models import model as timm_model

SIDE = 40
PREPROCESS = Preprocess(size=32, crop=1.0)
ME = Origin("test")


class Squares(Dataset):
    """A square on noise, of the class's colour, with its mask.

    Args:
        test: test images.
        alone: whether just one of them is of the last class.
    """

    def __init__(self, test: int = 40, alone: bool = False) -> None:
        self.alone = alone
        self._card = DatasetCard(
            name="squares", revision=f"{test} {alone}", classes=("red", "green", "blue"),
            splits={"train": 36, "test": test},
        )  # fmt: skip

    @property
    def card(self) -> DatasetCard:
        return self._card

    def split(self, name: str) -> Split:
        n = self.card.splits[name]
        rng = np.random.default_rng(len(name))
        targets = np.arange(n) % 3
        if self.alone and name == "test":
            targets = np.array([2, *np.arange(n - 1) % 2])
        images = rng.integers(0, 130, (n, SIDE, SIDE, 3)).astype(np.uint8)
        masks = np.zeros((n, SIDE, SIDE), np.uint8)
        for i, (top, left) in enumerate(rng.integers(2, SIDE - 16, (n, 2)).tolist()):
            masks[i, top : top + 14, left : left + 14] = 1
            images[i, ..., targets[i]] += 120 * masks[i]
        ids = [f"{name}{i}" for i in range(n)]
        return Split(list(images), targets.astype(np.int64), ids, {"object_masks": masks})


class Constant(nn.Module):
    """The same features for all images, from a layer of maps that are the same too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)
        nn.init.zeros_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Flat(nn.Module):
    """A network without a spatial map."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(48, 24), nn.Linear(24, 12)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.first(adaptive_avg_pool2d(x, 4).flatten(1))
        return self.second(hidden.relu())


def shrunk() -> nn.Module:
    """A network whose only spatial map is the image, made smaller."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 12))


def of_module(name: str, module: nn.Module) -> Model:
    return Model(name, ModelCard(paradigm="none"), lambda: ModuleEncoder(module, PREPROCESS), PREPROCESS, {"odd": name})


def timm_models(size: int) -> dict[str, Model]:
    """``cnn`` and ``vit``, of random weights."""
    archs = {"cnn": "resnet10t", "vit": "vit_tiny_patch16_224"}
    return {
        name: timm_model(arch, pretrained=0, preprocess={"size": size, "crop": 1.0}, card=ModelCard(name=name))
        for name, arch in archs.items()
    }


def odd_models() -> dict[str, Model]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        modules = {"constant": Constant(), "flat": Flat(), "shrunk": shrunk()}
    return {name: of_module(name, module) for name, module in modules.items()}


def world(test: int = 40, alone: bool = False) -> Host:
    """The first-party plugins, `squares` and the odd models."""
    host = Host()
    host["dataset"].add(Entry("squares", lambda: Squares(test, alone), ME))
    for name, model in odd_models().items():
        host["model"].add(Entry(name, model, ME))
    return host


def go(
    out: Path, host: Host, models: Sequence[str], tasks: Sequence[str], metrics: Sequence[str],
    batch_size: int | None = None, size: int = 64,
) -> Summary:  # fmt: skip
    """A run of the tasks, on `squares` unless they say; timm's models see images of `size` pixels."""
    found = {name: model for name, model in timm_models(size).items() if name in models}
    bound = [task if "@" in task else f"{task}@squares" for task in tasks]
    suite = make_suite({"models": models, "tasks": bound, "metrics": metrics, "resamples": 20})
    return run(plan(suite, host, found), out, host, batch_size=batch_size)


def records(out: Path, status: str) -> list[Record]:
    found = [read_record(path) for path in RecordStore(out / "records").paths()]
    return [record for record in found if record.status == status]
