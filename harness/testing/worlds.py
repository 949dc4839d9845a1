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
from harness.passes import pooled
from harness.taps import read, resolve, resolved
from harness.tasks import Augment, Fold, Task, TaskData
from harness.testing import samples
from harness.transforms import family_of, image_seed
from harness.views import is_family
from harness.views import size as view_count

CARDS = (samples.card(classes=5), samples.card("multi-label", classes=5))
SIZES = {"train": 300, "val": 120, "test": samples.TEST}
SEEDS = {"train": 11, "val": 12, "test": 13}


def truth(card: DatasetCard, fold: str) -> Tensor:
    """A fold's targets, as `harness.testing.samples.targets`."""
    return samples.targets(card, SIZES[fold], SEEDS[fold])


def size(task: Task, fold: str) -> int:
    """How many images a fold of the task has: its sample of the test fold's."""
    return min(SIZES[fold], task.needs.sample or SIZES[fold]) if fold == "test" else SIZES[fold]


def data(task: Task, card: DatasetCard, signal: float, order: Tensor | None = None) -> TaskData:
    """What the host would give the task, with features `signal` from noise; `order` permutes the test images.

    The targets of the test fold are withheld, but from an episodic task. A task that asks for the encoder too gets the
    encoder's own features.
    """
    encoder, needs = small_encoder(), task.needs
    folds = {n: _fold(task, card, n, signal, encoder, order if n == "test" else None) for n in needs.folds}
    layers = {read(name).layer for name in resolved(needs.layers or (), encoder.layers)}
    return TaskData(
        folds, card.classes, card.kind == "multi-label", partial(_judge, card),
        encoder=encoder if needs.encoder else None,
        layers=tuple(sorted(layers, key=lambda name: encoder.layers.index(name) if name in encoder.layers else -1)),
    )  # fmt: skip


def _judge(card: DatasetCard, evidence: Evidence) -> float:
    """The share of the val images' targets that are predicted, for a task that chooses by it."""
    wanted = truth(card, "val")
    if not isinstance(evidence, Predictions):
        return 0.0
    found = evidence.scores > 0 if wanted.ndim == 2 else evidence.scores.argmax(1)
    return float((found.cpu() == wanted).double().mean())


def _fold(task: Task, card: DatasetCard, name: str, signal: float, encoder: Encoder, order: Tensor | None) -> Fold:
    targets, needs = truth(card, name)[: size(task, name)], task.needs
    order = torch.arange(len(targets)) if order is None else order
    images = samples.pixels(targets, card.num_classes, signal, SEEDS[name])
    served: dict[tuple[str, str], Tensor] = {}
    for at, feature in enumerate(needs.of_fold(name)):
        for text in resolve(feature.layer, encoder.layers):
            tap = read(text)
            if needs.encoder:
                with torch.no_grad():
                    found = pooled(encoder, encoder(images, (tap.layer,))[tap.layer], tap.layer)
            else:
                seed = SEEDS[name] + 100 * at + len(served)
                found = samples.features(targets, card.num_classes, signal, seed)
            if is_family(feature.view):
                noise = torch.Generator().manual_seed(SEEDS[name] + at)
                views = view_count(feature.view)
                found = found[:, None] + 0.3 * torch.randn(len(found), views, found.shape[1], generator=noise)
            found = found[order]
            served[text, feature.view] = _block_grams(found, tap.block) if tap.reduction == "gram" else found
    given = targets[order] if name != "test" or task.episodic else None
    source = MemoryImages(images[order]) if needs.encoder else None
    ids = [f"{name}{i}" for i in order.tolist()]
    return Fold(name, served, given, source, (lambda view: parameters_of(view, ids)) if name == "test" else None)


def parameters_of(view: str, ids: Sequence[str]) -> Tensor:
    """(N, V, P): the parameters of a family's views of images of these names."""
    family, count = family_of(view)
    return torch.stack([family.draw(count, image_seed(family.name, name)) for name in ids])


def _block_grams(features: Tensor, block: int) -> Tensor:
    """Inner products within blocks, as `harness.sweeps.BlockGrams` makes them, of (N, D) or (N, V, D)."""
    if features.ndim == 3:
        return torch.stack([_block_grams(one, block) for one in features.unbind(1)], 1)
    out = torch.zeros(len(features), block)
    for start in range(0, len(features), block):
        part = features[start : start + block]
        part = part - part.mean(0)
        out[start : start + len(part), : len(part)] = part @ part.T
    return out


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
