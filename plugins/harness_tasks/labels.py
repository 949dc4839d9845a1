"""Label efficiency: the linear probe on fractions of the labels (Chen et al. 2020, 2002.05709, for ImageNet)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.errors import HarnessError
from harness.evidence import Predictions

if TYPE_CHECKING:
    import torch


@task("labels", evidence=Predictions)
@dataclass(frozen=True)
class Labels:
    """Logistic regression on a part of the training labels, drawn class by class; each fraction is a variant.

    A class keeps one label at least. The strength of the 45 of the linear probe is chosen on the whole val fold, as
    published label-efficiency results do; val images are not fitted. Of a multi-label dataset, images are drawn
    regardless of their labels. The first fraction is primary.

    Attributes:
        fractions: of the train fold, in percent: ``labels[1%|10%|100%]``.
        rtol, max_iter: as in the linear task.
    """

    fractions: tuple[str, ...] | str = ("1%", "10%", "100%")
    rtol: float = 1e-9
    max_iter: int = 1000
    view: str = "clean"

    def __post_init__(self) -> None:
        for fraction in self._fractions:
            if not 0 < _share(fraction) <= 1:
                raise HarnessError(f"labels[{fraction}]: a fraction must be a percentage, above 0% up to 100%")

    @property
    def needs(self) -> Needs:
        return Needs(views=(self.view,))

    @property
    def _fractions(self) -> tuple[str, ...]:
        return (self.fractions,) if isinstance(self.fractions, str) else self.fractions

    def skip(self, card: DatasetCard) -> str | None:
        return "continuous targets have no classes" if card.kind == "continuous" else None

    def run(self, data: TaskData) -> dict[str, Predictions]:
        return {fraction: self._probe(data, fraction) for fraction in self._fractions}

    def _probe(self, data: TaskData, fraction: str) -> Predictions:
        import torch

        from harness_tasks.probes import Converged, Fit, val_temperature

        def scored(fit: Fit, embeddings: torch.Tensor, temperature: float | None = None) -> Predictions:
            return Predictions(fit.logits(embeddings), multilabel=data.multilabel, temperature=temperature)

        x, y = data.train.embeddings, data.train.targets
        rows = torch.from_numpy(subset(y.cpu().numpy(), _share(fraction), data.seed)).to(x.device)
        fits = Converged(self, None if data.multilabel else data.num_classes).sweep(x[rows], y[rows])
        best = max(fits, key=lambda fit: data.judge(scored(fit, data.val.embeddings)))
        return scored(best, data.test.embeddings, val_temperature(best, data))


def _share(fraction: str) -> float:
    """``10%`` as 0.1; 0 for what is no percentage."""
    number = fraction.removesuffix("%")
    try:
        return float(number) / 100 if number != fraction else 0.0
    except ValueError:
        return 0.0


def subset(targets: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Sorted rows: of each class `share` of its images, rounded, at least one; of label sets, of all images."""
    rng = np.random.RandomState(seed)
    whole = [np.arange(len(targets))]
    groups = whole if targets.ndim == 2 else [np.flatnonzero(targets == c) for c in np.unique(targets)]
    return np.sort(np.concatenate([rng.permutation(rows)[: max(1, round(share * len(rows)))] for rows in groups]))
