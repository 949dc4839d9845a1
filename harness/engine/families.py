"""A family's views: each image transformed with its own parameters on the way to the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.sweeps import View
from harness.transforms import Family, family_of, image_seed
from harness.views import is_family


@dataclass(frozen=True)
class Views:
    """`count` views of each image, by a family of transforms."""

    family: Family
    count: int

    @classmethod
    def of(cls, view: str) -> Views | None:
        """Those of a view's name; None for a view of geometry."""
        return cls(*family_of(view)) if is_family(view) else None

    def parameters(self, ids: Sequence[str]) -> Tensor:
        """(N, V, P): what the images of these names are transformed with. They depend on nothing else."""
        return torch.stack([self.family.draw(self.count, image_seed(self.family.name, name)) for name in ids])

    def transform(self, ids: Sequence[str], side: int, device: str) -> View:
        """The transforms of a sweep over images of these names, for an encoder of inputs of `side` pixels."""
        drawn = self.parameters(ids)

        def view(pixels: Tensor, rows: NDArray[np.int64], number: int) -> Tensor:
            return self.family.apply(pixels.to(device), drawn[torch.from_numpy(rows), number].to(device), side)

        return view


def draw(ids: Sequence[str], device: str, view: str) -> Tensor:
    """(N, V, P) of a family's views, as `harness.tasks.Fold.parameters` gives them."""
    return Views(*family_of(view)).parameters(ids).to(device)
