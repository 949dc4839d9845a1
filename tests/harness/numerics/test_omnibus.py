"""Friedman, Nemenyi, Wilcoxon-Holm and win rates against SciPy, scikit-posthocs and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import scikit_posthocs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harness.errors import UndefinedError
from harness.numerics import omnibus
from harness.numerics.omnibus import friedman, holm, nemenyi, wilcoxon_holm, win_rates


def board(tasks: int, models: int, seed: int = 0, decimals: int | None = None) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(0, 8, (tasks, 1)) + random.normal(0, 3, (tasks, models)) + np.linspace(0, 4, models)
    return values if decimals is None else values.round(decimals)


@pytest.mark.parametrize("decimals", [None, 0, -1])
def test_friedman_is_scipys_with_and_without_ties(decimals: int | None) -> None:
    values = board(12, 5, decimals=decimals)
    found = friedman(values)
    expected = stats.friedmanchisquare(*values.T)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    np.testing.assert_allclose(found.ranks, stats.rankdata(-values, axis=1).mean(0))


def test_friedman_by_hand() -> None:
    """Four tasks that all order three models alike: 12 T / (M (M + 1)) sum (R - 2)^2 = 8, and p = exp(-4)."""
    found = friedman([[3, 2, 1], [9, 5, 0], [30, 20, 10], [3, 2, 1]])
    assert found.ranks.tolist() == [1, 2, 3]
    assert found.statistic == pytest.approx(8)
    assert found.p == pytest.approx(np.exp(-4))


@pytest.mark.parametrize(("tasks", "models", "decimals"), [(6, 3, None), (40, 14, 0), (10, 30, None)])
def test_nemenyi_is_scikit_posthocs(tasks: int, models: int, decimals: int | None) -> None:
    values = board(tasks, models, decimals=decimals)
    expected = scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy()
    np.testing.assert_allclose(nemenyi(values).p, expected, atol=1e-8)


def test_the_critical_difference_is_demsars() -> None:
    """The example of his paper: four classifiers on 14 data sets, 2.569 sqrt(4 x 5 / (6 x 14)) = 1.25."""
    found = nemenyi(board(14, 4)).critical_difference
    assert found == pytest.approx(1.25, abs=0.005)
    ranks = friedman(board(14, 4)).ranks
    apart = np.abs(ranks[:, None] - ranks)
    np.testing.assert_array_equal(nemenyi(board(14, 4)).p < 0.05, apart > found)


def test_many_distances_are_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = nemenyi(board(40, 60)).p
    monkeypatch.setattr(omnibus, "COMPUTED", 400)
    assert len(np.unique(exact)) > 400
    np.testing.assert_allclose(nemenyi(board(40, 60)).p, exact, atol=1e-4)


@pytest.mark.parametrize(("tasks", "decimals"), [(5, None), (13, None), (20, None), (60, None), (20, 0), (60, 0)])
def test_wilcoxon_is_scikit_posthocs(tasks: int, decimals: int | None) -> None:
    values = board(tasks, 5, decimals=decimals)
    expected = scikit_posthocs.posthoc_wilcoxon(values.T.tolist(), p_adjust="holm").to_numpy()
    np.testing.assert_allclose(wilcoxon_holm(values), expected, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_few_tied_tasks_are_permuted_exactly(seed: int) -> None:
    values = board(9, 4, seed, decimals=0)
    pairs = np.triu_indices(4, 1)
    differences = [(values[:, i] - values[:, j]) for i, j in zip(*pairs, strict=True)]
    each = [stats.wilcoxon(d[d != 0], method=stats.PermutationMethod()).pvalue for d in differences]
    np.testing.assert_allclose(wilcoxon_holm(values)[pairs], multipletests(each, method="holm")[1])


def test_scores_that_look_tied_are() -> None:
    """0.3 - 0.2 and 0.2 - 0.1 differ in the last bit."""
    twice = np.array([[0.3, 0.2], [0.2, 0.1], [0.7, 0.5], [0.1, 0.2], [0.9, 0.4]])
    np.testing.assert_allclose(wilcoxon_holm(twice), wilcoxon_holm((10 * twice).round()))


def test_the_unit_does_not_matter() -> None:
    np.testing.assert_allclose(wilcoxon_holm(1e-14 * board(20, 4)), wilcoxon_holm(board(20, 4)))


@pytest.mark.parametrize("tasks", [6, 30])
def test_identical_models_are_not_told_apart(tasks: int) -> None:
    one = board(tasks, 1)
    p = wilcoxon_holm(np.hstack([one, one, one + np.arange(1, tasks + 1)[:, None]]))
    assert p[0, 1] == 1
    assert p[0, 2] < 0.1


def test_holm_is_statsmodels() -> None:
    p = np.random.default_rng(0).uniform(0, 0.2, 30) ** 2
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_win_rates_by_hand() -> None:
    rates = win_rates([[3, 2, 1], [1, 2, 2], [5, 4, 4], [0, 1, 2]])
    np.testing.assert_array_equal(rates, [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    rates = win_rates([[3, 2], [3, 3], [4, 1], [9, 8]])
    np.testing.assert_array_equal(rates, [[0.5, 0.875], [0.125, 0.5]])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 6), st.integers(3, 9), st.sampled_from([None, 0]))
def test_the_order_of_models_and_tasks_does_not_matter(
    seed: int, models: int, tasks: int, decimals: int | None
) -> None:
    values = board(tasks, models, seed, decimals)
    random = np.random.default_rng(seed)
    m, t = random.permutation(models), random.permutation(tasks)
    shuffled = values[np.ix_(t, m)]
    np.testing.assert_allclose(friedman(shuffled).ranks, friedman(values).ranks[m])
    assert friedman(shuffled).p == pytest.approx(friedman(values).p)
    for test in (wilcoxon_holm, win_rates, lambda v: nemenyi(v).p):
        np.testing.assert_allclose(test(shuffled), test(values)[np.ix_(m, m)], atol=1e-12)
    for test in (wilcoxon_holm, lambda v: nemenyi(v).p):
        found = test(values)
        np.testing.assert_array_equal(found, found.T)
        assert (found >= 0).all()
        assert (found <= 1).all()
    np.testing.assert_allclose(win_rates(values) + win_rates(values).T, 1)


@pytest.mark.parametrize("test", [friedman, nemenyi])
def test_too_little_to_compare(test) -> None:
    for shape in ((9, 2), (1, 9), (0, 0)):
        with pytest.raises(UndefinedError, match="it takes 3 models and 2 tasks"):
            test(np.arange(shape[0] * shape[1], dtype=float).reshape(shape))


def test_what_is_undefined_and_what_is_wrong() -> None:
    with pytest.raises(UndefinedError, match="the same scores"):
        friedman(np.ones((4, 3)))
    assert (nemenyi(np.ones((4, 3))).p == 1).all()
    assert (wilcoxon_holm(np.ones((4, 3))) == 1).all()
    with pytest.raises(UndefinedError, match="2 models"):
        wilcoxon_holm(np.ones((4, 1)))
    with pytest.raises(ValueError, match="finite"):
        win_rates([[1.0, np.nan]])
