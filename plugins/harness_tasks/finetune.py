"""Fine-tuning of the whole network (Ericsson et al. 2021, 2011.13377, 4.1 and the released code)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.errors import HarnessError
from harness.evidence import Predictions


class Point(NamedTuple):
    """One point of the grid; the weight decay that SGD uses is ``wd / lr``."""

    lr: float
    wd: float

    def __str__(self) -> str:
        return f"lr={self.lr}, wd={self.wd}"


@task("finetune", evidence=Predictions)
@dataclass(frozen=True)
class Finetune:
    """Every weight and a new linear layer on the embedding, trained with SGD; one sigmoid a class on multi-label data.

    Each point of the grid is a full run on train; the one with the best primary metric on val (ties: the smaller
    learning rate, then the greater weight decay) is run again on train + val, and that network is tested once. All
    runs start from the same weights and see the same images and crops in the same order. Nesterov momentum 0.9, cosine
    to 0 without warm-up, weight decay on all parameters, batch normalisation in training mode. Epochs end with a short
    batch, as in the released code; a rest of one image is left out, which batch normalisation could not take.

    A run whose loss is no longer finite ends there and is not chosen. The temperature told with the scores is the
    chosen point's on val. Kept on the device: the weights five times over (as loaded, initial, current, gradient,
    momentum) and the activations of one batch.

    Attributes:
        steps: of each run.
        batch: images a step.
        lrs, wds: the grid; `wds` are divided by the learning rate.
        augment: of training images: ``crop``, a random resized crop (area 0.08 to 1, ratio 3/4 to 4/3, bicubic) and a
            flip; or ``none``, the view as it is (the paper's ``--no-da``).
        accumulate: parts a batch is computed in, to save memory; batch normalisation then sees the parts.
        compile: use `torch.compile`. Its kernels round otherwise, which training amplifies: hence a parameter.
        view: of val and test images, and of training images without augmentation.
    """

    steps: int = 5000
    batch: int = 64
    lrs: tuple[float, ...] | float = (1e-1, 1e-2, 1e-3, 1e-4)
    wds: tuple[float, ...] | float = (0.0, 1e-6, 1e-5, 1e-4, 1e-3)
    augment: Literal["crop", "none"] = "crop"
    accumulate: int = 1
    compile: bool = False
    view: str = "whole"

    def __post_init__(self) -> None:
        """Raises `HarnessError` for parameters that no run can have."""
        for name in ("lrs", "wds"):
            values = getattr(self, name)
            values = tuple(map(float, values)) if isinstance(values, tuple | list) else (float(values),)
            object.__setattr__(self, name, values)  # one form, so that one grid has one key
            if not values or not all(math.isfinite(v) and v >= 0 for v in values):
                raise HarnessError(f"finetune: {name} must be finite and not negative, got {values}")
        if 0.0 in self.learning_rates:
            raise HarnessError("finetune: a learning rate of 0 trains nothing")
        if self.steps < 1 or self.accumulate < 1 or self.batch < 2 * self.accumulate:
            raise HarnessError("finetune: needs steps and accumulate from 1, and a batch of 2 images or more a part")

    @property
    def needs(self) -> Needs:
        return Needs(encoder=True, views=(self.view,))

    @property
    def learning_rates(self) -> tuple[float, ...]:
        return self.lrs if isinstance(self.lrs, tuple) else (self.lrs,)

    @property
    def grid(self) -> list[Point]:
        """The points in the order in which they run, each once."""
        wds = self.wds if isinstance(self.wds, tuple) else (self.wds,)
        return list(dict.fromkeys(Point(lr, wd) for lr in self.learning_rates for wd in wds))

    @property
    def total_steps(self) -> int:
        """Of all runs, the last on train + val included."""
        return self.steps * (len(self.grid) + 1)

    @classmethod
    def brief(cls) -> Finetune:
        """A quick instance, for the conformance kit."""
        return cls(steps=40, lrs=0.05, wds=0.0, augment="none")

    def skip(self, card: DatasetCard) -> str | None:
        """Only classes can be learnt."""
        return f"fine-tunes a classifier, {card.name} is continuous" if card.kind == "continuous" else None

    def run(self, data: TaskData) -> Predictions:
        from harness_tasks.finetuning.tuning import Tuning

        tuning = Tuning(self, data)
        outcomes = {point: tuning.validate(point) for point in self.grid}
        scores = {point: found.score for point, found in outcomes.items() if found.score is not None}
        if not scores:
            raise HarnessError(f"finetune: all {len(outcomes)} runs diverged; give smaller lrs")
        best = max(scores, key=lambda point: (scores[point], -point.lr, point.wd))
        return tuning.test(best, outcomes[best].temperature)
