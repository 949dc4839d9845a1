"""What must hold of a task, shown on synthetic folds whose test targets exist nowhere but in the check."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property

import torch
from torch import Tensor

from harness.datasets import DatasetCard
from harness.evidence import Evidence, Predictions
from harness.identity import digest
from harness.taps import read
from harness.tasks import Needs, TargetsWithheldError, Task, parameters
from harness.testing import worlds
from harness.testing.kit import Doubt, Fault, Finding, Kit, NotApplicable, own_doc, require_doc

SIGNAL = 40.0  # classes far apart: even a poor protocol sees them
SOME = 2.0  # classes that overlap


class Trial:
    """A task with its default parameters (or those of its ``brief()``, where the defaults take long).

    With it come the synthetic datasets that it does not refuse.
    """

    def __init__(self, task: Task | type[Task]) -> None:
        self.given = task

    @cached_property
    def task(self) -> Task:
        task = self.given() if inspect.isclass(self.given) else self.given
        brief = getattr(task, "brief", None)
        made: Task = brief() if brief is not None and task == type(task)() else task
        return made

    @cached_property
    def card(self) -> DatasetCard:
        """The first of the synthetic datasets that the task accepts."""
        for card in worlds.CARDS:
            if self.task.skip(card) is None:
                return card
        raise NotApplicable("the task refuses every synthetic dataset")

    def run(self, signal: float, order: Tensor | None = None) -> dict[str, Evidence]:
        """The task's evidence by variant, on folds with this much signal; `order` permutes the test images."""
        out = self.task.run(worlds.data(self.task, self.card, signal, order))
        return dict(out) if isinstance(out, Mapping) else {"": out}

    @cached_property
    def outcome(self) -> dict[str, Evidence]:
        return self.run(SOME)


KIT: Kit[Trial] = Kit()


def check_task(task: Task | type[Task]) -> list[Finding]:
    """Run the task kit on a task, or on a task's class with its default parameters."""
    return KIT.run(Trial(task))


@KIT.check("declared")
def declared(trial: Trial) -> None:
    """A name, a type of evidence, a version from 1, and what it needs."""
    task = trial.task
    if not isinstance(task, Task):
        raise Fault(f"{task!r} is no task: decorate its class with @harness.task")
    if not (inspect.isclass(task.evidence) and issubclass(task.evidence, Evidence)):
        raise Fault(f"evidence must be a type of Evidence, got {task.evidence!r}")
    if not (isinstance(task.version, int) and task.version >= 1):
        raise Fault(f"version must be an integer from 1, got {task.version!r}")
    if not isinstance(task.needs, Needs):
        raise Fault(f"needs must be a harness.Needs, got {task.needs!r}")


@KIT.check("documented", "declared")
def documented(trial: Trial) -> None:
    """A docstring says what the protocol does."""
    require_doc(f"the task {trial.task.name!r}", own_doc(type(trial.task)))


@KIT.check("parameters identify it", "declared")
def parameters_identify_it(trial: Trial) -> None:
    """The parameters are plain values, so that they can be part of a key."""
    digest(parameters(trial.task))


@KIT.check("skip gives reasons", "declared")
def skip_gives_reasons(trial: Trial) -> None:
    """`skip` answers None or a reason."""
    answers = [trial.task.skip(card) for card in worlds.CARDS]
    if wrong := [a for a in answers if a is not None and not (isinstance(a, str) and a)]:
        raise Fault(f"skip(card) must return None or a reason, got {wrong[0]!r}")
    if all(answers):
        raise Doubt(f"refuses every synthetic dataset, so nothing more can be checked: {answers[0]}")


@KIT.check("runs", "skip gives reasons")
def runs(trial: Trial) -> None:
    """`run` ends without an error on small synthetic data."""
    with suppress(TargetsWithheldError):  # judged by the next check
        trial.outcome  # noqa: B018 - running is the check


@KIT.check("test targets unseen", "runs")
def targets_unseen(trial: Trial) -> None:
    """The task runs while the host withholds the targets of the test fold (which only an episodic task may see)."""
    try:
        trial.outcome  # noqa: B018 - running is the check
    except TargetsWithheldError as error:
        raise Fault(f"looks at test targets: {error}") from error


@KIT.check("evidence as declared", "test targets unseen")
def evidence_as_declared(trial: Trial) -> None:
    """Evidence of the declared type, one row a test image, finite, on the CPU."""
    if not trial.outcome:
        raise Fault("run() returned no evidence")
    for variant, evidence in trial.outcome.items():
        where = f"variant {variant!r}" if variant else "run()"
        if not isinstance(evidence, trial.task.evidence):
            raise Fault(f"{where} gave {type(evidence).__name__}, declared is {trial.task.evidence.__name__}")
        if not trial.task.episodic:
            evidence.check(worlds.size(trial.task, "test"), trial.card.num_classes)
        if away := [name for name, value in evidence.tensors().items() if value.device.type != "cpu"]:
            raise Fault(f"{where}: {away[0]} is on a device; call .cpu()")


@KIT.check("deterministic", "evidence as declared")
def deterministic(trial: Trial) -> None:
    """The same data and seed give the same evidence, whatever the state of the global random numbers."""
    torch.rand(17)
    gap = _gap(trial.outcome, trial.run(SOME))
    if gap > 1e-5:
        raise Fault(f"the same data and seed gave other evidence (off by {gap:.2g}): draw from data.seed")


@KIT.check("independent of the test order", "deterministic")
def independent_of_the_test_order(trial: Trial) -> None:
    """Test images in another order have the same rows."""
    if trial.task.episodic:
        raise NotApplicable("an episodic task draws its episodes by position")
    if any(read(layer).reduction == "gram" for layer, _ in trial.task.needs.features):
        raise NotApplicable("inner products are of blocks of images in their order")
    order = torch.randperm(worlds.size(trial.task, "test"), generator=torch.Generator().manual_seed(5))
    back = order.argsort()
    moved = {variant: evidence.take(back) for variant, evidence in trial.run(SOME, order).items()}
    gap = _gap(trial.outcome, moved)
    if gap > 1e-3:
        raise Fault(f"an image's row depends on the order of the test images (off by {gap:.2g})")


@KIT.check("no better than chance on noise", "evidence as declared")
def no_better_than_chance_on_noise(trial: Trial) -> None:
    """Features that say nothing of the targets are not scored above chance: no answer leaks in some other way."""
    found, chance, n = _accuracy(trial, 0.0)
    limit = chance + 5 * (chance * (1 - chance) / n) ** 0.5
    if found > limit:
        raise Fault(f"{found:.0%} right on random features, where chance is {chance:.0%}: do test targets leak?")


@KIT.check("learns what is plain", "evidence as declared")
def learns_what_is_plain(trial: Trial) -> None:
    """Classes that lie far apart are told apart."""
    found, chance, _ = _accuracy(trial, SIGNAL)
    if found < (1 + chance) / 2:
        raise Fault(f"{found:.0%} right on classes that lie far apart (chance is {chance:.0%})")


def _accuracy(trial: Trial, signal: float) -> tuple[float, float, int]:
    """The primary variant's share of right answers, chance, and their number."""
    evidence = next(iter(trial.run(signal).values()))
    if not isinstance(evidence, Predictions) or trial.card.kind != "single-label":
        raise NotApplicable("only for single-label Predictions")
    truth = evidence.targets if evidence.targets is not None else worlds.truth(trial.card, "test")[: len(evidence)]
    right = (evidence.scores.argmax(1) == truth).double().mean()
    return float(right), 1 / evidence.scores.shape[1], len(truth)


def _gap(first: Mapping[str, Evidence], second: Mapping[str, Evidence]) -> float:
    """The greatest difference of any tensor, relative to its scale; infinite where variants or shapes differ."""
    if list(first) != list(second):
        return float("inf")
    gaps = [0.0]
    for variant in first:
        other = second[variant].tensors()
        for name, value in first[variant].tensors().items():
            if name not in other or other[name].shape != value.shape:
                return float("inf")
            difference = (value.double() - other[name].double()).abs().max()
            gaps.append(float(difference / value.double().abs().max().clamp_min(1e-12)))
    return max(gaps)
