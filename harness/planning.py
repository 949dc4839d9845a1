"""The plan: a suite's cells, the passes they share, and what is skipped and why. Pure data; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from harness.datasets import DatasetCard, FoldIndex, check_folds, folds, subset
from harness.errors import HarnessError, PlanError, one_line
from harness.lookup import BoundTask, find_metrics, find_model, find_tasks, match_models
from harness.metrics import Metric
from harness.metrics import Skip as SkipReason
from harness.models import Model
from harness.plugins import Host
from harness.suite import Suite
from harness.tasks import Feature, parameters
from harness.views import canonical, size, unknown


class Cell(NamedTuple):
    """One model × task × metric × seed; `partner` is the second model of a pair metric."""

    model: str
    task: str
    metric: str
    seed: int
    partner: str | None = None


class Skip(NamedTuple):
    """A pair that is not run, and why.

    Attributes:
        metric: empty when the whole task is skipped.
        mismatch: whether it is for the type of evidence alone, which another task of the plan may give: no record says
            so.
    """

    task: str
    metric: str
    reason: str
    mismatch: bool = False


class PassPlan(NamedTuple):
    """One sweep of one encoder over one view of a split, for every layer that any cell asked for.

    Attributes:
        layers: taps, or patterns of them.
        images: to forward: a family's views count one by one.
    """

    model: str
    source: str
    split: str
    view: str
    layers: tuple[str, ...]
    images: int


@dataclass(frozen=True)
class Plan:
    """What a suite comes to.

    Attributes:
        models, tasks, metrics: the objects behind the names, in the suite's order.
        pairs: per task, the metrics that apply.
    """

    suite: Suite
    models: dict[str, Model]
    tasks: dict[str, BoundTask]
    metrics: dict[str, Metric]
    pairs: dict[str, tuple[str, ...]]
    skips: tuple[Skip, ...]
    passes: tuple[PassPlan, ...]

    def cells(self) -> Iterator[Cell]:
        """Every cell, model by model; pair cells after all others."""
        single, paired = self._split_pairs()
        for model in self.models:
            for task, metrics in single:
                for seed in self.suite.seeds:
                    for metric in metrics:
                        yield Cell(model, task, metric, seed)
        for task, metrics in paired:
            for a, b in combinations(self.models, 2):
                for seed in self.suite.seeds:
                    for metric in metrics:
                        yield Cell(a, task, metric, seed, b)

    def _split_pairs(self) -> tuple[list[tuple[str, list[str]]], list[tuple[str, list[str]]]]:
        single = [(t, [m for m in names if not self.metrics[m].pair]) for t, names in self.pairs.items()]
        paired = [(t, [m for m in names if self.metrics[m].pair]) for t, names in self.pairs.items()]
        return single, paired

    def __len__(self) -> int:
        single, paired = self._split_pairs()
        n, seeds = len(self.models), len(self.suite.seeds)
        per_model, per_pair = sum(len(m) for _, m in single), sum(len(m) for _, m in paired)
        return seeds * (n * per_model + n * (n - 1) // 2 * per_pair)

    @property
    def images(self) -> int:
        """Images to forward from a cold store: the distinct (encoder, image, view)."""
        return sum(p.images for p in self.passes)


def plan(suite: Suite, host: Host, models: dict[str, Model] | None = None) -> Plan:
    """Plan a suite.

    Args:
        models: models that exist only in memory, used for the names they are given under.

    Raises `HarnessError` for unknown names, with the nearest known one, and `PlanError` when no cell is left.
    """
    given = models or {}
    found = {name: given[name] if name in given else find_model(host, name) for name in _names(suite, host, given)}
    tasks = find_tasks(host, suite.tasks)
    metrics = {m.name: m for m in find_metrics(host, suite.metrics)}
    pairs: dict[str, tuple[str, ...]] = {}
    skips: list[Skip] = []
    for text, task in tasks.items():
        pairs[text] = _pair(text, task, metrics, len(found), skips)
    result = Plan(suite, found, tasks, metrics, pairs, tuple(skips), tuple(_passes(suite, found, tasks, pairs)))
    if len(result) == 0:
        reason = f"{skips[0].task} × {skips[0].metric or 'any metric'}: {skips[0].reason}" if skips else "it names none"
        raise PlanError(f"suite {suite.name} has no cell to run: {reason}")
    return result


def _names(suite: Suite, host: Host, given: dict[str, Model]) -> list[str]:
    return [name for m in suite.models for name in ([m] if m in given else match_models(host, (m,)))]


def _pair(text: str, task: BoundTask, metrics: dict[str, Metric], models: int, skips: list[Skip]) -> tuple[str, ...]:
    """The metrics that apply to a task; each that does not goes to `skips` with the reason."""
    card = task.dataset.card
    if reason := _asked(task.protocol.skip, card) or _unfit(card) or unknown(task.protocol.needs.views):
        skips.append(Skip(text, "", reason))
        return ()
    fitting = []
    for name, metric in metrics.items():
        mismatch = not issubclass(task.protocol.evidence, metric.accepts)
        if mismatch:
            reason = f"accepts {metric.accepts.name}, the task gives {task.protocol.evidence.name}"
        elif metric.pair and models < 2:
            reason = "compares two models, the suite has one"
        else:
            reason = _asked(metric.skip, card)
        if reason:
            skips.append(Skip(text, name, reason, mismatch))
        else:
            fitting.append(name)
    return tuple(fitting)


def _asked(skip: SkipReason, card: DatasetCard) -> str | None:
    """A plugin's reason to skip; if it cannot tell, that is the reason."""
    try:
        reason = skip(card)
        return None if not reason else str(reason)
    except Exception as error:  # one plugin's mistake must not keep the others from being planned
        return f"skip() failed: {one_line(error)}"


def _unfit(card: DatasetCard) -> str | None:
    try:
        check_folds(card.splits)
    except HarnessError as error:
        return str(error)
    return "has one class only" if card.kind == "single-label" and card.num_classes < 2 else None


def fold_indices(suite: Suite, task: BoundTask) -> dict[str, FoldIndex]:
    """The folds a task gets, after ``limit`` and its sample: which rows of which split's embeddings."""
    sizes, needs = {k: min(n, suite.limit or n) for k, n in task.dataset.card.splits.items()}, task.protocol.needs
    found = {name: fold for name, fold in folds(sizes).items() if name in needs.folds}
    test = found["test"]
    chosen = subset(len(test.index), needs.sample, needs.shuffled)
    return found | {"test": FoldIndex(test.split, test.index[chosen])}


def _passes(
    suite: Suite, models: dict[str, Model], tasks: dict[str, BoundTask], pairs: dict[str, tuple[str, ...]]
) -> Iterator[PassPlan]:
    """The union, over tasks, of the layers of each (source, split, view), once a model."""
    for name, model in models.items():
        wanted: dict[tuple[str, str, str], dict[Feature, int]] = {}
        for text, task in tasks.items():
            card, sizes = task.dataset.card, task.dataset.card.splits
            for fold_name, fold in fold_indices(suite, task).items() if pairs[text] else ():
                images = min(sizes[fold.split], suite.limit or sizes[fold.split])
                for feature in task.protocol.needs.of_fold(fold_name):
                    key = card.source, fold.split, canonical(model.preprocess, feature.view)
                    wanted.setdefault(key, {})[feature] = min(images, feature.sample or images)
        for (source, split, view), features in wanted.items():
            layers = tuple(dict.fromkeys(feature.layer for feature in features))
            yield PassPlan(name, source, split, view, layers, size(view) * max(features.values()))


def task_identity(task: BoundTask) -> dict[str, Any]:
    """What of a protocol can change a score: name, version, parameters."""
    return {"name": task.protocol.name, "version": task.protocol.version, "parameters": parameters(task.protocol)}


def dataset_identity(task: BoundTask) -> dict[str, Any]:
    """What of a dataset can change a score: the pixels' name and revision, which target, what tasks choose by."""
    card = task.dataset.card
    facts = {"name": card.name, "revision": card.revision, "target": card.target, "primary": task.primary.identity}
    return facts | ({"judges": [metric.identity for metric in task.judges]} if len(task.judges) > 1 else {})


def describe(result: Plan) -> dict[str, Any]:
    """The plan as JSON values: counts, passes, skips."""
    return {
        "suite": result.suite.name,
        "models": list(result.models),
        "tasks": {task: list(metrics) for task, metrics in result.pairs.items()},
        "cells": len(result),
        "passes": len(result.passes),
        "images": result.images,
        "skips": [skip._asdict() for skip in result.skips],
    }
