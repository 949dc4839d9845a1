"""Label efficiency: the fraction stated, of every class; each fit scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from probe_data import data
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from harness.errors import HarnessError
from harness.testing import check_task
from harness_tasks.labels import Labels, subset


def test_a_fraction_of_every_class_and_one_label_at_least() -> None:
    targets = np.random.RandomState(0).permutation(np.repeat([0, 1, 2], [200, 50, 3]))
    rows = subset(targets, 0.1, seed=0)
    assert np.bincount(targets[rows]).tolist() == [20, 5, 1]
    assert np.array_equal(rows, np.unique(rows))
    assert np.array_equal(subset(targets, 1.0, seed=0), np.arange(253))
    assert not np.array_equal(rows, subset(targets, 0.1, seed=1))
    assert len(subset(np.zeros((253, 4), np.int64), 0.1, seed=0)) == 25


def test_each_fraction_is_scikit_learns_probe_of_those_images() -> None:
    given, _ = data()
    x, y = given.train.embeddings.double().numpy(), given.train.targets.numpy()
    for fraction, found in Labels(("20%", "100%")).run(given).items():
        rows = subset(y, float(fraction[:-1]) / 100, given.seed)
        assert len(rows) == {"20%": 48, "100%": 240}[fraction]
        grid = np.logspace(-6, 5, 45)
        fits = [LogisticRegression(C=1 / wd, tol=1e-8, max_iter=5000).fit(x[rows], y[rows]) for wd in grid]
        val = given.val.embeddings.double().numpy()
        best = max(range(45), key=lambda g: (fits[g].score(val, given.val.targets.numpy()), g))
        expected = fits[best].predict_proba(given.test.embeddings.double().numpy())
        assert np.abs(found.probabilities.numpy() - expected).max() < 5e-3


def test_more_labels_help_and_label_sets_work() -> None:
    given, targets = data(multilabel=True)
    found = Labels().run(given)
    assert list(found) == ["1%", "10%", "100%"]
    few, _, all_ = (average_precision_score(targets, p.scores, average="macro") for p in found.values())
    assert all_ > few
    assert all(p.multilabel for p in found.values())


@pytest.mark.parametrize("fraction", ["0%", "101%", "10", "a%", "-1%"])
def test_fractions_are_percentages(fraction: str) -> None:
    with pytest.raises(HarnessError, match="must be a percentage"):
        Labels((fraction,))
    assert Labels("5%").needs.features == (("embedding", "clean"),)


def test_it_passes_the_conformance_kit() -> None:
    assert [f for f in check_task(Labels()) if f.status == "failed"] == []
