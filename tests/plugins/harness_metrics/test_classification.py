"""Metrics against scikit-learn and closed forms; their intervals against SciPy's bootstrap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from harness.datasets import DatasetCard
from harness.evidence import Predictions
from harness.metrics import score, value
from harness_metrics import calibration as c
from harness_metrics import classification as m

N, C = 400, 7


def predictions(seed: int = 0, skew: float = 2.0) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.multinomial(torch.linspace(1, 4, C), N, replacement=True, generator=generator)
    scores = torch.randn(N, C, generator=generator) + skew * torch.nn.functional.one_hot(targets, C)
    return Predictions(scores, targets)


def labels(seed: int = 0, ties: bool = False) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(N, C, generator=generator) < 0.3).long()
    scores = torch.randn(N, C, generator=generator) + targets
    return Predictions((scores * 2).round() if ties else scores, targets, multilabel=True)


def card(kind: str = "single-label", classes: int = C) -> DatasetCard:
    return DatasetCard(name="x", revision="1", classes=tuple(map(str, range(classes))), splits={}, kind=kind)


def test_top1_and_top5_equal_sklearn() -> None:
    p = predictions()
    assert value(m.top1, p) == pytest.approx(100 * sk.accuracy_score(p.targets, p.scores.argmax(1)))
    assert value(m.top5, p) == pytest.approx(100 * sk.top_k_accuracy_score(p.targets, p.scores, k=5, labels=range(C)))


def test_mean_per_class_equals_sklearn_and_ignores_absent_classes() -> None:
    p = predictions()
    assert value(m.mean_per_class, p) == pytest.approx(100 * sk.balanced_accuracy_score(p.targets, p.scores.argmax(1)))
    kept = p.take((p.targets != 3).nonzero()[:, 0])
    recalls = sk.recall_score(kept.targets, kept.scores.argmax(1), labels=[0, 1, 2, 4, 5, 6], average=None)
    assert value(m.mean_per_class, kept) == pytest.approx(100 * recalls.mean())


def test_nll_equals_sklearn() -> None:
    p, several = predictions(), labels()
    assert value(m.nll, p) == pytest.approx(sk.log_loss(p.targets, p.probabilities, labels=range(C)))
    each = [sk.log_loss(several.targets[:, c], several.probabilities[:, c]) for c in range(C)]
    assert value(m.nll, several) == pytest.approx(sum(each))


@pytest.mark.parametrize("ties", [False, True])
def test_map_equals_sklearn_also_with_ties(ties: bool) -> None:
    p = labels(ties=ties)
    assert value(m.mean_average_precision, p) == pytest.approx(100 * sk.average_precision_score(p.targets, p.scores))


def eleven_point(positive: np.ndarray, scores: np.ndarray) -> float:
    """As the code of VOC's reader does it, on scikit-learn's curve."""
    precision, recall, _ = sk.precision_recall_curve(positive, scores)
    return float(np.mean([precision[recall >= t].max() if (recall >= t).any() else 0 for t in np.arange(0, 1.1, 0.1)]))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [10, 40, N])
def test_map11_equals_the_curve_of_sklearn(n: int, ties: bool) -> None:
    p = labels(seed=n, ties=ties).take(torch.arange(n))
    there = [c for c in range(C) if p.targets[:, c].any()]
    expected = [eleven_point(p.targets[:, c].numpy(), p.scores[:, c].numpy()) for c in there]
    assert value(m.map11, p) == pytest.approx(100 * np.mean(expected))


@pytest.mark.parametrize(
    ("ours", "theirs"), [(m.average_precision, sk.average_precision_score), (m.eleven_point, eleven_point)]
)
def test_precision_under_weights_equals_repeating_images(ours: Callable, theirs: Callable) -> None:
    p = labels(ties=True)
    counts = torch.randint(0, 4, (3, N), generator=torch.Generator().manual_seed(1))
    for row, w in zip(ours(p.scores[:, 0], p.targets[:, 0], counts.double()), counts, strict=True):
        again = (x[:, 0].repeat_interleave(w).numpy() for x in (p.targets, p.scores))
        assert row.item() == pytest.approx(theirs(*again))


@pytest.mark.parametrize("statistic", [m.average_precision, m.eleven_point])
def test_a_label_without_positives_has_no_precision(statistic: Callable) -> None:
    scores, positive = torch.randn(8), torch.tensor([0, 0, 0, 1, 0, 0, 0, 0])
    weights = torch.ones(2, 8, dtype=torch.float64)
    weights[1, 3] = 0
    assert statistic(scores, positive, weights).isnan().tolist() == [False, True]
    assert statistic(scores, 0 * positive, weights).isnan().all()


def test_brier_equals_sklearn() -> None:
    p, several = predictions(), labels()
    onehot = torch.nn.functional.one_hot(p.targets, C)
    each = [sk.brier_score_loss(onehot[:, c], p.probabilities[:, c]) for c in range(C)]
    assert value(m.brier, p) == pytest.approx(sum(each))
    two = Predictions(p.scores[:, :2], p.targets % 2)
    assert value(m.brier, two) == pytest.approx(2 * sk.brier_score_loss(two.targets, two.probabilities[:, 1]))
    each = [sk.brier_score_loss(several.targets[:, c], several.probabilities[:, c]) for c in range(C)]
    assert value(m.brier, several) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("metric", [m.top1, m.mean_per_class, m.nll, c.ece], ids=lambda x: x.name)
def test_intervals_agree_with_scipy(metric: m.metric) -> None:
    p = predictions()
    ours = score(metric, p, resamples=2000)

    def statistic(index: np.ndarray) -> float:
        return value(metric, p.take(torch.from_numpy(index)))

    theirs = stats.bootstrap((np.arange(N),), statistic, vectorized=False, n_resamples=1000, method="percentile", rng=1)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.15 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.15 * width)
    assert ours.low <= ours.value <= ours.high or metric is c.ece  # resampling biases ECE upwards


def test_each_metric_says_why_it_does_not_apply() -> None:
    assert m.top1.skip(card("multi-label")) == "needs one label an image, x is multi-label"
    assert m.top5.skip(card(classes=5)) == "x has 5 classes"
    assert m.mean_average_precision.skip(card()) == "needs several labels an image, x is single-label"
    assert [m.top5.skip(card()), m.nll.skip(card("multi-label")), m.top1.skip(card())] == [None] * 3
