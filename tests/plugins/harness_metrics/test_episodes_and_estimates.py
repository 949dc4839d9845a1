"""Few-shot accuracy with its closed-form interval, and the coefficient of determination against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from harness.errors import UndefinedError
from harness.evidence import Episodes, Estimates
from harness.metrics import score, value
from harness_metrics.episodes import episode_accuracy
from harness_metrics.estimates import r2


def test_episode_accuracy_is_the_mean_with_the_papers_interval() -> None:
    accuracy = 100 * torch.rand(600, generator=torch.Generator().manual_seed(0))
    found = score(episode_accuracy, Episodes(accuracy))
    half = 1.96 * np.std(accuracy.double().numpy()) / np.sqrt(600)
    assert found.value == pytest.approx(accuracy.double().mean().item())
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    assert found.n == 600


def test_one_episode_has_an_interval_of_no_width() -> None:
    found = score(episode_accuracy, Episodes(torch.tensor([80.0])))
    assert (found.low, found.value, found.high) == (80.0, 80.0, 80.0)


def estimates(offset: float = 0.0) -> Estimates:
    generator = torch.Generator().manual_seed(1)
    truth = torch.randn(300, 4, generator=generator) + offset
    return Estimates(truth + torch.tensor([0.1, 0.5, 1.0, 3.0]) * torch.randn(300, 4, generator=generator), truth)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_r2_equals_sklearn_also_below_zero_and_far_from_the_origin(offset: float) -> None:
    e = estimates(offset)
    assert value(r2, e) == pytest.approx(r2_score(e.targets.double(), e.values.double()), rel=1e-9)
    assert value(r2, Estimates(e.values[:, 3:], e.targets[:, 3:])) < 0


def test_r2_under_weights_equals_repeating_images() -> None:
    e = estimates()
    counts = torch.randint(0, 4, (3, 300), generator=torch.Generator().manual_seed(1))
    for row, w in zip(r2(e).of(counts.double()), counts, strict=True):
        assert row.item() == pytest.approx(value(r2, e.take(torch.arange(300).repeat_interleave(w))))


def test_a_target_that_does_not_vary_is_left_out_of_r2() -> None:
    e = estimates()
    constant = Estimates(
        torch.cat([e.values, e.values[:, :1]], 1), torch.cat([e.targets, torch.full((300, 1), 0.3)], 1)
    )
    assert value(r2, constant) == pytest.approx(value(r2, e))


def test_r2_is_undefined_when_no_target_varies() -> None:
    with pytest.raises(UndefinedError, match="no target varies"):
        value(r2, Estimates(torch.randn(5, 2), torch.full((5, 2), 0.3)))


def test_a_target_that_a_resample_makes_constant_is_left_out_of_it() -> None:
    """One image of eight differs in the second target: a third of the resamples lack it."""
    truth = torch.rand(8, 2, generator=torch.Generator().manual_seed(0))
    truth[:, 1] = 0.1
    truth[3, 1] = 0.7
    found = score(r2, Estimates(truth + 0.01, truth), resamples=200)
    assert found.low is not None
    assert found.low > 0
