"""A small world for the tests of fine-tuning: tinted noise, and an encoder with batch normalisation and dropout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.encoder import Encoder, ModuleEncoder
from harness.evidence import Predictions
from harness.metrics import value
from harness.models import Preprocess
from harness.plugins import Host
from harness.registry import Entry, Origin
from harness.tasks import Augment, Fold, TaskData
from harness_metrics.classification import mean_average_precision, top1

SIDE = 12
SIZES = {"train": 45, "val": 21, "test": 30}


@dataclass
class Images:
    """A fold's images in memory; `drawn` are those that training asked for."""

    images: Tensor
    drawn: list[int] = field(default_factory=list)

    def pixels(self, batch_size: int) -> Iterator[Tensor]:
        yield from torch.split(self.images, batch_size)

    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]:
        self.drawn += draws
        for start in range(0, len(draws), batch_size):
            places = range(start, min(start + batch_size, len(draws)))
            yield torch.stack([augment(self.images[draws[at]], at) for at in places])


def with_finetune(host: Host) -> Host:
    """The host, with the task registered."""
    if "finetune" not in host["task"]:
        host["task"].add(Entry("finetune", "harness_tasks.finetune:Finetune", Origin("test")))
    return host


def encoder(dropout: float = 0.2) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(dropout))
    return ModuleEncoder(net, Preprocess(size=SIDE, crop=1.0)).eval()


def truth(fold: str, multilabel: bool = False) -> Tensor:
    targets = torch.arange(SIZES[fold]) % 3
    if not multilabel:
        return targets
    return torch.stack([targets == 0, targets != 1, torch.arange(SIZES[fold]) % 2 == 0], 1).long()


def images(fold: str, multilabel: bool = False) -> Tensor:
    """uint8 (N, 3, S, S): each channel is brighter in images of its class."""
    random = torch.Generator().manual_seed(len(fold))
    noise = torch.randint(0, 130, (SIZES[fold], 3, SIDE, SIDE), generator=random)
    hot = truth(fold, multilabel) if multilabel else torch.nn.functional.one_hot(truth(fold), 3)
    return (noise + 60 * hot[:, :, None, None]).to(torch.uint8)


def world(*, multilabel: bool = False, dropout: float = 0.2, seed: int = 0, scratch: Path | None = None) -> TaskData:
    """What the host would give the task."""
    folds = {
        name: Fold(name, {}, None if name == "test" else truth(name, multilabel), Images(images(name, multilabel)))
        for name in SIZES
    }
    primary = mean_average_precision if multilabel else top1

    def judge(evidence: Predictions) -> float:
        return value(primary, evidence.join(targets=truth("val", multilabel)))

    return TaskData(folds, ("a", "b", "c"), multilabel, judge, seed, "cpu", encoder(dropout), scratch)
