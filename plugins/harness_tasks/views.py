"""Embeddings of transformed images, for metrics of invariance (Ericsson et al. 2021, 2111.11398)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness import Needs, TaskData, task
from harness.errors import HarnessError
from harness.evidence import ViewEmbeddings
from harness.tasks import EMBEDDING
from harness.transforms.names import members
from harness.views import CLEAN
from harness_tasks.embed import layer_names

if TYPE_CHECKING:
    from torch import Tensor


@task("views", evidence=ViewEmbeddings, primary="invariance_cosine")
@dataclass(frozen=True)
class Views:
    """The test images' features, and those of views of each, at one layer or several (variants, the deepest first).

    With the reference ``train`` come the mean and the whitening of the train images' features at that layer:
    C = cholesky(inverse(Sigma)), Sigma their covariance, so that |(a - b) C| is the Mahalanobis distance. The paper's
    reference set is the 50,000 images of ImageNet's validation set.

    Attributes:
        family: of transforms, ``rotation``, or with a number, ``rotation[16]``; see `harness.transforms`.
        n: views of each image; the family's own number by default.
        layers: names or patterns.
        reference: where the mean and the whitening are from.
        floor: principal variances of the reference below this part of their mean are raised to it, as images too few,
            or units that never fire, leave no variance in some directions. 0 is the paper's, which needs enough images.
        sample: so many of the test images, a fixed choice; None for all.
    """

    family: str = "simclr"
    n: int | None = None
    layers: tuple[str | int, ...] | str | int = (EMBEDDING,)
    reference: Literal["train", "none"] = "train"
    floor: float = 0.01
    sample: int | None = 200

    def __post_init__(self) -> None:
        """Raises `HarnessError` for an unknown family, a number of views it does not have, and a negative floor."""
        family, n = family_and_number(self.family, self.n)
        for name, value in (("family", family), ("n", n), ("layers", layer_names(self.layers))):
            object.__setattr__(self, name, value)  # one form, so that the same views have one key
        if not 0 <= self.floor <= 1:
            raise HarnessError(f"views: floor is a part of the mean variance, 0 to 1, got {self.floor:g}")

    @property
    def view(self) -> str:
        return f"{self.family}[{self.n}]"

    @property
    def needs(self) -> Needs:
        folds = ("train", "test") if self.reference == "train" else ("test",)
        return Needs(folds, layer_names(self.layers), (CLEAN, self.view), sample=self.sample)

    def run(self, data: TaskData) -> ViewEmbeddings | Mapping[str, ViewEmbeddings]:
        found = {layer: self._at(data, layer) for layer in reversed(data.layers)}
        return found if len(found) > 1 else next(iter(found.values()))

    def _at(self, data: TaskData, layer: str) -> ViewEmbeddings:
        mean = whitening = None
        if self.reference == "train":
            mean, whitening = whitener(data.train.layer(layer), self.floor)
        return ViewEmbeddings(
            data.test.layer(layer, self.view), data.test.layer(layer), data.test.parameters(self.view), mean, whitening,
            self.family,
        ).cpu()  # fmt: skip


def family_and_number(family: str, n: int | None) -> tuple[str, int]:
    """A family, named with or without a number of views, and that number.

    Raises `HarnessError` for an unknown family, a number that it does not have, and two numbers.
    """
    if n is not None and "[" in family:
        raise HarnessError(f"views: the number of views is given twice, {family!r} and n={n}")
    found, count = members(family if n is None else f"{family}[{n}]")
    return found.name, count


def whitener(features: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """The mean (D,) and whitening C (D, D) of features (N, D), float32, from float64.

    C is lower triangular with C C' = inverse(Sigma), of which principal variances below `floor` times their mean were
    raised to it. It is 0 for constant features, which have no direction.

    Raises `HarnessError` for fewer than two images, and for a floor of 0 where Sigma is singular.
    """
    import torch

    from harness.numerics.eigenbasis import second_moments

    n, width = features.shape
    if n < 2:
        raise HarnessError("views: two train images are the least that have a covariance")
    mean = features.mean(0, dtype=torch.float64)
    variance, axes = torch.linalg.eigh(second_moments(features, mean) * (n / (n - 1)))
    variance = variance.clamp_min(0)
    rounding = width * torch.finfo(variance.dtype).eps * float(variance[-1])
    constant = torch.finfo(variance.dtype).eps * float(mean.abs().max())
    if math.sqrt(float(variance[-1])) <= constant:
        return mean.float(), torch.zeros_like(axes).float()
    if floor == 0 and float(variance[0]) <= rounding:
        raise HarnessError(f"views: the covariance of {n} train images in {width} dimensions is singular; give a floor")
    variance = variance.clamp_min(floor * float(variance.mean()))
    inverse = (axes / variance) @ axes.T
    return mean.float(), torch.linalg.cholesky((inverse + inverse.T) / 2).float()
