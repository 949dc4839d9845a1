"""Linear probe: L2-regularised logistic regression on frozen embeddings (Ericsson et al. 2021, 2011.13377, 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.evidence import Predictions


@task("linear", evidence=Predictions, version=2)
@dataclass(frozen=True)
class Linear:
    """Multinomial logistic regression; one binary problem a class on multi-label datasets.

    The 45 strengths of the paper, wd in logspace(-6, 5), are fitted on train; the one with the best primary metric on
    val is refitted on train + val. Features are neither standardised nor L2-normalised. The temperature told with the
    scores is that of the chosen fit on val, before the refit.

    ``converged`` solves every problem, and of equal scores takes the stronger wd. ``protocol`` is the published
    procedure: scikit-learn's lbfgs, at most 100 iterations, from the weakest wd to the strongest, each fit and the
    refit warm-started from the one before; of equal scores it takes the weaker wd.

    Attributes:
        view: of the images; the paper's is ``whole``.
        rtol, max_iter: of each converged fit; its objective ends within some 1e-5 of the optimum.
        tolerance: of the published procedure: where scikit-learn before 1.4 stopped, in float64, as the published
            numbers did, or where it stops today (``sklearn``), which is as many times earlier as there are images.
    """

    mode: Literal["converged", "protocol"] = "converged"
    view: str = "clean"
    rtol: float = 1e-9
    max_iter: int = 1000
    tolerance: Literal["published", "sklearn"] = "published"

    @property
    def needs(self) -> Needs:
        return Needs(views=(self.view,))

    def skip(self, card: DatasetCard) -> str | None:
        return "continuous targets have no classes: use ridge" if card.kind == "continuous" else None

    def run(self, data: TaskData) -> Predictions:
        from harness_tasks.probes import PROBES, chosen, val_temperature

        best, refitted = chosen(PROBES[self.mode](self, None if data.multilabel else data.num_classes), data)
        scores = refitted.logits(data.test.embeddings)
        return Predictions(scores, multilabel=data.multilabel, temperature=val_temperature(best, data))
