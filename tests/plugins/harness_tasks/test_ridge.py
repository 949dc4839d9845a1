"""The ridge task against scikit-learn, through the same data a run gives it."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge as SkRidge

from harness.datasets import DatasetCard
from harness.evidence import Estimates
from harness.metrics import value
from harness.numerics.logistic import WEIGHT_DECAYS
from harness.tasks import Fold, TaskData
from harness_metrics.estimates import r2
from harness_tasks.ridge import Ridge

SIZES = [60, 30, 50]


def data() -> tuple[TaskData, list[torch.Tensor], list[torch.Tensor]]:
    """A noisy problem of two targets, and its features and targets by fold."""
    x, y = make_regression(sum(SIZES), 40, n_informative=10, n_targets=2, noise=60.0, bias=30.0, random_state=0)
    xs, ys = torch.from_numpy(x).float().split(SIZES), torch.from_numpy(y).float().split(SIZES)
    names = ("train", "val", "test")
    folds = {
        name: Fold(name, {("embedding", "clean"): f}, None if name == "test" else t)
        for name, f, t in zip(names, xs, ys, strict=True)
    }

    def judge(evidence: Estimates) -> float:
        return value(r2, evidence.join(targets=ys[1]))

    return TaskData(folds, ("a", "b"), False, judge), list(xs), list(ys)


def test_equals_scikit_learn_with_the_strength_chosen_on_val() -> None:
    given, x, y = data()
    found = Ridge().run(given)
    grid = WEIGHT_DECAYS.tolist()
    models = [SkRidge(alpha=decay, solver="svd").fit(x[0].double(), y[0].double()) for decay in grid]
    best = grid[int(np.argmax([model.score(x[1].double(), y[1].double()) for model in models]))]
    assert grid[0] < best < grid[-1]
    oracle = SkRidge(alpha=best, solver="svd").fit(torch.cat(x[:2]).double(), torch.cat(y[:2]).double())
    np.testing.assert_allclose(found.values, oracle.predict(x[2].double()), rtol=1e-5, atol=1e-4)
    found.check(50, 2)
    assert value(r2, found.join(targets=y[2])) > 0.2


def test_of_equal_scores_the_stronger_is_chosen() -> None:
    given, x, y = data()
    flat = TaskData(given.folds, given.classes, False, lambda evidence: 0.0)
    oracle = SkRidge(alpha=1e5, solver="svd").fit(torch.cat(x[:2]).double(), torch.cat(y[:2]).double())
    np.testing.assert_allclose(Ridge().run(flat).values, oracle.predict(x[2].double()), rtol=1e-5, atol=1e-4)


def test_only_continuous_targets_are_regressed() -> None:
    card = DatasetCard(name="d", revision="1", classes=("x",), splits={"train": 1, "test": 1})
    assert Ridge().skip(card) == "regresses continuous targets, d is single-label"
    assert Ridge().skip(card.model_copy(update={"kind": "continuous"})) is None
    assert Ridge(view="whole").needs.views == ("whole",)
