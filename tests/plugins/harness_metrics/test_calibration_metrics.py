"""Calibration against netcal, SciPy and repeated images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from netcal.metrics import ECE
from scipy.optimize import minimize_scalar

from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.metrics import Metric, score, value
from harness_metrics import calibration as m

N, C = 600, 7


def predictions(seed: int = 0, skew: float = 2.0) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.multinomial(torch.linspace(1, 4, C), N, replacement=True, generator=generator)
    scores = torch.randn(N, C, generator=generator) + skew * torch.nn.functional.one_hot(targets, C)
    return Predictions(2 * scores, targets, temperature=1.7)


def netcal_ece(scores: torch.Tensor, targets: torch.Tensor, **options: bool) -> float:
    probabilities = scores.double().softmax(1).numpy()
    return 100 * float(ECE(bins=15, **options).measure(probabilities, targets.numpy()))


@pytest.mark.parametrize("seed", range(4))
def test_ece_equals_netcal(seed: int) -> None:
    p = predictions(seed, skew=1.0 + seed)
    assert value(m.ece, p) == pytest.approx(netcal_ece(p.scores, p.targets), abs=1e-9)
    assert value(m.ece_temperature, p) == pytest.approx(netcal_ece(p.scores / 1.7, p.targets), abs=1e-5)


def test_ece_counts_saturated_confidence_in_the_last_bin() -> None:
    scores = torch.tensor([[1000.0, 0.0], [1000.0, 0.0], [3.5, 0.0], [3.5, 0.0]])
    p = Predictions(scores, torch.tensor([0, 1, 0, 0]))
    confidence = torch.tensor([1.0, 1.0, 3.5, 3.5]).double()
    confidence[2:] = scores.double().softmax(1)[2:, 0]
    assert value(m.ece, p) == pytest.approx(100 * abs(confidence.mean().item() - 0.75), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_adaptive_ece_equals_netcal_with_equal_mass(seed: int) -> None:
    p = predictions(seed, skew=1.0 + seed)  # 600 images, so that 15 bins of 40 leave nothing to interpret
    assert value(m.ece_adaptive, p) == pytest.approx(netcal_ece(p.scores, p.targets, equal_intervals=False), abs=1e-9)


def test_adaptive_bins_hold_equally_many_images_and_equal_confidences_together() -> None:
    confidence = torch.rand(N, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sizes = torch.bucketize(confidence, confidence.quantile(torch.linspace(0, 1, 16, dtype=torch.float64)[1:-1]))
    assert sizes.bincount().tolist() == [40] * 15
    p = Predictions(torch.tensor([[1.0, 0.0]]).repeat(40, 1), torch.arange(40) % 2)
    assert value(m.ece_adaptive, p) == pytest.approx(value(m.ece, p))


@pytest.mark.parametrize("seed", range(3))
def test_classwise_ece_is_the_mean_of_each_classes_binary_ece(seed: int) -> None:
    p = predictions(seed)
    each = []
    for c in range(C):
        probability, hit = p.probabilities[:, c].numpy(), (p.targets == c).numpy()
        which = np.clip(np.ceil(probability * 15) - 1, 0, 14)
        gaps = [abs((probability - hit)[which == b].sum()) for b in range(15)]
        each.append(sum(gaps) / N)
    assert value(m.ece_classwise, p) == pytest.approx(100 * np.mean(each))


def crossfitted(p: Predictions, order: torch.Tensor) -> float:
    """The definition, with SciPy's temperature and netcal's ECE."""
    found = []
    for fold in np.array_split(np.random.RandomState(0).permutation(N), 5):
        fit = order[torch.from_numpy(fold)]
        left = torch.from_numpy(np.setdiff1d(order.numpy(), fit.numpy()))
        loss = lambda t: float(torch.nn.functional.cross_entropy(p.scores[fit].double() / t, p.targets[fit]))  # noqa: B023, E731
        best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}).x
        found.append(netcal_ece(p.scores[left].double() / best, p.targets[left]))
    return float(np.mean(found))


@pytest.mark.parametrize("seed", range(2))
def test_crossfitted_ece_equals_its_definition(seed: int) -> None:
    p = predictions(seed)
    likelihood = torch.nn.functional.cross_entropy(p.scores.double(), p.targets, reduction="none")
    assert value(m.ece_temperature_crossfit, p) == pytest.approx(crossfitted(p, likelihood.argsort()), abs=1e-6)
    assert value(m.ece_temperature_crossfit, p) == pytest.approx(crossfitted(p, torch.arange(N)), abs=1.5)
    confident = Predictions(3 * p.scores, p.targets)
    assert value(m.ece_temperature_crossfit, confident) < value(m.ece, confident)


def test_the_order_of_the_images_does_not_matter() -> None:
    p = predictions()
    other = p.take(torch.randperm(N, generator=torch.Generator().manual_seed(2)))
    assert value(m.ece_temperature_crossfit, other) == pytest.approx(value(m.ece_temperature_crossfit, p), abs=1e-9)


@pytest.mark.parametrize("n", [1, 3])
def test_few_images_still_have_a_crossfitted_ece(n: int) -> None:
    assert 0 <= value(m.ece_temperature_crossfit, predictions().take(torch.arange(n))) <= 100


def test_without_a_temperature_there_is_an_error() -> None:
    p = Predictions(torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))
    with pytest.raises(HarnessError, match="no temperature on validation"):
        value(m.ece_temperature, p)


@pytest.mark.parametrize("metric", [m.ece, m.ece_classwise, m.ece_temperature], ids=lambda x: x.name)
def test_weights_equal_repeating_images(metric: Metric) -> None:
    p = predictions()
    counts = torch.randint(0, 4, (3, N), generator=torch.Generator().manual_seed(1))
    for row, w in zip(metric(p).of(counts.double()), counts, strict=True):
        assert row.item() == pytest.approx(value(metric, p.take(torch.arange(N).repeat_interleave(w))))


@pytest.mark.parametrize("metric", [m.ece_adaptive, m.ece_temperature_crossfit], ids=lambda x: x.name)
def test_intervals_keep_bins_and_temperatures(metric: Metric) -> None:
    p = predictions()
    of = metric(p).of
    twice = torch.full((1, N), 2.0, dtype=torch.float64)
    assert of(twice).item() == pytest.approx(value(metric, p))
    found = score(metric, p, resamples=200)
    assert found.low < found.high
