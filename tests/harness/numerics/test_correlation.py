"""Correlations against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.numerics.correlation import FEWEST, correlate, pearson, spearman


def pairs(n: int, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    y = 0.6 * x + random.normal(size=n)
    return (x.round(), y.round()) if ties else (x, y)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [4, 14, 200])
def test_coefficients_are_scipys(n: int, ties: bool) -> None:
    x, y = pairs(n, seed=n, ties=ties)
    found = correlate(x, y, resamples=100)
    assert found.n == n
    assert found.pearson == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert found.spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_many_at_once_are_each_alone() -> None:
    x, y = (np.stack(rows) for rows in zip(*(pairs(9, seed) for seed in range(5)), strict=True))
    for of in (pearson, spearman):
        np.testing.assert_allclose(of(x, y), [float(of(a, b)) for a, b in zip(x, y, strict=True)], atol=1e-15)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_intervals_are_scipys(name: str) -> None:
    x, y = pairs(30, seed=3)
    of = getattr(stats, f"{name}r")
    oracle = stats.bootstrap(
        (x, y), lambda a, b: of(a, b).statistic, paired=True, method="percentile", n_resamples=4000, vectorized=False,
        rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    low, high = getattr(correlate(x, y, resamples=20_000), f"{name}_ci")
    assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=0.02)
    assert high - low > 0.2


def test_the_pairs_stay_together() -> None:
    """Drawn apart, resamples of a perfect correlation would have none."""
    x = np.arange(10.0)
    found = correlate(x, -2 * x)
    assert found.pearson == pytest.approx(-1)
    assert found.pearson_ci == pytest.approx((-1, -1))
    assert found.spearman_ci == pytest.approx((-1, -1))


def test_the_same_pairs_give_the_same_intervals() -> None:
    x, y = pairs(14, seed=0)
    assert correlate(x, y) == correlate(x, y)
    assert correlate(x, y).pearson_ci != correlate(x, y, seed=1).pearson_ci


def test_nothing_is_said_of_few_pairs_or_a_constant() -> None:
    x = np.arange(8.0)
    for found in (correlate(x[: FEWEST - 1], x[: FEWEST - 1]), correlate(x, np.full(8, 0.1)), correlate(x[:0], x[:0])):
        assert found[1:] == (None, None, None, None)


def test_resamples_without_variance_are_left_out() -> None:
    """Of four pairs that differ in one, a third of the resamples lack it."""
    found = correlate(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 1.0, 2.0, 5.0]))
    assert found.pearson_ci is not None
    assert np.isfinite(found.pearson_ci).all()
