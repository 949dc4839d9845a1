"""Predictions for transformed images (Tendle & Hasan 2021, 2109.09150; how, is our definition)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.evidence import ViewPredictions
from harness.tasks import EMBEDDING, Augment, Fold
from harness.views import CLEAN, seen
from harness_tasks.finetune import Finetune
from harness_tasks.linear import Linear
from harness_tasks.views import family_and_number

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models import Geometry
    from harness.transforms import Family


@task("consistency", evidence=ViewPredictions, primary="consistency", version=2)  # raise with linear's or finetune's
@dataclass(frozen=True)
class Consistency:
    """A classifier's scores for the test images and for views of each (our definition).

    The classifier is fitted to images as they are: the linear task's converged probe, or the fine-tuned network with
    these parameters and otherwise the task's own. Either is chosen on val by the dataset's metric, as by those tasks.

    Attributes:
        family: of transforms, ``rotation``, or with a number, ``rotation[16]``; see `harness.transforms`.
        n: views of each image; the family's own number by default.
        head: the classifier.
        sample: so many of the test images, a fixed choice; None for all.
        steps, batch, lrs, wds: of `finetune`; the linear head has no use for them.
    """

    family: str = "simclr"
    n: int | None = None
    head: Literal["linear", "finetune"] = "linear"
    sample: int | None = 200
    steps: int = 5000
    batch: int = 64
    lrs: tuple[float, ...] | float = Finetune.lrs
    wds: tuple[float, ...] | float = Finetune.wds

    def __post_init__(self) -> None:
        """Raises `HarnessError` for views that there are not, and parameters that `finetune` refuses."""
        family, n = family_and_number(self.family, self.n)
        tuned = self._tuned
        for name, value in (("family", family), ("n", n), ("lrs", tuned.lrs), ("wds", tuned.wds)):
            object.__setattr__(self, name, value)  # one form, so that the same task has one key

    @property
    def view(self) -> str:
        return f"{self.family}[{self.n}]"

    @property
    def needs(self) -> Needs:
        if self.head == "finetune":
            return Needs(encoder=True, sample=self.sample)
        return Needs(views=(CLEAN, self.view), sample=self.sample)

    @property
    def _tuned(self) -> Finetune:
        return Finetune(steps=self.steps, batch=self.batch, lrs=self.lrs, wds=self.wds, view=CLEAN)

    def skip(self, card: DatasetCard) -> str | None:
        """A prediction is one class."""
        return None if card.kind == "single-label" else f"needs one label an image, {card.name} is {card.kind}"

    def run(self, data: TaskData) -> ViewPredictions:
        parameters = data.test.parameters(self.view)
        images, views = parameters.shape[:2]
        if self.head == "finetune":
            test = replace(data.test, source=self._images(data, parameters))
            scored = self._tuned.run(replace(data, folds={**data.folds, "test": test}))
        else:
            scored = Linear().run(replace(data, folds={**data.folds, "test": _stacked(data.test, self.view)}))
        clean, moved = scored.scores.split([images, images * views])
        return ViewPredictions(moved.unflatten(0, (images, views)), clean, parameters, self.family).cpu()

    def _images(self, data: TaskData, parameters: Tensor) -> WithViews:
        from harness.transforms import FAMILIES

        assert data.encoder is not None
        own = data.encoder.preprocess
        return WithViews(data.test, FAMILIES[self.family], parameters, seen(own, self.view), own.size)


def _stacked(fold: Fold, view: str) -> Fold:
    """A fold of the images' embeddings, (N, D), and after them all views', image by image."""
    import torch

    views = fold.layer(EMBEDDING, view).flatten(0, 1)
    return replace(fold, features={(EMBEDDING, CLEAN): torch.cat([fold.layer(EMBEDDING), views])})


@dataclass(frozen=True)
class WithViews:
    """The pixels of a fold's images, and after them all views', image by image; an image source for the test fold.

    Views are made as in a pass: of the canvas, before the centre is cut out.
    """

    fold: Fold
    family: Family
    parameters: Tensor
    canvas: Geometry
    size: int

    def pixels(self, batch_size: int) -> Iterator[Tensor]:
        """uint8 (B, 3, S, S)."""
        from harness.pixels import resize

        yield from self.fold.pixels(batch_size)
        images, views = self.parameters.shape[:2]
        some = max(1, batch_size // views)
        canvases = self.fold.augmented(range(images), some, lambda original, place: resize(original, self.canvas))
        for canvas, drawn in zip(canvases, self.parameters.split(some), strict=True):
            yield self.family.apply(canvas.repeat_interleave(views, 0), drawn.flatten(0, 1), self.size)

    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]:
        """As the fold's own."""
        return self.fold.augmented(draws, batch_size, augment)
