"""The runs of one fine-tuning: each on the same network, from the same weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.encoder import EMBEDDING, Encoder
from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.numerics.calibration import temperature
from harness.passes import is_out_of_memory
from harness.tasks import Fold, TaskData
from harness.views import seen
from harness_tasks.finetuning.batches import augmentation, epochs, feed
from harness_tasks.finetuning.journal import Journal, Outcome
from harness_tasks.finetuning.training import Net, Training

if TYPE_CHECKING:
    from harness_tasks.finetune import Finetune, Point

LOOK = 50  # steps between two looks at whether the loss is finite
READ = 64  # images a forward pass outside training, at least


class Tuning:
    """The network of a task, and its initial weights, kept on the device."""

    def __init__(self, task: Finetune, data: TaskData) -> None:
        self.task, self.data = task, data
        self.journal = Journal(data.scratch)
        assert data.encoder is not None
        self.augment = augmentation(task.augment, seen(data.encoder.preprocess, task.view), data.seed)
        torch.manual_seed(data.seed)
        self.net = Net(data.encoder, _width(data.encoder, data.train), data.num_classes, data.device)
        self.initial = copy.deepcopy(self.net.state_dict())
        self.past = 0  # steps of the runs before the current one

    def validate(self, point: Point) -> Outcome:
        """Train on train and score on val, unless that was done before."""
        run = str(point)
        outcome = self.journal.outcome(run)
        if outcome is None:
            training = self._train(run, point, [self.data.train])
            logits = self._logits(self.data.val)
            outcome = Outcome(None, None, training.done)
            if bool(training.finite) and bool(logits.isfinite().all()):
                score = self.data.judge(Predictions(logits, multilabel=self.data.multilabel))
                outcome = Outcome(score, self._temperature(logits), training.done)
            self.journal.finish(run, outcome)
        else:
            self.past += self.task.steps
        return outcome

    def test(self, point: Point, temperature: float | None) -> Predictions:
        """Train on train + val, and score the test images. Raises `HarnessError` if that run diverges."""
        training = self._train(f"train + val: {point}", point, [self.data.train, self.data.val])
        if not bool(training.finite):
            raise HarnessError(f"finetune: diverged on train + val with {point}, chosen on val; give smaller lrs")
        logits = self._logits(self.data.test)
        return Predictions(logits, multilabel=self.data.multilabel, temperature=temperature)

    def _train(self, run: str, point: Point, folds: Sequence[Fold]) -> Training:
        """A run from the initial weights, or from the last state kept of it, to its end or a loss not finite."""
        task = self.task
        torch.manual_seed(self.data.seed)
        self.net.load_state_dict(self.initial)
        training = Training(self.net, point.lr, point.wd / point.lr, task.steps, task.accumulate, task.compile)
        if state := self.journal.state(run):
            training.restore(state)
        order = epochs(sum(len(fold.targets) for fold in folds), task.batch, task.steps, self.data.seed)
        batches = feed(folds, order, self.augment, training.done) if training.done < task.steps else ()
        for pixels, targets in batches:
            self._update(training, pixels, targets)
            self.data.progress(self.past + training.done, task.total_steps)
            if training.done % LOOK == 0 and not bool(training.finite):
                break
            if self.journal.due:
                self.journal.keep(run, training.state())
        self.past += task.steps
        return training

    def _update(self, training: Training, pixels: Tensor, targets: Tensor) -> None:
        try:
            training.update(pixels, targets)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            parts = f"finetune[accumulate={2 * self.task.accumulate}]"
            raise HarnessError(f"out of memory on {self.data.device}: {parts} computes smaller parts at once") from None
        if training.done == 1 and all(p.grad is None for p in self.net.encoder.parameters()):
            raise HarnessError("finetune: no weight of this encoder gets a gradient, so it cannot be fine-tuned")

    @torch.no_grad()
    def _logits(self, fold: Fold) -> Tensor:
        """(N, C) float32 of a fold's images."""
        self.net.eval()
        return torch.cat([self.net(pixels) for pixels in fold.pixels(max(READ, self.task.batch))])

    def _temperature(self, logits: Tensor) -> float | None:
        """What to divide the scores by, as the val images have it; None for sets of labels."""
        return None if self.data.multilabel else temperature(logits.cpu(), self.data.val.targets.cpu())


@torch.no_grad()
def _width(encoder: Encoder, fold: Fold) -> int:
    """The number of dimensions of the embedding."""
    return int(encoder.eval()(next(iter(fold.pixels(1))))[EMBEDDING].shape[1])
