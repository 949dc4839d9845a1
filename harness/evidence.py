"""Evidence: the typed outcome of a task. Metrics accept it by type; the host stores it, so that a new metric needs
neither the images nor the task again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.errors import HarnessError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Evidence:
    """Base of all evidence: a frozen dataclass whose tensor fields have one row an image, on the CPU."""

    name: ClassVar[str] = "evidence"

    def __len__(self) -> int:
        return len(next(iter(self.tensors().values())))

    def tensors(self) -> dict[str, Tensor]:
        """The tensor fields that are set, by name."""
        import torch

        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}

    def take(self, index: Tensor) -> Self:
        """The same evidence of some of its images (a resample repeats some)."""
        rows: dict[str, Any] = {name: value[index] for name, value in self.tensors().items()}
        return dataclasses.replace(self, **rows)

    def cpu(self) -> Self:
        """The same evidence in main memory."""
        tensors: dict[str, Any] = {name: value.detach().cpu() for name, value in self.tensors().items()}
        return dataclasses.replace(self, **tensors)

    def join(self, targets: Tensor) -> Self:
        """The evidence with the targets that the host withheld from the task."""
        changes: dict[str, Any] = {"targets": targets} if hasattr(self, "targets") else {}
        return dataclasses.replace(self, **changes)

    def check(self, images: int, classes: int) -> None:
        """Raises `HarnessError` for evidence that cannot be about so many images of so many classes, or holds NaN."""
        for name, value in self.tensors().items():
            if len(value) != images:
                raise HarnessError(f"{self.name}.{name} has {len(value)} rows for {images} test images")
            if value.is_floating_point() and not bool(value.isfinite().all()):
                bad = int((~value.isfinite().reshape(images, -1).all(1)).nonzero()[0])
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


Variants = dict[str, Evidence]
"""A task's outcome: one piece of evidence, or several by variant (``k=20``, a layer's name); the first is primary."""


def save(variants: Variants, path: Path) -> None:
    """Write to a safetensors file: tensors as ``variant/field``, everything else as JSON metadata.

    Raises `OSError` when the disk is full or the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for variant, evidence in variants.items():
        held = evidence.tensors()
        tensors |= {f"{variant}/{name}": value.contiguous() for name, value in held.items()}
        plain[variant] = {
            f.name: value
            for f in dataclasses.fields(evidence)
            if f.name not in held and (value := getattr(evidence, f.name)) is not None
        }
    path.touch()
    mode = path.stat().st_mode & 0o777  # save_file would leave the file to its owner alone
    try:
        save_file(_apart(tensors), path, metadata={"evidence": json.dumps(plain)})
    except SafetensorError as error:  # how it tells of a full disk
        raise OSError(str(error)) from error
    path.chmod(mode)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, those that share memory with an earlier one copied: the format refuses them."""
    seen: set[int] = set()
    apart = {}
    for name, value in tensors.items():
        memory = value.untyped_storage().data_ptr()
        apart[name] = value.clone() if memory in seen else value
        seen.add(memory)
    return apart


def load(path: Path, kind: type[Evidence]) -> Variants:
    """Read what `save` wrote. Raises `HarnessError` for a file that is truncated or something else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            plain: dict[str, dict[str, Any]] = json.loads(file.metadata()["evidence"])
            fields: dict[str, dict[str, Any]] = {variant: dict(values) for variant, values in plain.items()}
            for key in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                variant, _, name = key.rpartition("/")
                fields[variant][name] = file.get_tensor(key)
        return {variant: kind(**values) for variant, values in fields.items()}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise HarnessError(f"{path}: not an evidence file: {error}") from error
