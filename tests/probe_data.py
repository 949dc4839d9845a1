"""A small synthetic problem as a task gets it."""

from __future__ import annotations

import torch
from sklearn.datasets import make_classification, make_multilabel_classification

from harness.evidence import Predictions
from harness.metrics import value
from harness.tasks import Fold, TaskData
from harness_metrics.classification import mean_average_precision, top1

SIZES = {"train": 240, "val": 80, "test": 100}


def data(multilabel: bool = False, classes: int = 4) -> tuple[TaskData, torch.Tensor]:
    """A task's data from a synthetic problem, and the withheld targets."""
    n = sum(SIZES.values())
    if multilabel:
        x, y = make_multilabel_classification(n, 20, n_classes=classes, random_state=0)
    else:
        x, y = make_classification(n, 20, n_informative=8, n_classes=classes, class_sep=0.7, random_state=0)
    xs, ys = torch.from_numpy(x).float(), torch.from_numpy(y).long()
    parts = zip(SIZES, xs.split(list(SIZES.values())), ys.split(list(SIZES.values())), strict=True)
    held = {name: (features, targets) for name, features, targets in parts}
    folds = {k: Fold(k, {("embedding", "clean"): f}, None if k == "test" else t) for k, (f, t) in held.items()}
    primary = mean_average_precision if multilabel else top1

    def judge(evidence: Predictions) -> float:
        return value(primary, evidence.join(targets=held["val"][1]))

    return TaskData(folds, tuple(map(str, range(classes))), multilabel, judge), held["test"][1]
