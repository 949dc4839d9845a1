"""Manifold metrics against NumPy, on the images as they are and on resamples of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.evidence import Manifold
from harness.metrics import Metric, Weighted, scores
from harness_metrics.geometry import nnk_affinity, nnk_diameter, nnk_neighbours

METRICS = [(nnk_neighbours, "neighbours"), (nnk_diameter, "diameter"), (nnk_affinity, "affinity")]
ALL = pytest.mark.parametrize(("metric", "field"), METRICS, ids=[field for _, field in METRICS])
ORACLES = {
    "mean": np.mean,
    "sd": np.std,
    "q25": lambda v: np.quantile(v, 0.25),
    "q50": np.median,
    "q75": lambda v: np.quantile(v, 0.75),
}


def evidence(images: int = 13, views: int = 4) -> Manifold:
    """Random geometry; numbers of neighbours repeat."""
    generator = torch.Generator().manual_seed(0)
    number = torch.randint(1, 9, (images, views), generator=generator).float()
    return Manifold(number, *torch.rand(2, images, views, generator=generator))


def weighted(metric: Metric, of: Manifold, weights: Tensor) -> dict[str, list[float]]:
    found = metric(of)
    return {
        name: (each.of(weights) if isinstance(each, Weighted) else weights @ each / len(of)).tolist()
        for name, each in found.items()
    }


@ALL
@pytest.mark.parametrize("views", [1, 4])
def test_equals_numpy_over_all_points(metric: Metric, field: str, views: int) -> None:
    given = evidence(views=views)
    found = scores(metric, given, resamples=20)
    assert [score.variant for score in found] == list(ORACLES)
    for score, oracle in zip(found, ORACLES.values(), strict=True):
        assert score.value == pytest.approx(oracle(getattr(given, field).double().numpy().ravel()), abs=1e-9)
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.high


@ALL
def test_resampled_images_count_as_often_as_they_are_drawn(metric: Metric, field: str) -> None:
    given = evidence()
    draws = torch.randint(13, (25, 13), generator=torch.Generator().manual_seed(1))
    weights = torch.stack([draw.bincount(minlength=13) for draw in draws]).double()
    found = weighted(metric, given, weights)
    for name, oracle in ORACLES.items():
        expected = [oracle(getattr(given, field)[draw].double().numpy().ravel()) for draw in draws]
        assert found[name] == pytest.approx(expected, abs=1e-9), name


def test_equal_points_do_not_vary() -> None:
    same = Manifold(torch.full((5, 3), 7.0), torch.full((5, 3), 0.1), torch.ones(5, 3))
    for metric, _ in METRICS:
        by_name = {score.variant: score for score in scores(metric, same, resamples=10)}
        assert by_name["sd"].value == pytest.approx(0, abs=1e-7)
        assert by_name["q25"].value == by_name["q75"].value == pytest.approx(by_name["mean"].value)


def test_one_image_of_one_point_has_scores() -> None:
    one = Manifold(*torch.full((3, 1, 1), 0.5))
    assert [score.value for score in scores(nnk_affinity, one, resamples=5)] == [0.5, 0.0, 0.5, 0.5, 0.5]
