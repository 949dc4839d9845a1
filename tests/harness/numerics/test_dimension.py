"""Intrinsic dimension against scikit-dimension, manifolds of known dimension, and repeated sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skdim.id import MLE, TwoNN
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.dimension import maximum_likelihood, nearest, two_nn


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def in_space(points: Tensor, width: int) -> Tensor:
    """The points turned into a space of more dimensions, away from its origin."""
    return points @ torch.linalg.qr(normal(width, points.shape[1], seed=9)).Q.T + 2


def torus(n: int) -> Tensor:
    """(N, 4): the flat torus, dimension 2."""
    angles = 2 * math.pi * torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([angles.sin(), angles.cos()], 1)


MANIFOLDS = {
    "circle": (1, torch.nn.functional.normalize(normal(1500, 2))),
    "sphere": (2, torch.nn.functional.normalize(normal(1500, 3))),
    "torus": (2, torus(1500)),
    "ball of 5": (5, normal(1500, 5)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearest_are_scikit_learns(dtype: torch.dtype) -> None:
    x = (normal(300, 40) + 5).to(dtype)
    distance, index = nearest(x, 6, chunk=5000)
    brute = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(x.double())
    expected, place = brute.kneighbors()
    np.testing.assert_allclose(distance, expected, rtol=1e-6)
    np.testing.assert_array_equal(index, place)


def test_close_pairs_keep_their_distance() -> None:
    """Products of float32 rows would make 0, or anything, of a distance a millionth of their length."""
    x = normal(100, 50).float()
    near = x.clone()
    near[:, 0] += 1e-4
    distance, index = nearest(torch.cat([x, near]), 1)
    moved = (near[:, 0] - x[:, 0]).double().repeat(2)
    torch.testing.assert_close(distance[:, 0], moved, rtol=1e-2, atol=0)
    assert torch.equal(index[:, 0], torch.arange(200).roll(100))


def test_the_nearest_of_a_tight_cluster_are_right() -> None:
    """Of five rows at one place, whose distances products of float32 rows cannot tell apart, the two nearest."""
    x = (normal(40, 30).repeat_interleave(5, 0) + 3e-4 * normal(200, 30, seed=1)).float()
    distance, _ = nearest(x, 2)
    expected, _ = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(x.double()).kneighbors()
    np.testing.assert_allclose(distance, expected, rtol=1e-4)


@pytest.mark.parametrize("width", [12, 40])
def test_two_nn_is_scikit_dimensions(width: int) -> None:
    x = in_space(normal(400, 8), width)
    assert two_nn(x).value == pytest.approx(TwoNN(discard_fraction=0.1).fit(x.numpy()).dimension_, rel=1e-9)


@pytest.mark.parametrize("k", [5, 20])
def test_maximum_likelihood_is_scikit_dimensions(k: int) -> None:
    x = in_space(normal(400, 8), 40)
    expected = MLE().fit(x.numpy(), n_neighbors=k, comb="mle").dimension_
    assert maximum_likelihood(x, k).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", MANIFOLDS)
def test_known_dimensions_are_found(name: str) -> None:
    dimension, points = MANIFOLDS[name]
    x = in_space(points, 60).float()
    assert two_nn(x).value == pytest.approx(dimension, rel=0.08)
    assert maximum_likelihood(x, 20).value == pytest.approx(dimension, rel=0.08)


@pytest.mark.parametrize("dimension", [2, 8])
def test_intervals_are_as_wide_as_samples_differ(dimension: int) -> None:
    """Neighbours' ratios are correlated: taken as independent, they give intervals a quarter too narrow in 2-D."""
    samples = [normal(300, dimension, seed=seed) for seed in range(150)]
    for of in (two_nn, lambda x: maximum_likelihood(x, 20)):
        found = torch.tensor([of(x) for x in samples], dtype=torch.float64)
        error = float((found[:, 2] - found[:, 0]).mean() / 1.96)
        assert 0.85 < error / float(found[:, 0].std()) < 1.3


def test_copies_are_left_out() -> None:
    x = normal(500, 3)
    doubled = torch.cat([x, x[:20]])
    for of, tolerance in ((two_nn, 0.2), (lambda x: maximum_likelihood(x, 20), 0.05)):
        assert of(doubled).value == pytest.approx(of(x).value, rel=tolerance)
        assert math.isfinite(of(doubled).high)


def test_undefined_dimensions_say_why() -> None:
    with pytest.raises(UndefinedError, match="20 neighbours need more than 20 images, there are 20"):
        maximum_likelihood(normal(20, 5), 20)
    assert maximum_likelihood(normal(21, 5), 20).value > 0
    with pytest.raises(UndefinedError, match="2 neighbours"):
        two_nn(normal(2, 5))
    same = torch.full((50, 4), 0.3)
    with pytest.raises(UndefinedError, match="coincide"):
        maximum_likelihood(same, 20)
    with pytest.raises(UndefinedError, match="TwoNN has 0 distances"):
        two_nn(same)
    line = torch.arange(30.0)[:, None] * torch.ones(1, 3)
    with pytest.raises(UndefinedError, match="TwoNN"):
        two_nn(line[1:-1].repeat_interleave(2, 0))
    with pytest.raises(UndefinedError, match="equally far apart"):
        maximum_likelihood(torch.eye(10), 5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-3, 1.0, 1e3]))
def test_order_rotation_shift_and_scale_change_nothing(seed: int, scale: float) -> None:
    x = normal(80, 6, seed=seed)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(seed))
    turned = scale * (x[order] @ torch.linalg.qr(normal(6, 6, seed=seed + 1)).Q + 3)
    assert two_nn(turned) == pytest.approx(two_nn(x), rel=1e-7)
    assert maximum_likelihood(turned, 20) == pytest.approx(maximum_likelihood(x, 20), rel=1e-7)
