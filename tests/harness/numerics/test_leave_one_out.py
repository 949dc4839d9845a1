"""Leave-one-out prediction, against scikit-learn's loops and planted data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from harness.numerics.leave_one_out import STRENGTHS, Predict, by_ridge, by_tree, leave_one_out, r2


def loops(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What `by_ridge` computes, fit by fit."""
    found = np.empty_like(y)
    for rest, (i,) in LeaveOneOut().split(x):
        scaler = StandardScaler().fit(x[rest])
        z = scaler.transform(x[rest])
        models = [Ridge(strength * x.shape[1]) for strength in STRENGTHS]
        errors = [np.square(y[rest] - cross_val_predict(m, z, y[rest], cv=LeaveOneOut())).sum() for m in models]
        found[i] = models[int(np.argmin(errors))].fit(z, y[rest]).predict(scaler.transform(x[[i]]))[0]
    return found


@pytest.mark.parametrize(("n", "features"), [(7, 3), (6, 12), (5, 1)])
def test_ridge_is_that_of_nested_loops(n: int, features: int) -> None:
    random = np.random.default_rng(n + features)
    x = random.normal(size=(n, features)) * random.uniform(0.1, 100, features) + 5
    y = np.stack([x[:, 0] / x[:, 0].std() + 0.5 * random.normal(size=n), random.normal(size=n)])
    np.testing.assert_allclose(by_ridge(x, y), [loops(x, each) for each in y], atol=1e-8)


def test_a_constant_feature_counts_only_in_the_strength() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(8, 3)), random.normal(size=8)
    x[:, 1] = 0.1
    np.testing.assert_allclose(by_ridge(x, y[None])[0], loops(x, y), atol=1e-8)


def test_the_tree_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 4)), random.normal(size=(3, 12))
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    np.testing.assert_array_equal(by_tree(x, y), [cross_val_predict(tree, x, each, cv=LeaveOneOut()) for each in y])


@pytest.mark.parametrize("predict", [by_ridge, by_tree])
def test_no_prediction_sees_its_own_target(predict: Predict) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(9, 4)), random.normal(size=9)
    other = y.copy()
    other[4] = 100.0
    one, two = predict(x, np.stack([y, other]))
    assert one[4] == pytest.approx(two[4])
    assert not np.isclose(one, two)[[0, 8]].any()


def test_r2_is_zero_for_the_mean_of_the_others() -> None:
    y = np.random.default_rng(0).normal(size=9)
    mean = cross_val_predict(DummyRegressor(), y[:, None], y, cv=LeaveOneOut())
    assert r2(y, mean) == pytest.approx(0)
    assert r2(y, y) == 1
    guess = y + 0.1
    assert r2(y, guess) == pytest.approx(1 - 9 * 0.01 / np.square(y - mean).sum())


@pytest.mark.parametrize(("predict", "permutations"), [(by_ridge, 999), (by_tree, 99)])
def test_what_is_planted_is_found(predict: Predict, permutations: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(14, 6))
    y = x[:, 0] + x[:, 1] if predict is by_ridge else np.where(x[:, 2] > 0, 1.0, 0.0)
    found = leave_one_out(x, y + 0.05 * random.normal(size=14), predict, permutations)
    assert found.r2 > 0.9
    assert found.spearman is not None
    assert found.spearman > 0.8 if predict is by_ridge else found.spearman > 0.4
    assert found.p < 2 / permutations + 0.01


def test_what_is_not_there_is_not_found() -> None:
    """p is uniform, and the rank correlation of useless predictions leans to the negative."""
    random = np.random.default_rng(0)
    found = [leave_one_out(random.normal(size=(10, 8)), random.normal(size=10), by_ridge, 99) for _ in range(150)]
    assert stats.kstest([each.p for each in found], "uniform").pvalue > 0.01
    assert np.median([each.r2 for each in found]) < 0.05
    assert np.mean([each.spearman or 0.0 for each in found]) < 0


def test_the_same_twice() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(8, 3)), random.normal(size=8)
    one, two = (leave_one_out(x, y, by_ridge, 50) for _ in range(2))
    assert one[1:] == two[1:]
    assert one.values.tolist() == two.values.tolist()


@pytest.mark.parametrize("y", [np.ones(6), np.arange(2.0)])
def test_targets_that_cannot_be_predicted_are_refused(y: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not all the same"):
        leave_one_out(np.ones((len(y), 1)), y, by_ridge, 9)
