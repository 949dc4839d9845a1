"""Ridge regression of continuous targets on frozen embeddings (Ericsson et al. 2021, 2111.11398: R^2, 45 strengths)."""

from __future__ import annotations

from dataclasses import dataclass

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.evidence import Estimates


@task("ridge", evidence=Estimates)
@dataclass(frozen=True)
class Ridge:
    """Ridge regression with an intercept; all targets share the strength.

    Of the paper's 45, wd in logspace(-6, 5), the one with the best primary metric on val (ties: the stronger) is
    refitted on train + val. Neither features nor targets are standardised.

    Attributes:
        view: of the images.
    """

    view: str = "clean"

    @property
    def needs(self) -> Needs:
        return Needs(views=(self.view,))

    def skip(self, card: DatasetCard) -> str | None:
        return None if card.kind == "continuous" else f"regresses continuous targets, {card.name} is {card.kind}"

    def run(self, data: TaskData) -> Estimates:
        import torch

        from harness.numerics.logistic import WEIGHT_DECAYS
        from harness.numerics.ridge import fit_ridge_path

        path = fit_ridge_path(data.train.embeddings, data.train.targets, WEIGHT_DECAYS)

        def score(g: int) -> float:
            return data.judge(Estimates(path.predict(data.val.embeddings, g).float()))

        best = max(reversed(range(len(WEIGHT_DECAYS))), key=score)
        x = torch.cat([data.train.embeddings, data.val.embeddings])
        y = torch.cat([data.train.targets, data.val.targets])
        final = fit_ridge_path(x, y, WEIGHT_DECAYS[best : best + 1])
        return Estimates(final.predict(data.test.embeddings, 0).float())
