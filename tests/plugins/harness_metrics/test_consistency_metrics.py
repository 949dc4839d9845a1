"""Consistency of predictions, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.datasets import DatasetCard
from harness.errors import UndefinedError
from harness.evidence import ViewPredictions
from harness.metrics import score, scores
from harness.transforms import FAMILIES
from harness_metrics import consistency as m


def predictions() -> ViewPredictions:
    """Three images of classes 0, 1, 2, predicted 0, 1, 1; of their four views 4, 2 and 1 are predicted alike."""
    views = torch.tensor([[0, 0, 0, 0], [1, 1, 2, 0], [2, 1, 2, 2]])
    scores = torch.nn.functional.one_hot(views, 3).float()
    clean = torch.nn.functional.one_hot(torch.tensor([0, 1, 1]), 3).float()
    parameters = FAMILIES["rotation"].draw(4, 0).expand(3, -1, -1)
    return ViewPredictions(scores, clean, parameters, "rotation", torch.tensor([0, 1, 2]))


def test_shares_of_views() -> None:
    p = predictions()
    assert m.consistency(p).tolist() == [100, 50, 25]
    found = m.view_top1(p)
    assert {name: each.tolist() for name, each in found.items()} == {"views": [100, 50, 75], "clean": [100, 100, 0]}
    assert [each.variant for each in scores(m.view_top1, p, resamples=10)] == ["views", "clean"]


def test_curve() -> None:
    found = {name: each.tolist() for name, each in m.consistency_curve(predictions()).items()}
    assert found == {
        "mean": [100, 50, 25], "angle=0": [100, 100, 0], "angle=90": [100, 100, 100], "angle=180": [100, 0, 0],
        "angle=270": [100, 0, 0],
    }  # fmt: skip
    with pytest.raises(UndefinedError, match="no grid of one parameter"):
        m.consistency_curve(replace(predictions(), family="simclr"))


def test_it_needs_one_label_an_image() -> None:
    card = DatasetCard(name="d", revision="1", kind="multi-label", classes=("x",), splits={"train": 1, "test": 1})
    for metric in (m.consistency, m.consistency_curve, m.view_top1):
        assert metric.skip(card) == "needs one label an image, d is multi-label"
    assert score(m.consistency, predictions(), resamples=50).value == pytest.approx(175 / 3)


def test_consistency_ranks_nobody_but_accuracy_does() -> None:
    alike = predictions()
    one_class = replace(alike, scores=torch.zeros(3, 4, 3), clean=torch.zeros(3, 3))
    assert m.consistency(one_class).tolist() == [100, 100, 100]
    assert (m.consistency.higher_is_better, m.consistency_curve.higher_is_better) == (None, None)
    assert m.view_top1.higher_is_better
