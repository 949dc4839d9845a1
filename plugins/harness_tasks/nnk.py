"""Geometry of manifolds through NNK neighbourhoods (after Cosentino et al. 2022, 2209.08622)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Manifold
from harness.transforms import members

if TYPE_CHECKING:
    from torch import Tensor

SEMANTIC = "semantic"
Mode = Literal["exact", "reference"]
Kernel = Literal["cosine", "gaussian"]
POINTS = 3
"""The fewest points of a manifold: two could have no tangent."""
IMAGES = 200


@task("nnk", evidence=Manifold, primary="nnk_neighbours", episodic=True)
@dataclass(frozen=True)
class NNK:
    """Number, diameter and affinity of NNK neighbours (our definitions, see `harness.numerics.manifold`), unfitted.

    On the semantic manifold the test images of a class are among themselves, and on an augmentation manifold the views
    of an image. The labels are used for the former alone. Where a class, or an image's views, are no more than k, all
    others are candidates.

    Attributes:
        of: ``semantic``, or a family of views such as ``simclr[50]``.
        k: candidates of each point.
        mode: ``exact``, the minimum, or ``reference``, what the published solver makes of it.
        kernel: ``cosine``, or ``gaussian`` with a third of the mean distance to the k-th candidate.
        sample: test images to take; by default all on the semantic manifold, and 200 on one of views.
        layer: of the encoder.
    """

    of: str = SEMANTIC
    k: int = 50
    mode: Mode = "exact"
    kernel: Kernel = "cosine"
    sample: int | None = None
    layer: str = "embedding"

    def __post_init__(self) -> None:
        """Raises `HarnessError` for parameters that make no sense."""
        for name, value, known in (("mode", self.mode, Mode), ("kernel", self.kernel, Kernel)):
            if value not in get_args(known):
                raise HarnessError(f"nnk[{name}={value}]: the {name} must be {' or '.join(get_args(known))}")
        if self.k < 2:
            raise HarnessError(f"nnk[k={self.k}]: a neighbourhood needs two candidates at least")
        if self.of != SEMANTIC and members(self.of)[1] < POINTS:
            raise HarnessError(f"nnk[of={self.of}]: a manifold needs {POINTS} views of an image at least")

    @property
    def needs(self) -> Needs:
        if self.of == SEMANTIC:
            return Needs(folds=("test",), layers=(self.layer,), sample=self.sample)
        return Needs(folds=("test",), layers=(self.layer,), views=(self.of,), sample=self.sample or IMAGES)

    def skip(self, card: DatasetCard) -> str | None:
        if self.of == SEMANTIC and card.kind != "single-label":
            return f"the semantic manifold needs one label an image, {card.name} is {card.kind}"
        return None

    def run(self, data: TaskData) -> Manifold:
        """Raises `UndefinedError` where features are constant, or a class has fewer than three images."""
        x = data.test.embeddings
        if bool((x.flatten(0, -2) == x.flatten(0, -2)[0]).all()):
            raise UndefinedError("the geometry of a manifold is undefined: all features are the same")
        if self.of != SEMANTIC:
            return Manifold(*self._geometry(x))
        found = x.new_empty(3, len(x), 1)
        for rows in _classes(data):
            found[:, rows, 0] = self._geometry(x[rows].unsqueeze(0)).squeeze(1)
        return Manifold(*found)

    def _geometry(self, x: Tensor) -> Tensor:
        """Number of neighbours, diameter and affinity of each point of features (B, n, D): (3, B, n) float32."""
        import torch

        from harness.numerics.manifold import manifold

        found = manifold(x, self.k, mode=self.mode, kernel=self.kernel)
        return torch.stack([found.neighbours, found.diameter, found.affinity]).float()


def _classes(data: TaskData) -> Iterator[Tensor]:
    """The rows of each class that is among the test images. Raises `UndefinedError` for one of too few."""
    import torch

    targets = data.test.targets
    for c in torch.unique(targets).tolist():
        rows = (targets == c).nonzero().squeeze(1)
        if len(rows) < POINTS:
            raise UndefinedError(
                f"the semantic manifold of class {data.classes[c]!r} is undefined: it has {len(rows)} test images, "
                f"{POINTS} are needed"
            )
        yield rows
