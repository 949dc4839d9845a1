"""Bootstrap intervals against SciPy, the normal distribution and a coverage simulation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from harness.numerics import bootstrap
from harness.numerics.bootstrap import percentile_interval, resample_indices, weights


def gamma_values(n: int, columns: int = 1, seed: int = 0) -> torch.Tensor:
    """Skewed values of mean 2."""
    return torch.from_numpy(np.random.default_rng(seed).gamma(2.0, size=(n, columns)))


def mean_interval(
    values: torch.Tensor, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> tuple[torch.Tensor, torch.Tensor]:
    """The interval of the mean over images of values (N,) or (N, K), as `harness.metrics` takes it."""
    means = torch.cat([w @ values.double() / len(values) for w in weights(len(values), resamples, seed)])
    return percentile_interval(means, confidence)


def test_interval_equals_scipy_within_monte_carlo_error() -> None:
    values = gamma_values(400).squeeze(1)
    low, high = mean_interval(values, resamples=20_000)
    expected = stats.bootstrap(
        (values.numpy(),), np.mean, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    error = 0.04 * values.std().item() / 400**0.5
    assert low.dtype == torch.float64
    assert low.shape == high.shape == ()
    assert low.item() == pytest.approx(expected.low, abs=error)
    assert high.item() == pytest.approx(expected.high, abs=error)


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    """1000 data sets of 100 images: their columns share the resamples, which leaves each one's coverage as it is."""
    low, high = mean_interval(gamma_values(100, 1000), resamples=1000)
    coverage = ((low <= 2) & (high >= 2)).double().mean()
    assert 0.92 <= coverage <= 0.975


def test_columns_are_paired() -> None:
    values = gamma_values(300, 2)
    low, high = mean_interval(torch.stack([values[:, 0], values[:, 0] + 5, -values[:, 0]], 1))
    torch.testing.assert_close(low[1], low[0] + 5)
    torch.testing.assert_close(low[2], -high[0])
    alone = mean_interval(values[:, 0])
    torch.testing.assert_close(torch.stack(alone), torch.stack([low[0], high[0]]), rtol=1e-12, atol=0)


def test_mean_interval_is_that_of_its_resamples() -> None:
    values = gamma_values(50).squeeze(1)
    means = torch.stack([values[index].mean() for index in resample_indices(50, 200, seed=3)])
    expected = percentile_interval(means, 0.9)
    torch.testing.assert_close(mean_interval(values, resamples=200, seed=3, confidence=0.9), expected)


def test_weights_count_the_resampled_indices() -> None:
    counted = torch.cat(list(weights(7, 30, seed=5)))
    expected = torch.stack([(index[:, None] == torch.arange(7)).sum(0) for index in resample_indices(7, 30, seed=5)])
    assert torch.equal(counted, expected.double())


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    values = gamma_values(60, 2)
    whole = mean_interval(values)
    monkeypatch.setattr(bootstrap, "COUNTS", 700)
    torch.testing.assert_close(mean_interval(values), whole, rtol=1e-12, atol=0)


def test_seed_decides_the_resamples() -> None:
    first, again, other = (torch.stack(list(resample_indices(9, 5, seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (5, 9)
    assert first.min() >= 0
    assert first.max() < 9


def test_a_constant_has_no_width() -> None:
    low, high = mean_interval(torch.full((40,), 0.25))
    assert low.item() == high.item() == 0.25


def test_what_a_caller_does_to_the_weights_reaches_no_other() -> None:
    first = torch.cat(list(weights(50, 20)))
    for block in weights(50, 20):
        block.zero_()
    assert torch.equal(torch.cat(list(weights(50, 20))), first)
    drawn = torch.stack([index.bincount(minlength=50) for index in resample_indices(50, 20)])
    assert torch.equal(first, drawn.double())
