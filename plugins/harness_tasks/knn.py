"""Weighted nearest-neighbour classification (Wu et al. 2018, 1805.01978; settings of Caron et al. 2021, 2104.14294)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Needs, TaskData, task
from harness.evidence import Predictions

if TYPE_CHECKING:
    from torch import Tensor


@task("knn", evidence=Predictions)
@dataclass(frozen=True)
class KNN:
    """Votes of the k most cosine-similar images of train + val, weighted by exp(similarity / temperature).

    Every k comes from one neighbour list and is a variant of its own; the first is primary. Where fewer than k images
    exist, all vote.

    Attributes:
        k: numbers of neighbours.
        temperature: of the weights.
        view: of the images.
    """

    k: tuple[int, ...] | int = (20, 1, 10, 100, 200)
    temperature: float = 0.07
    view: str = "clean"

    @property
    def needs(self) -> Needs:
        return Needs(views=(self.view,))

    def run(self, data: TaskData) -> dict[str, Predictions]:
        import torch

        from harness.numerics.knn import neighbours, vote

        ks = (self.k,) if isinstance(self.k, int) else self.k
        bank = torch.cat([data.train.embeddings, data.val.embeddings])
        targets = torch.cat([data.train.targets, data.val.targets])
        usable = {k: min(k, len(bank)) for k in ks}
        similarity, index = neighbours(bank, data.test.embeddings, max(usable.values()))
        votes = vote(similarity, index, targets, data.num_classes, sorted(set(usable.values())), self.temperature)
        return {
            f"k={k}": Predictions(_logits(votes[usable[k]], data.multilabel), multilabel=data.multilabel) for k in ks
        }


def _logits(probabilities: Tensor, multilabel: bool) -> Tensor:
    """Vote shares as logits, floored at 1e-6 so that a class without a vote keeps a finite log-likelihood."""
    floored = probabilities.clamp(1e-6, 1 - 1e-6 if multilabel else 1)
    return (floored.logit() if multilabel else floored.log()).float()
