"""Metrics against scikit-learn, netcal and closed forms; their intervals against SciPy's bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from netcal.metrics import ECE
from scipy import stats
from sklearn import metrics as sk

from harness.datasets import DatasetCard
from harness.evidence import Predictions
from harness.metrics import score, value
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


@pytest.mark.parametrize("seed", range(4))
def test_ece_equals_netcal(seed: int) -> None:
    p = predictions(seed, skew=1.0 + seed)
    expected = ECE(bins=15).measure(p.probabilities.numpy(), p.targets.numpy())
    assert value(m.ece, p) == pytest.approx(100 * expected, abs=1e-9)


def test_ece_counts_saturated_confidence_in_the_last_bin() -> None:
    scores = torch.tensor([[1000.0, 0.0], [1000.0, 0.0], [3.5, 0.0], [3.5, 0.0]])
    p = Predictions(scores, torch.tensor([0, 1, 0, 0]))
    confidence = torch.tensor([1.0, 1.0, 3.5, 3.5]).double()
    confidence[2:] = scores.double().softmax(1)[2:, 0]
    assert value(m.ece, p) == pytest.approx(100 * abs(confidence.mean().item() - 0.75), abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_map_equals_sklearn_also_with_ties(ties: bool) -> None:
    p = labels(ties=ties)
    assert value(m.mean_average_precision, p) == pytest.approx(100 * sk.average_precision_score(p.targets, p.scores))


def test_average_precision_under_weights_equals_repeating_images() -> None:
    p = labels(ties=True)
    counts = torch.randint(0, 4, (3, N), generator=torch.Generator().manual_seed(1))
    ours = m.average_precision(p.scores[:, 0], p.targets[:, 0], counts.double())
    for row, w in zip(ours, counts, strict=True):
        repeated = sk.average_precision_score(p.targets[:, 0].repeat_interleave(w), p.scores[:, 0].repeat_interleave(w))
        assert row.item() == pytest.approx(repeated)


@pytest.mark.parametrize("metric", [m.top1, m.mean_per_class, m.nll, m.ece], ids=lambda x: x.name)
def test_intervals_agree_with_scipy(metric: m.metric) -> None:
    p = predictions()
    ours = score(metric, p, resamples=2000)

    def statistic(index: np.ndarray) -> float:
        return value(metric, p.take(torch.from_numpy(index)))

    theirs = stats.bootstrap((np.arange(N),), statistic, vectorized=False, n_resamples=1000, method="percentile", rng=1)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.15 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.15 * width)
    assert ours.low <= ours.value <= ours.high or metric is m.ece  # resampling biases ECE upwards


def test_each_metric_says_why_it_does_not_apply() -> None:
    assert m.top1.skip(card("multi-label")) == "needs one label an image, x is multi-label"
    assert m.top5.skip(card(classes=5)) == "x has 5 classes"
    assert m.mean_average_precision.skip(card()) == "needs several labels an image, x is single-label"
    assert [m.top5.skip(card()), m.nll.skip(card("multi-label")), m.top1.skip(card())] == [None] * 3
