"""What the host puts into a task's folds: features, images, the judge of the val fold; whether they suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import pixels
from harness.datasets import Split
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Evidence
from harness.metrics import Metric, value
from harness.models import Geometry
from harness.tasks import Augment, TaskData


@dataclass(frozen=True)
class Served(Mapping[tuple[str, str], Tensor]):
    """A fold's features by tap and view, float32 on a device: read when asked for, so that a task holds what it uses.

    Attributes:
        stored: an array of the store, and the fold's rows of it.
    """

    stored: Mapping[tuple[str, str], tuple[NDArray[Any], NDArray[np.int64]]]
    device: str

    def __getitem__(self, key: tuple[str, str]) -> Tensor:
        array, rows = self.stored[key]
        return torch.from_numpy(array[rows]).float().to(self.device)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


@dataclass(frozen=True)
class FoldImages:
    """Reads a fold's images for a task that needs the encoder; it holds no target. See `harness.tasks.Fold`."""

    content: Split
    rows: NDArray[np.int64]
    geometry: Geometry
    decoder: str
    workers: int
    device: str

    def pixels(self, batch_size: int) -> Iterator[Tensor]:
        read = pixels.stream(self.content, self.rows, self.geometry, self.decoder, batch_size, self.workers)
        return (batch.to(self.device) for _, batch in read)

    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]:
        rows = self.rows[np.asarray(draws, np.int64)]
        read = pixels.augmented(self.content, rows, augment, self.decoder, batch_size, self.workers)
        return (batch.to(self.device) for batch in read)


def judge_by(metrics: Sequence[Metric], targets: Tensor | None) -> Callable[[Evidence], float]:
    """What judges evidence about the images of these targets by the first metric that accepts it, larger is better.

    What it returns raises `HarnessError` without targets, and where no metric accepts the evidence or is defined on it.
    """

    def judge(evidence: Evidence) -> float:
        if targets is None:
            raise HarnessError("a task that chooses by judge() needs the val fold")
        metric = next((m for m in metrics if isinstance(evidence, m.accepts)), None)
        if metric is None or metric.higher_is_better is None:
            names = ", ".join(m.name for m in metrics)
            raise HarnessError(f"nothing can be chosen by {names} from {evidence.name}")
        try:
            number = value(metric, evidence.cpu().join(targets=targets))
        except UndefinedError as error:  # of the val images: the scores of the test images may well be defined
            raise HarnessError(f"nothing can be chosen by {metric.name} on the val fold: {error}") from error
        return number if metric.higher_is_better else -number

    return judge


def check_train(task: str, data: TaskData) -> None:
    """Raises `HarnessError` when nothing can be learnt from the training images, or chosen on the others."""
    if empty := [name for name, fold in data.folds.items() if fold.given is not None and len(fold.given) == 0]:
        raise HarnessError(f"{task}: no image is left in the {empty[0]} fold: more images are needed")
    if "train" not in data.folds:
        return
    targets = data.train.targets
    if targets.is_floating_point():
        return
    classes = len(torch.unique(targets)) if not data.multilabel else 2
    if len(targets) < 2 or classes < 2:
        raise HarnessError(
            f"{task}: {len(targets)} training images of {classes} class(es); at least two of each are needed"
        )
    if not data.multilabel and len(targets) < data.num_classes:
        raise HarnessError(
            f"{task}: {len(targets)} training images for {data.num_classes} classes; at least one a class is needed"
        )
