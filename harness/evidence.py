"""Evidence: the typed outcome of a task. Metrics accept it by type; the host stores it, so that a new metric needs
neither the images nor the task again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.errors import HarnessError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Evidence:
    """Base of all evidence: a frozen dataclass whose tensor fields have one row an image, on the CPU.

    Attributes:
        shared: the tensor fields that have no rows of images, such as the statistics of a reference set.
    """

    name: ClassVar[str] = "evidence"
    shared: ClassVar[tuple[str, ...]] = ()

    def __len__(self) -> int:
        return len(next(iter(self.rows().values())))

    def rows(self) -> dict[str, Tensor]:
        """The tensor fields that have one row an image, by name."""
        return {name: value for name, value in self.tensors().items() if name not in self.shared}

    def tensors(self) -> dict[str, Tensor]:
        """The tensor fields that are set, by name."""
        import torch

        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}

    def take(self, index: Tensor) -> Self:
        """The same evidence of some of its images (a resample repeats some)."""
        rows: dict[str, Any] = {name: value[index] for name, value in self.rows().items()}
        return dataclasses.replace(self, **rows)

    def cpu(self) -> Self:
        """The same evidence in main memory."""
        tensors: dict[str, Any] = {name: value.detach().cpu() for name, value in self.tensors().items()}
        return dataclasses.replace(self, **tensors)

    def join(self, **withheld: Tensor) -> Self:
        """The evidence with what it has a field for of that which the host withheld from the task.

        Args:
            withheld: ``targets``; and ``masks`` (N, S, S) of 0 and 1 in the view's geometry, of the objects that the
                targets are about, where the dataset has any.
        """
        known = {f.name for f in dataclasses.fields(self)}
        changes: dict[str, Any] = {name: value for name, value in withheld.items() if name in known}
        return dataclasses.replace(self, **changes)

    def check(self, images: int, classes: int) -> None:
        """Raises `HarnessError` for evidence that cannot be about so many images of so many classes, or holds NaN."""
        for name, value in self.rows().items():
            if len(value) != images:
                raise HarnessError(f"{self.name}.{name} has {len(value)} rows for {images} test images")
        for name, value in self.tensors().items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                bad = int((~value.isfinite().reshape(len(value), -1).all(1)).nonzero()[0])
                raise HarnessError(f"{self.name}.{name} holds NaN or infinite values (first in row {bad})")


@dataclass(frozen=True)
class Predictions(Evidence):
    """Class scores of the test images.

    Attributes:
        scores: (N, C) float32 logits: ``softmax(scores)`` are the probabilities (``sigmoid`` when `multilabel`).
        targets: (N,) int64, or (N, C) of 0 and 1; joined by the host.
        multilabel: whether an image may have any number of classes.
        temperature: what to divide the scores by for the least negative log-likelihood of the validation images, from
            tasks that tell.
    """

    name: ClassVar[str] = "Predictions"
    scores: Tensor
    targets: Tensor | None = None
    multilabel: bool = False
    temperature: float | None = None

    def check(self, images: int, classes: int) -> None:
        super().check(images, classes)
        if self.scores.ndim != 2 or self.scores.shape[1] != classes:
            raise HarnessError(f"Predictions.scores must be ({images}, {classes}), got {tuple(self.scores.shape)}")

    @property
    def probabilities(self) -> Tensor:
        """(N, C), float64."""
        scores = self.scores.double()
        return scores.sigmoid() if self.multilabel else scores.softmax(1)


@dataclass(frozen=True)
class Embeddings(Evidence):
    """Pooled features of the test images: `features` (N, D), with their `targets`."""

    name: ClassVar[str] = "Embeddings"
    features: Tensor
    targets: Tensor | None = None


@dataclass(frozen=True)
class Estimates(Evidence):
    """Estimated continuous targets of the test images.

    Attributes:
        values: (N, T) float32.
        targets: (N, T) float32; joined by the host.
    """

    name: ClassVar[str] = "Estimates"
    values: Tensor
    targets: Tensor | None = None

    def check(self, images: int, classes: int) -> None:
        super().check(images, classes)
        if self.values.ndim != 2 or self.values.shape[1] != classes:
            raise HarnessError(f"Estimates.values must be ({images}, {classes}), got {tuple(self.values.shape)}")


@dataclass(frozen=True)
class Episodes(Evidence):
    """Few-shot episodes, which are drawn from all images: `accuracy` (E,) of each one's queries, in percent."""

    name: ClassVar[str] = "Episodes"
    accuracy: Tensor

    def check(self, images: int, classes: int) -> None:
        super().check(len(self), classes)
        if self.accuracy.ndim != 1 or not len(self):
            raise HarnessError(
                f"Episodes.accuracy must be (E,), one number an episode, got {tuple(self.accuracy.shape)}"
            )


@dataclass(frozen=True)
class ViewEmbeddings(Evidence):
    """Pooled features of the test images and of V views of each.

    Attributes:
        features: (N, V, D) of the views.
        clean: (N, D) of the images as they are.
        parameters: (N, V, P) of the transforms that made the views; see `harness.transforms`.
        mean, whitening: (D,) and (D, D) of a reference set, where the task was asked for one:
            ``(z - mean) @ whitening`` has unit covariance there.
        family: of the views, ``rotation``.
        targets: joined by the host.
    """

    name: ClassVar[str] = "ViewEmbeddings"
    shared: ClassVar[tuple[str, ...]] = ("mean", "whitening")
    features: Tensor
    clean: Tensor
    parameters: Tensor
    mean: Tensor | None = None
    whitening: Tensor | None = None
    family: str = ""
    targets: Tensor | None = None


@dataclass(frozen=True)
class ViewPredictions(Evidence):
    """Class scores of the test images, `clean` (N, C), and of V views of each, `scores` (N, V, C): logits.

    `parameters` (N, V, P) and `family` are of the views; `targets` (N,) are joined by the host.
    """

    name: ClassVar[str] = "ViewPredictions"
    scores: Tensor
    clean: Tensor
    parameters: Tensor
    family: str = ""
    targets: Tensor | None = None


@dataclass(frozen=True)
class Grams(Evidence):
    """Inner products of the test images' activations within blocks of B images, in order, for R layers.

    Attributes:
        values: (N, R, B) float32: row i holds image i's products with the images of its own block; the columns beyond a
            short last block are 0.
        layers: the R layers' names, shallow to deep.
        targets: joined by the host.
    """

    name: ClassVar[str] = "Grams"
    values: Tensor
    layers: tuple[str, ...] = ()
    targets: Tensor | None = None

    def take(self, index: Tensor) -> Self:
        """Raises `HarnessError`: blocks are wholes. Their metrics give intervals of their own."""
        raise HarnessError("images cannot be taken out of Grams: a metric of them must return an Interval")


@dataclass(frozen=True)
class Manifold(Evidence):
    """Local geometry of neighbourhood graphs: per test image, for each of its V points (1 on the semantic manifold).

    Attributes:
        neighbours: (N, V) numbers of neighbours.
        diameter: (N, V) largest distance among a point's neighbours.
        affinity: (N, V) of a point's tangent space with its neighbours', 0 to 1.
    """

    name: ClassVar[str] = "Manifold"
    neighbours: Tensor
    diameter: Tensor
    affinity: Tensor


@dataclass(frozen=True)
class Attributions(Evidence):
    """Where in the image a score comes from.

    Attributes:
        maps: (N, h, w) float32, not negative.
        images: uint8 (N, 3, S, S), as the encoder saw them.
        deletion, insertion: (N, K) probability of the explained class while a growing share of the image is deleted, or
            inserted, most important first; from tasks that have a class.
        masks: uint8 (N, S, S) of 0 and 1: the object that the target is about; joined by the host where there are any.
        targets: joined by the host.
    """

    name: ClassVar[str] = "Attributions"
    maps: Tensor
    images: Tensor
    deletion: Tensor | None = None
    insertion: Tensor | None = None
    masks: Tensor | None = None
    targets: Tensor | None = None


@dataclass(frozen=True)
class Reconstructions(Evidence):
    """Images rebuilt from their features, `rebuilt`, and as the encoder saw them, `images`: uint8 (N, 3, S, S)."""

    name: ClassVar[str] = "Reconstructions"
    images: Tensor
    rebuilt: Tensor


@dataclass(frozen=True)
class Decodings(Evidence):
    """What was read off the embeddings, `values`, and what the pixels hold, `truth`: (N, T) float32.

    The task makes the truth itself, of the images: the host withholds and joins nothing.
    """

    name: ClassVar[str] = "Decodings"
    values: Tensor
    truth: Tensor

    def check(self, images: int, classes: int) -> None:
        super().check(images, classes)
        if self.values.ndim != 2 or self.values.shape != self.truth.shape:
            shapes = f"{tuple(self.values.shape)} and {tuple(self.truth.shape)}"
            raise HarnessError(f"Decodings.values and truth must both be (N, T), got {shapes}")


Variants = dict[str, Evidence]
"""A task's outcome: one piece of evidence, or several by variant (``k=20``, a layer's name); the first is primary."""
