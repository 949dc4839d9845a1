"""Few-shot classification by nearest class mean (Snell et al. 2017, 1703.05175; Ericsson et al. 2021)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.errors import HarnessError
from harness.evidence import Episodes

if TYPE_CHECKING:
    from torch import Tensor

Index = NDArray[np.int64]
NUMBERS = 1 << 23  # of the embeddings of episodes that are classified together


@task("fewshot", evidence=Episodes, episodic=True, primary="episode_accuracy")
@dataclass(frozen=True)
class FewShot:
    """Episodes of a few classes and images: each query goes to the class with the nearest mean of support embeddings.

    An episode draws its classes, and of each its support and query images, without replacement from all images of the
    dataset: train, val and test. Classes without enough images are never drawn. Distances are Euclidean, between
    embeddings as they are: neither centred nor normalised.

    Attributes:
        setting: ``5w20s``, five ways (classes) and twenty shots (support images a class).
        queries: a class.
        episodes: to draw; the paper's 600.
        view: ``squash`` is the transform of the paper's released code, ``whole`` that of its text.
    """

    setting: str = "5w5s"
    queries: int = 15
    episodes: int = 600
    view: str = "clean"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9]\d*w[1-9]\d*s", str(self.setting)):
            raise HarnessError(f"fewshot[{self.setting}]: the setting must be like 5w20s: five ways, twenty shots")
        if self.ways < 2 or self.queries < 1 or self.episodes < 1:
            raise HarnessError(f"fewshot[{self.setting}]: needs two ways, one query and one episode at least")

    @property
    def ways(self) -> int:
        return int(self.setting.partition("w")[0])

    @property
    def shots(self) -> int:
        return int(self.setting.partition("w")[2][:-1])

    @property
    def needs(self) -> Needs:
        return Needs(views=(self.view,))

    def skip(self, card: DatasetCard) -> str | None:
        if card.kind != "single-label":
            return f"needs one label an image, {card.name} is {card.kind}"
        few = card.num_classes < self.ways
        return f"draws {self.ways} classes, {card.name} has {card.num_classes}" if few else None

    def run(self, data: TaskData) -> Episodes:
        import torch

        folds = data.folds.values()
        x = torch.cat([fold.embeddings for fold in folds])
        y = torch.cat([fold.targets for fold in folds]).cpu().numpy()
        drawn = torch.from_numpy(draw(y, self.ways, self.shots + self.queries, self.episodes, data.seed)).to(x.device)
        together = max(1, NUMBERS // (drawn[0].numel() * x.shape[1]))
        return Episodes(torch.cat([self._accuracy(x[images]) for images in drawn.split(together)]))

    def _accuracy(self, x: Tensor) -> Tensor:
        """Percentage of right queries of each episode, (E,), from its embeddings (E, ways, shots + queries, D)."""
        import torch

        support, queries = x[:, :, : self.shots], x[:, :, self.shots :]
        exact = "donot_use_mm_for_euclid_dist"  # the product formula cancels where all embeddings are alike
        distance = torch.cdist(queries.flatten(1, 2), support.mean(2), compute_mode=exact)
        truth = torch.arange(self.ways, device=x.device).repeat_interleave(self.queries)
        return 100 * (distance.argmin(2) == truth).float().mean(1)


def draw(targets: Index, ways: int, images: int, episodes: int, seed: int) -> Index:
    """Which images each episode takes: (episodes, ways, images), rows of `targets` (N,).

    Raises `HarnessError` when fewer than `ways` classes have so many images.
    """
    rng = np.random.RandomState(seed)
    members = [rows for c in range(targets.max() + 1) if len(rows := np.flatnonzero(targets == c)) >= images]
    if len(members) < ways:
        raise HarnessError(
            f"episodes of {ways} classes with {images} images each: only {len(members)} classes have so many; "
            "take fewer shots or queries"
        )

    def episode() -> list[Index]:
        chosen = rng.choice(len(members), ways, replace=False)
        return [rng.choice(members[c], images, replace=False) for c in chosen]

    return np.array([episode() for _ in range(episodes)])
