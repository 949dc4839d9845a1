"""The linear task's two modes, the published one against a straight-line script over scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from probe_data import data
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.datasets import DatasetCard
from harness.evidence import Predictions
from harness.metrics import value
from harness.numerics.logistic import WEIGHT_DECAYS, objective
from harness.tasks import Fold, TaskData
from harness_metrics.classification import mean_average_precision
from harness_tasks.linear import Linear
from harness_tasks.probes import PROBES, Converged, Published

pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")


def arrays(given: TaskData, kind: Any = np.float64) -> tuple[Any, ...]:
    """Features and targets of train, then of val, then of both; scikit-learn computed in float64 then."""
    x, y = (
        [f.embeddings.numpy().astype(kind) for f in (given.train, given.val)],
        [f.targets.numpy() for f in (given.train, given.val)],
    )
    return x[0], y[0], x[1], y[1], np.concatenate(x), np.concatenate(y)


def published(given: TaskData, tol: float) -> tuple[float, Any]:
    """The chosen weight decay and the test probabilities, step by step as the released code."""
    x, y, x_val, y_val, x_both, y_both = arrays(given)
    model, best, chosen = LogisticRegression(warm_start=True), -1.0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in WEIGHT_DECAYS.tolist():
            model.set_params(C=1 / decay, tol=tol / len(x)).fit(x, y)
            accuracy = model.score(x_val, y_val)
            if accuracy > best:
                best, chosen = accuracy, decay
        model.set_params(C=1 / chosen, tol=tol / len(x_both)).fit(x_both, y_both)
    return chosen, model.predict_proba(given.test.embeddings.numpy())


def test_protocol_is_the_released_code() -> None:
    given, _ = data()
    found = Linear(mode="protocol").run(given)
    np.testing.assert_allclose(found.probabilities, published(given, 1e-4)[1], atol=1e-6)
    assert found.scores.dtype == torch.float32


def test_the_tolerances_differ_by_the_number_of_images() -> None:
    given, _ = data()
    early = Linear(mode="protocol", tolerance="sklearn").run(given)
    x, y, x_val, y_val, x_both, y_both = arrays(given, np.float32)
    scores = []
    model = LogisticRegression(warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in WEIGHT_DECAYS.tolist():
            scores.append(model.set_params(C=1 / decay).fit(x, y).score(x_val, y_val))
        model.set_params(C=1 / WEIGHT_DECAYS[np.argmax(scores)].item()).fit(x_both, y_both)
    np.testing.assert_allclose(early.probabilities, model.predict_proba(given.test.embeddings.numpy()), atol=1e-6)


def test_labels_of_the_protocol_pass_their_weights_on() -> None:
    given, targets = data(multilabel=True)
    x, y, x_val, y_val, x_both, y_both = arrays(given)
    model = LogisticRegression(warm_start=True)

    def fitted(decay: float, features: Any, labels: Any, new: Any) -> Any:
        columns = []
        model.set_params(C=2 / decay, tol=1e-4 / len(features))
        for label in labels.T:
            columns.append(model.fit(features, label).decision_function(new))
        return np.stack(columns, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        grid = WEIGHT_DECAYS.tolist()
        scores = [average_precision_score(y_val, fitted(decay, x, y, x_val)) for decay in grid]
        expected = fitted(grid[int(np.argmax(scores))], x_both, y_both, given.test.embeddings.numpy())
    found = Linear(mode="protocol").run(given)
    np.testing.assert_allclose(found.scores, expected, atol=1e-3)
    assert found.multilabel
    assert value(mean_average_precision, found.join(targets=targets)) > 75


@pytest.mark.parametrize("mode", ["converged", "protocol"])
def test_two_classes_have_scikit_learns_probabilities(mode: Any) -> None:
    """At two columns of weights, whose weight decay is twice that of scikit-learn's one."""
    given, _ = data(classes=2)
    x, y, *_ = arrays(given)
    new = given.test.embeddings
    probe = (Converged if mode == "converged" else Published)(Linear(), 2)
    fit = next(f for f in probe.sweep(given.train.embeddings, given.train.targets) if f.weight_decay > 1)
    oracle = LogisticRegression(C=2 / fit.weight_decay, tol=1e-9, max_iter=1000).fit(x, y)
    got = fit.logits(new).softmax(1)
    np.testing.assert_allclose(got, oracle.predict_proba(new.numpy()), atol=1e-4 if mode == "protocol" else 1e-3)


@pytest.mark.parametrize("mode", ["converged", "protocol"])
def test_both_modes_solve_the_same_problem(mode: Any) -> None:
    given, _ = data(classes=3)
    x, y = given.train.embeddings, given.train.targets
    probe = (Converged if mode == "converged" else Published)(Linear(), 3)
    for fit in probe.sweep(x, y):
        if fit.weight_decay > 10:
            oracle = LogisticRegression(C=1 / fit.weight_decay, tol=1e-10, max_iter=1000).fit(x.double(), y)
            weight, bias = torch.from_numpy(oracle.coef_), torch.from_numpy(oracle.intercept_)
            pair = torch.stack([fit.weight.double(), weight]), torch.stack([fit.bias.double(), bias])
            found, best = objective(*pair, x, y, torch.full((2,), fit.weight_decay))
            assert found / best - 1 < 1e-5


def ties(given: TaskData, mode: Any) -> float:
    """The weight decay that a mode chooses where all are equally good."""
    probes: list[float] = []

    class Spy(Published if mode == "protocol" else Converged):  # type: ignore[misc]
        def refit(self, x: Tensor, y: Tensor, chosen: Any) -> Any:
            probes.append(chosen.weight_decay)
            return super().refit(x, y, chosen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("harness_tasks.probes").probes.PROBES, mode, Spy)
        Linear(mode=mode).run(replace(given, judge=lambda evidence: 1.0))
    return probes[0]


def test_of_equal_scores_the_protocol_keeps_the_first_and_the_other_the_stronger() -> None:
    given, _ = data()
    assert ties(given, "protocol") == pytest.approx(1e-6)
    assert ties(given, "converged") == pytest.approx(1e5)


@pytest.mark.parametrize("mode", ["converged", "protocol"])
def test_classes_that_only_val_has_and_that_none_has(mode: Any) -> None:
    given, _ = data()
    x, y = given.train.embeddings, given.train.targets
    train = Fold("train", {("embedding", "clean"): x[y < 3]}, y[y < 3])
    odd = TaskData({**given.folds, "train": train}, tuple("abcdef"), False, given.judge)
    found = Linear(mode=mode).run(odd)
    assert found.scores.shape == (100, 6)
    assert set(found.scores.argmax(1).tolist()) <= {0, 1, 2, 3}
    assert (found.probabilities[:, 3] > 1.1 * found.probabilities[:, 4:].sum(1)).all()


@pytest.mark.parametrize("mode", ["converged", "protocol"])
def test_a_label_that_all_training_images_share(mode: Any) -> None:
    given, _ = data(multilabel=True)
    folds = dict(given.folds)
    for name in ("train", "val"):
        y = folds[name].targets.clone()
        y[:, 1] = 1
        folds[name] = replace(folds[name], given=y)
    found = Linear(mode=mode).run(replace(given, folds=folds, judge=lambda evidence: 1.0))
    torch.testing.assert_close(found.scores[:, 1], torch.full((100,), float(np.log(320))))


def test_the_view_asked_for_is_the_one_used() -> None:
    given, _ = data()
    assert Linear(view="whole").needs.views == ("whole",)
    moved = {k: replace(f, features={("embedding", "whole"): f.embeddings}) for k, f in given.folds.items()}
    whole = Linear(view="whole").run(replace(given, folds=moved))
    assert torch.equal(whole.scores, Linear().run(given).scores)


def test_continuous_targets_are_skipped() -> None:
    card = DatasetCard(name="d", revision="1", classes=("x",), splits={"train": 1, "test": 1}, kind="continuous")
    assert "ridge" in (Linear().skip(card) or "")
    assert Linear().skip(card.model_copy(update={"kind": "multi-label"})) is None


def test_the_grid_is_visited_in_the_published_order() -> None:
    given, _ = data()
    sweep = [fit.weight_decay for fit in Published(Linear(), 4).sweep(given.train.embeddings, given.train.targets)]
    assert sweep == WEIGHT_DECAYS.tolist()


def test_predictions_are_of_the_right_kind() -> None:
    given, _ = data(classes=2)
    found = Linear(mode="protocol").run(given)
    assert isinstance(found, Predictions)
    found.check(100, 2)


@pytest.mark.parametrize("mode", ["converged", "protocol"])
def test_the_temperature_is_that_of_the_fit_that_val_judged(mode: Literal["converged", "protocol"]) -> None:
    given, _ = data()
    found = Linear(mode=mode).run(given)
    assert found.temperature is not None
    fits = list(PROBES[mode](Linear(mode=mode), 4).sweep(given.train.embeddings, given.train.targets))
    logits = [fit.logits(given.val.embeddings) for fit in fits]
    best = max(logits, key=lambda scores: given.judge(Predictions(scores)))
    losses = {t: float(cross_entropy(best / t, given.val.targets)) for t in (0.99, 1.0, 1.01)}
    scaled = {t: float(cross_entropy(best / (t * found.temperature), given.val.targets)) for t in losses}
    assert min(scaled, key=lambda t: scaled[t]) == 1.0
    assert scaled[1.0] <= losses[1.0]
    assert Linear(mode=mode).run(data(multilabel=True)[0]).temperature is None
