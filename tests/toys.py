"""A plugin small enough to run in milliseconds: coloured images, seeded nets, a protocol, and a metric of each sort.

Importing it imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness import Model, ModelCard, Needs, Preprocess, TaskData, hookimpl, metric, task
from harness.datasets import Dataset, DatasetCard, Split
from harness.evidence import Embeddings, Predictions
from harness.metrics import Weighted

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoder import Encoder
    from harness.records import Record

SIDE = 16
TINY = Preprocess(size=SIDE, crop=1.0, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def coloured(n: int, classes: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise images (N, 16, 16, 3) of which class c has more of channel c, and their classes (N,)."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % classes
    images = rng.integers(0, 150, (n, SIDE, SIDE, 3), dtype=np.uint8)
    for image, c in zip(images, targets.tolist(), strict=True):
        image[..., c % 3] += np.uint8(60 + 40 * (c // 3))
    return images, targets.astype(np.int64)


class Toy(Dataset):
    """One label an image: ``toy``, ``toy[revision=2]``, ``toy[val=12]`` with an official validation split."""

    def __init__(self, revision: str = "1", train: int = 40, test: int = 24, val: int = 0, classes: int = 3) -> None:
        splits = {"train": train, "test": test} | ({"val": val} if val else {})
        names = tuple(f"colour {c}" for c in range(classes))
        self._card = DatasetCard(name="toy", revision=str(revision), classes=names, splits=splits)

    @property
    def card(self) -> DatasetCard:
        return self._card

    def split(self, name: str) -> Split:
        n, seed = self.card.splits[name], ["train", "test", "val"].index(name)
        images, targets = coloured(n, self.card.num_classes, seed)
        return Split(images, targets, [f"{name}/{i}" for i in range(n)])


class ToyLabels(Toy):
    """The same images with a set of labels each: ``toy-labels``."""

    def __init__(self) -> None:
        super().__init__()
        self._card = self._card.model_copy(update={"kind": "multi-label", "target": "set", "primary_metric": "map"})

    def split(self, name: str) -> Split:
        found = super().split(name)
        return Split(found.images, np.eye(3, dtype=np.int64)[found.targets], found.ids)


def loader(seed: int) -> Callable[[], Encoder]:
    """Of a seeded net: layers ``stem``, ``relu``, ``deep``, ``pool``."""

    def load() -> Encoder:
        from collections import OrderedDict

        import torch
        from torch import nn

        from harness.encoder import ModuleEncoder

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = OrderedDict(
                stem=nn.Conv2d(3, 8, 3, 2, 1), relu=nn.ReLU(inplace=True),
                deep=nn.Conv2d(8, 12, 3, 2, 1), pool=nn.AdaptiveAvgPool2d(1),
            )  # fmt: skip
        return ModuleEncoder(nn.Sequential(net), TINY)

    return load


def toy_model(seed: int, preprocess: Preprocess = TINY) -> Model:
    """A catalogue entry of one of the nets."""
    card = ModelCard(title=f"Toy {seed}", method="Random", paradigm="none", parameters=1100)
    return Model(f"toy{seed}", card, loader(seed), preprocess, {"loader": "toy", "seed": seed})


def from_uri(source: str, seed: int = 0, card: ModelCard | None = None) -> Model:
    """``toy:net?seed=3``."""
    if source != "net":
        raise ValueError(f"no toy {source!r}, only 'net'")
    made = toy_model(seed)
    return Model(made.name, card or made.card, made.load, made.preprocess, made.identity)


@task("centroid", evidence=Predictions)
@dataclass(frozen=True)
class Centroid:
    """Minus the distance to each class's mean embedding, times `scale`; `noise` draws from torch's generator."""

    scale: float = 1.0
    noise: float = 0.0
    layer: str = "embedding"

    @property
    def needs(self) -> Needs:
        return Needs(layers=(self.layer,))

    def run(self, data: TaskData) -> Predictions:
        import torch

        x, y = data.train.embeddings, data.train.targets
        members = y.double() if data.multilabel else torch.nn.functional.one_hot(y, data.num_classes).double()
        means = (members / members.sum(0)).T @ x.double()
        scores = -self.scale * torch.cdist(data.test.embeddings.double(), means)
        scores = scores + self.noise * torch.randn(scores.shape)
        data.progress(1, 1)
        return Predictions(scores.float(), multilabel=data.multilabel)


@task("features", evidence=Embeddings)
class Features:
    """The test embeddings as they are."""

    needs = Needs(folds=("test",))

    def run(self, data: TaskData) -> Embeddings:
        return Embeddings(data.test.embeddings)


@task("live", evidence=Predictions)
class Live:
    """Centroids again, of embeddings that the task itself makes with the live encoder."""

    needs = Needs(folds=("train", "test"), encoder=True)

    def run(self, data: TaskData) -> Predictions:
        import torch

        def embedded(fold: Any) -> Tensor:
            assert data.encoder is not None
            with torch.inference_mode():
                return torch.cat([data.encoder(batch)["embedding"] for batch in fold.pixels(16)])

        x, y = embedded(data.train), data.train.targets
        means = torch.stack([x[y == c].mean(0) for c in range(data.num_classes)])
        return Predictions(-torch.cdist(embedded(data.test), means))


@metric("toy-hits", accepts=Predictions, unit="%", bounds=(0, 100), skip=lambda card: skip_sets(card))
def hits(p: Predictions) -> Tensor:
    """Whether each image's highest score is its target's, in percent, (N,)."""
    return 100.0 * (p.scores.argmax(1) == p.targets)


@metric("toy-hits-weighted", accepts=Predictions, unit="%", bounds=(0, 100), skip=lambda card: skip_sets(card))
def hits_weighted(p: Predictions) -> Weighted:
    """The same as a function of image weights."""
    right = 100.0 * (p.scores.argmax(1) == p.targets).double()
    return Weighted(lambda w: w @ right / w.sum(1))


@metric("toy-spread", accepts=Embeddings, bounds=(0, float("inf")))
def spread(e: Embeddings) -> float:
    """The mean variance of the dimensions: a plain number."""
    return float(e.features.double().var(0, correction=0).mean())


@metric("toy-similarity", accepts=Embeddings, bounds=(-1, 1), pair=True)
def similarity(a: Embeddings, b: Embeddings) -> float:
    """Correlation of the two models' matrices of cosine similarities between images."""
    import torch

    normal = [torch.nn.functional.normalize(e.features.double(), dim=1) for e in (a, b)]
    return float(torch.corrcoef(torch.stack([(x @ x.T).flatten() for x in normal]))[0, 1])


def skip_sets(card: DatasetCard) -> str | None:
    """Why a metric of one label an image does not apply."""
    return None if card.kind == "single-label" else f"{card.name} is {card.kind}"


class Reporter:
    """Keeps every event it is told of, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    @hookimpl
    def run_started(self, plan: Any, out: Any) -> None:
        self.events.append(("run_started", (plan, out)))

    @hookimpl
    def pass_progress(self, progress: Any) -> None:
        self.events.append(("pass_progress", progress))

    @hookimpl
    def task_progress(self, progress: Any) -> None:
        self.events.append(("task_progress", progress))

    @hookimpl
    def cell_finished(self, record: Record) -> None:
        self.events.append(("cell_finished", record))

    @hookimpl
    def cell_skipped(self, record: Record) -> None:
        self.events.append(("cell_skipped", record))

    @hookimpl
    def cell_failed(self, record: Record) -> None:
        self.events.append(("cell_failed", record))

    @hookimpl
    def run_finished(self, summary: Any) -> None:
        self.events.append(("run_finished", summary))

    def of(self, event: str) -> list[Any]:
        """What was told with one event."""
        return [found for name, found in self.events if name == event]


@hookimpl
def register_models(register: Any) -> None:
    for seed in range(3):
        register(f"toy{seed}", toy_model(seed), summary="a seeded net")
    register("toy:", from_uri, summary="toy:net?seed=SEED")


@hookimpl
def register_datasets(register: Any) -> None:
    register("toy", Toy)
    register("toy-labels", ToyLabels)


@hookimpl
def register_tasks(register: Any) -> None:
    for protocol in (Centroid, Features, Live):
        register(protocol)


@hookimpl
def register_metrics(register: Any) -> None:
    for each in (hits, hits_weighted, spread, similarity):
        register(each)
