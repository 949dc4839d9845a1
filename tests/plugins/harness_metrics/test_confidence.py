"""Confidence against scikit-learn, closed forms and repeated images."""

from __future__ import annotations

import pytest
import torch
from sklearn import metrics as sk

from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.metrics import Metric, score, value
from harness_metrics import confidence as m

N, C = 400, 5
ALL = [m.confidence_correct, m.confidence_wrong, m.confidence_gap, m.confidence_auroc, m.aurc]


def predictions(ties: bool = False) -> Predictions:
    generator = torch.Generator().manual_seed(4)
    targets = torch.randint(C, (N,), generator=generator)
    scores = torch.randn(N, C, generator=generator) + 1.5 * torch.nn.functional.one_hot(targets, C)
    return Predictions(scores.round() if ties else scores, targets)


def top(p: Predictions) -> tuple[torch.Tensor, torch.Tensor]:
    confidence, predicted = p.probabilities.max(1)
    return confidence, predicted == p.targets


def test_means_are_those_of_either_kind() -> None:
    p = predictions()
    confidence, right = top(p)
    correct, wrong = 100 * confidence[right].mean().item(), 100 * confidence[~right].mean().item()
    assert value(m.confidence_correct, p) == pytest.approx(correct)
    assert value(m.confidence_wrong, p) == pytest.approx(wrong)
    assert value(m.confidence_gap, p) == pytest.approx(correct - wrong)


@pytest.mark.parametrize("ties", [False, True])
def test_auroc_equals_sklearn(ties: bool) -> None:
    p = predictions(ties)
    confidence, right = top(p)
    confidence = (confidence * 1e6).round()
    assert value(m.confidence_auroc, p) == pytest.approx(100 * sk.roc_auc_score(right, confidence))


@pytest.mark.parametrize("ties", [False, True])
def test_aurc_is_the_mean_error_of_the_more_confident(ties: bool) -> None:
    p = predictions(ties)
    confidence, right = top(p)
    confidence = (confidence * 1e6).round()
    risks = [1 - right[confidence >= c].double().mean().item() for c in confidence]
    assert value(m.aurc, p) == pytest.approx(100 * sum(risks) / N)


@pytest.mark.parametrize("metric", [m.confidence_auroc, m.aurc], ids=lambda x: x.name)
def test_rounding_ranks_nobody(metric: Metric) -> None:
    targets = torch.randint(3, (60,), generator=torch.Generator().manual_seed(1))
    scores = 30.0 * torch.nn.functional.one_hot(torch.arange(60) % 3, 3)
    noise = 1e-4 * torch.rand(60, 3, generator=torch.Generator().manual_seed(2))
    assert value(metric, Predictions(scores + noise, targets)) == value(metric, Predictions(scores, targets))


def test_aurc_by_hand() -> None:
    scores = torch.tensor([[4.0, 0.0], [3.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    p = Predictions(scores, torch.tensor([0, 1, 0, 1]))
    assert value(m.aurc, p) == pytest.approx(100 * (0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)


@pytest.mark.parametrize("metric", ALL, ids=lambda x: x.name)
def test_weights_equal_repeating_images(metric: Metric) -> None:
    p = predictions(ties=True)
    counts = torch.randint(0, 4, (3, N), generator=torch.Generator().manual_seed(1))
    for row, w in zip(metric(p).of(counts.double()), counts, strict=True):
        assert row.item() == pytest.approx(value(metric, p.take(torch.arange(N).repeat_interleave(w))))


@pytest.mark.parametrize(
    ("metric", "kinds"),
    [(m.confidence_correct, ["correct"]), (m.confidence_wrong, ["wrong"]), (m.confidence_gap, ["correct", "wrong"]),
     (m.confidence_auroc, ["correct", "wrong"])], ids=lambda x: getattr(x, "name", None),
)  # fmt: skip
def test_what_needs_a_kind_of_prediction_says_that_there_is_none(metric: Metric, kinds: list[str]) -> None:
    p = predictions()
    only = {"wrong": p.scores.argmax(1), "correct": (p.scores.argmax(1) + 1) % C}
    for kind in ("correct", "wrong"):
        found = Predictions(p.scores, only[kind])
        if kind in kinds:
            with pytest.raises(HarnessError, match=f"{metric.name} is undefined: no prediction is {kind}"):
                value(metric, found)
        else:
            assert 0 <= value(metric, found) <= 100


def test_draws_without_a_wrong_prediction_are_left_out_of_the_interval() -> None:
    p = predictions()
    wrong = (~top(p)[1]).nonzero()[:1, 0]
    found = score(m.confidence_wrong, p.take(torch.cat([top(p)[1].nonzero()[:30, 0], wrong])), resamples=200)
    assert found.low == pytest.approx(found.value)
    assert found.high == pytest.approx(found.value)
