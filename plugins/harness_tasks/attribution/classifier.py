"""What is explained: an encoder with a linear layer on its embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.encoder import EMBEDDING, Encoder
from harness.tasks import TaskData
from harness_tasks.finetuning.tuning import Tuning
from harness_tasks.linear import Linear
from harness_tasks.probes import Converged, chosen

if TYPE_CHECKING:
    from harness_tasks.finetune import Finetune


@dataclass(frozen=True)
class Classifier:
    """An encoder and a linear layer: `weight` (C, D) and `bias` (C,).

    Attributes:
        multilabel: whether a class's probability is its sigmoid, not its share of the softmax.
    """

    encoder: Encoder
    weight: Tensor
    bias: Tensor
    multilabel: bool

    def logits(self, embeddings: Tensor) -> Tensor:
        """(N, C) float32 of (N, D)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return torch.addmm(self.bias, embeddings.float(), self.weight.T)

    @torch.no_grad()
    def predict(self, pixels: Tensor) -> Tensor:
        """The class with the highest score of each image (N, 3, S, S), (N,)."""
        return self.logits(self.encoder(pixels)[EMBEDDING]).argmax(1)

    @torch.no_grad()
    def probability(self, pixels: Tensor, classes: Tensor) -> Tensor:
        """Of one class for each image (N, 3, S, S), (N,)."""
        logits = self.logits(self.encoder(pixels)[EMBEDDING])
        found = logits.sigmoid() if self.multilabel else logits.softmax(1)
        return found.gather(1, classes[:, None])[:, 0]


def probed(data: TaskData) -> Classifier:
    """The linear probe: the strength with the best primary metric on val, refitted on train + val (`Linear`)."""
    assert data.encoder is not None
    with torch.autocast(torch.device(data.device).type, enabled=False):
        _, fit = chosen(Converged(Linear(), None if data.multilabel else data.num_classes), data)
    return Classifier(data.encoder, fit.weight.float(), fit.bias.float(), data.multilabel)


def finetuned(data: TaskData, task: Finetune) -> Classifier:
    """The network fine-tuned on train + val at the only point of the task's grid."""
    tuning = Tuning(task, data)
    tuning.test(task.grid[0], None)
    tuning.net.eval()
    head = tuning.net.head.requires_grad_(False)
    return Classifier(tuning.net.encoder, head.weight, head.bias, data.multilabel)
