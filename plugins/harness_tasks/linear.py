"""Linear probe: L2-regularised logistic regression on frozen embeddings (Ericsson et al. 2021, 2011.13377, 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import TaskData, task
from harness.evidence import Predictions

if TYPE_CHECKING:
    from torch import Tensor

    from harness.numerics.logistic import LogisticPath


@task("linear", evidence=Predictions)
@dataclass(frozen=True)
class Linear:
    """Multinomial logistic regression; one binary problem a class on multi-label datasets.

    The 45 strengths of the paper, wd in logspace(-6, 5), are each solved to convergence on train; the one with the best
    primary metric on val (ties: the stronger) is refitted on train + val. Features are neither standardised nor
    L2-normalised.

    Attributes:
        rtol: relative decrement at which a fit counts as converged.
        max_iter: of each fit.
    """

    rtol: float = 1e-7
    max_iter: int = 1000

    def run(self, data: TaskData) -> Predictions:
        import torch

        from harness.numerics.logistic import WEIGHT_DECAYS

        grid = WEIGHT_DECAYS.to(data.train.embeddings)
        path = self._fit(data, data.train.embeddings, data.train.targets, grid)
        scores = [data.judge(Predictions(path.logits(data.val.embeddings, g), multilabel=data.multilabel))
                  for g in range(len(grid))]  # fmt: skip
        best = max(range(len(grid)), key=lambda g: (scores[g], float(grid[g])))
        x = torch.cat([data.train.embeddings, data.val.embeddings])
        y = torch.cat([data.train.targets, data.val.targets])
        final = self._fit(data, x, y, grid[best : best + 1])
        return Predictions(final.logits(data.test.embeddings, 0).float(), multilabel=data.multilabel)

    def _fit(self, data: TaskData, x: Tensor, y: Tensor, grid: Tensor) -> LogisticPath:
        from harness.numerics.logistic import fit_path, fit_path_multilabel

        if data.multilabel:
            return fit_path_multilabel(x, y, grid, rtol=self.rtol, max_iter=self.max_iter)
        return fit_path(x, y, grid, data.num_classes, rtol=self.rtol, max_iter=self.max_iter)
