"""Metrics: three ways to state one, one value, one interval, and nothing out of bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy

from harness.errors import HarnessError, UndefinedError
from harness.evidence import Embeddings, Episodes, Predictions
from harness.metrics import Interval, Metric, Weighted, metric, score, value

PERCENT = {"accepts": Predictions, "unit": "%", "bounds": (0, 100)}


@metric("mean", **PERCENT)
def per_image(p: Predictions) -> torch.Tensor:
    """Hits.

    In percent."""
    return 100.0 * (p.scores.argmax(1) == p.targets)


@metric("weighted", **PERCENT)
def weighted(p: Predictions) -> Weighted:
    hits = 100.0 * (p.scores.argmax(1) == p.targets).double()
    return Weighted(lambda w: (w @ hits) / w.sum(1))


@metric("number", **PERCENT)
def number(p: Predictions) -> float:
    return float(per_image(p).mean())


@metric("streaming", accepts=Predictions, bounds=(0, 1))
class Streaming:
    """A class with `update` and `compute`."""

    def __init__(self) -> None:
        self.right = self.seen = 0

    def update(self, scores: torch.Tensor, targets: torch.Tensor) -> None:
        self.right += int((scores.argmax(1) == targets).sum())
        self.seen += len(targets)

    def compute(self) -> float:
        return self.right / self.seen


torchmetric = Metric("torchmetrics", MulticlassAccuracy(3, average="micro"), Predictions, bounds=(0, 1))


@pytest.fixture(scope="module")
def evidence() -> Predictions:
    generator = torch.Generator().manual_seed(1)
    scores, targets = torch.randn(150, 3, generator=generator), torch.randint(3, (150,), generator=generator)
    return Predictions(scores, targets)


def test_three_ways_to_state_a_metric_agree(evidence: Predictions) -> None:
    mean, function, plain = (score(m, evidence, resamples=400) for m in (per_image, weighted, number))
    assert mean.value == function.value == pytest.approx(plain.value)
    assert (mean.low, mean.high) == pytest.approx((function.low, function.high))
    assert (mean.low, mean.high) == pytest.approx((plain.low, plain.high), abs=1e-4)  # the same resamples


def test_the_interval_is_that_of_a_mean(evidence: Predictions) -> None:
    """Oracle: the normal interval of a binomial proportion, within the Monte-Carlo error of 4,000 resamples."""
    found = score(per_image, evidence, resamples=4000)
    p, n = found.value / 100, len(evidence)
    half = 1.96 * 100 * math.sqrt(p * (1 - p) / n)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.06)
    assert found.low < found.value < found.high
    assert found.n == 150


def test_the_interval_agrees_with_scipy(evidence: Predictions) -> None:
    from scipy.stats import bootstrap

    hits = per_image(evidence).numpy()
    reference = bootstrap((hits,), np.mean, n_resamples=4000, method="percentile", rng=0).confidence_interval
    found = score(per_image, evidence, resamples=4000)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.7)


def test_streaming_classes_and_torchmetrics_work_as_they_are(evidence: Predictions) -> None:
    expected = value(per_image, evidence) / 100
    for m in (Streaming, torchmetric):
        assert value(m, evidence) == pytest.approx(expected)
        assert value(m, evidence) == pytest.approx(expected)  # nothing is carried over
        found = score(m, evidence, resamples=50)
        assert found.low <= expected <= found.high


def test_a_streaming_metric_resamples_as_a_function_does(evidence: Predictions) -> None:
    ours, theirs = score(number, evidence, resamples=60), score(torchmetric, evidence, resamples=60)
    assert (ours.low, ours.high) == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=1e-3)


def test_a_seed_gives_one_interval(evidence: Predictions) -> None:
    one, two, other = (score(weighted, evidence, resamples=100, seed=s) for s in (3, 3, 4))
    assert one == two
    assert one.value == other.value
    assert (one.low, one.high) != (other.low, other.high)


@pytest.mark.parametrize("m", [per_image, weighted, number])
def test_no_resamples_no_interval(evidence: Predictions, m: Metric) -> None:
    found = score(m, evidence, resamples=0, variant="k=5")
    assert (found.low, found.high, found.variant) == (None, None, "k=5")


def test_undefined_draws_are_left_out() -> None:
    evidence = Predictions(torch.eye(2), torch.tensor([0, 1]))
    single = metric("recall-of-1", accepts=Predictions)(
        lambda p: float((p.scores.argmax(1) == p.targets)[p.targets == 1].float().mean())
    )
    found = score(single, evidence, resamples=50)  # a quarter of the draws hold no image of class 1
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_a_pair_metric_resamples_both_sides_together() -> None:
    a = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    same = metric("same", accepts=Embeddings, pair=True, bounds=(0, 1))(
        lambda x, y: float((x.features == y.features).float().mean())
    )
    found = score(same, Embeddings(a), Embeddings(a.clone()), resamples=30)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (101.0, r"returned 101, outside its declared bounds \(0, 100\)"),
        (-0.01, "outside its declared bounds"),
        (float("nan"), "returned nan"),
        (float("inf"), "returned inf"),
        (torch.full((150,), float("nan")), "returned nan"),
        (torch.zeros(149), r"must return one number or \(150,\), got shape \(149,\)"),
        (torch.zeros(150, 2), r"got shape \(150, 2\)"),
        (Weighted(lambda w: torch.full((len(w),), 200.0)), "outside its declared bounds"),
        (Weighted(lambda w: torch.zeros(2)), r"must return one number or \(150,\), got shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("judge", [value, score])
def test_a_result_that_cannot_be_a_score(
    evidence: Predictions, judge: Callable[..., Any], result: Any, message: str
) -> None:
    shown = metric("shown", **PERCENT)(lambda p: result)
    with pytest.raises(HarnessError, match=f"metric shown .*{message}"):
        judge(shown, evidence)


def test_rounding_beyond_a_bound_is_no_error(evidence: Predictions) -> None:
    over = torch.tensor(100 + 1e-5, dtype=torch.float64)
    assert value(metric("m", **PERCENT)(lambda p: over), evidence) == 100.0


@given(st.lists(st.floats(0, 100), min_size=2, max_size=30))
def test_the_interval_holds_the_mean_of_some_resample(values: list[float]) -> None:
    n = len(values)
    m = metric("m", **PERCENT)(lambda p: torch.tensor(values, dtype=torch.float64))
    found = score(m, Predictions(torch.zeros(n, 2), torch.zeros(n, dtype=torch.long)), resamples=40)
    assert found.value == pytest.approx(sum(values) / n)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_what_a_record_says_of_a_metric() -> None:
    facts = {"name": "mean", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
    assert per_image.describe() == facts
    assert per_image.__doc__ == "Hits.\n\nIn percent."
    unbounded = metric("nll", accepts=Predictions, higher_is_better=False, bounds=(0, math.inf), version=3)(len)
    assert unbounded.describe()["bounds"] == [0, None]
    assert unbounded.identity == {"name": "nll", "version": 3}
    assert unbounded.skip(None) is None  # type: ignore[arg-type]


def test_a_metric_may_bring_an_interval_of_its_own() -> None:
    @metric("own", accepts=Episodes, bounds=(0, 100))
    def own(e: Episodes) -> Interval:
        mean = float(e.accuracy.mean())
        return Interval(mean, mean - 1, mean + 2)

    episodes = Episodes(torch.tensor([20.0, 40.0]))
    found = score(own, episodes)
    assert (found.value, found.low, found.high, found.n) == (30, 29, 32, 2)
    assert value(own, episodes) == 30
    with pytest.raises(HarnessError, match="outside its declared bounds"):
        score(own, Episodes(torch.tensor([220.0])))


def test_a_resample_without_a_value_is_left_out_of_the_interval() -> None:
    @metric("rare", accepts=Predictions, bounds=(0, 1))
    def rare(p: Predictions) -> float:
        if not (p.targets == 1).any():
            raise UndefinedError("rare is undefined")
        return float((p.targets == 1).double().mean())

    p = Predictions(torch.zeros(20, 2), torch.tensor([1] + [0] * 19))
    found = score(rare, p, resamples=200)
    assert found.value == pytest.approx(0.05)
    assert found.low == pytest.approx(0.05)  # a third of the resamples has no such image
