"""Synthetic data for a task: folds with as much signal as wanted, and a small encoder where it asks for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from harness.datasets import DatasetCard
from harness.encoder import Encoder, ModuleEncoder
from harness.evidence import Evidence, Predictions
from harness.models import Preprocess
from harness.tasks import Augment, Fold, Task, TaskData
from harness.testing import samples

CARDS = (samples.card(classes=5), samples.card("multi-label", classes=5))
SIZES = {"train": 300, "val": 120, "test": samples.TEST}
SEEDS = {"train": 11, "val": 12, "test": 13}


def truth(card: DatasetCard, fold: str) -> Tensor:
    """A fold's targets, as `harness.testing.samples.targets`."""
    return samples.targets(card, SIZES[fold], SEEDS[fold])


def data(task: Task, card: DatasetCard, signal: float, order: Tensor | None = None) -> TaskData:
    """What the host would give the task, with features `signal` from noise; `order` permutes the test images.

    The targets of the test fold are withheld, but from an episodic task.
    """
    folds = {name: _fold(task, card, name, signal, order if name == "test" else None) for name in task.needs.folds}
    encoder = small_encoder() if task.needs.encoder else None
    return TaskData(folds, card.classes, card.kind == "multi-label", partial(_judge, card), encoder=encoder)


def _judge(card: DatasetCard, evidence: Evidence) -> float:
    """The share of the val images' targets that are predicted, for a task that chooses by it."""
    wanted = truth(card, "val")
    if not isinstance(evidence, Predictions):
        return 0.0
    found = evidence.scores > 0 if wanted.ndim == 2 else evidence.scores.argmax(1)
    return float((found.cpu() == wanted).double().mean())


def _fold(task: Task, card: DatasetCard, name: str, signal: float, order: Tensor | None) -> Fold:
    targets, needs = truth(card, name), task.needs
    order = torch.arange(len(targets)) if order is None else order
    served: dict[tuple[str, str], Tensor] = {}
    if not needs.encoder:
        seeds = {key: SEEDS[name] + 100 * at for at, key in enumerate(needs.features)}
        served = {k: samples.features(targets, card.num_classes, signal, seed)[order] for k, seed in seeds.items()}
    images = samples.pixels(targets, card.num_classes, signal, SEEDS[name])[order] if needs.encoder else None
    given = targets[order] if name != "test" or task.episodic else None

    return Fold(name, served, given, None if images is None else MemoryImages(images))


@dataclass(frozen=True)
class MemoryImages:
    """Images of a fold, (N, 3, S, S), that are there already."""

    images: Tensor

    def pixels(self, batch_size: int) -> Iterator[Tensor]:
        yield from torch.split(self.images, batch_size)

    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]:
        for start in range(0, len(draws), batch_size):
            places = range(start, min(start + batch_size, len(draws)))
            yield torch.stack([augment(self.images[draws[at]], at) for at in places])


def small_encoder() -> Encoder:
    """A seeded two-layer convolutional encoder of 32-pixel images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
    return ModuleEncoder(module, Preprocess(size=32, crop=1.0)).eval()
