"""Uniformity by brute force and on known distributions; sparseness by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ive
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics import distribution
from harness.numerics.distribution import hoyer, uniformity


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def brute(x: Tensor, t: float) -> float:
    z = x.numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True)
    pairs = itertools.combinations(z, 2)
    return float(np.log(np.mean([np.exp(-t * ((a - b) ** 2).sum()) for a, b in pairs])))


@pytest.mark.parametrize("block", [7, 60, 2048])
def test_uniformity_is_the_mean_over_pairs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "BLOCK", block)
    x = normal(60, 5) + 0.5
    assert uniformity(x, 2.0).value == pytest.approx(brute(x, 2.0), rel=1e-10)
    assert uniformity(x.float(), 2.0).value == pytest.approx(brute(x, 2.0), rel=1e-5)
    assert uniformity(x, 2.0) == pytest.approx(uniformity(x.flip(0), 2.0))


def test_uniformity_on_the_sphere_has_a_closed_form() -> None:
    """On the circle E exp(-2t (1 - cos)) = exp(-2t) I_0(2t)."""
    found = uniformity(normal(6000, 2), 2.0)
    assert found.low < np.log(ive(0, 4.0)) < found.high
    assert uniformity(torch.full((50, 8), 0.3), 2.0) == pytest.approx((0, 0, 0), abs=1e-5)


def test_the_interval_of_uniformity_is_the_jackknifes() -> None:
    x = normal(80, 4) + 0.7
    left_out = np.array([brute(x[torch.arange(80) != i], 2.0) for i in range(80)])
    half = 1.96 * np.sqrt(79 / 80 * ((left_out - left_out.mean()) ** 2).sum())
    found = uniformity(x, 2.0)
    assert found.high - found.value == pytest.approx(half, rel=0.03)


def test_sparseness_by_hand() -> None:
    x = torch.tensor([[0.0, -3, 0, 0], [2, 2, -2, 2], [3, 4, 0, 0]])
    torch.testing.assert_close(hoyer(x), torch.tensor([1.0, 0.0, 2 - 7 / 5], dtype=torch.float64))


@pytest.mark.parametrize(
    ("of", "x", "message"),
    [
        (lambda x: uniformity(x, 2.0), torch.ones(1, 3), "two images"),
        (lambda x: uniformity(x, 2.0), torch.tensor([[1.0], [0.0]]), "image 1 are all zero"),
        (hoyer, torch.zeros(2, 3), "image 0 are all zero"),
        (hoyer, torch.ones(2, 1), "single unit"),
    ],
)
def test_undefined_values_say_why(of, x: Tensor, message: str) -> None:
    with pytest.raises(UndefinedError, match=message):
        of(x)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-3, 1.0, 1e3]))
def test_order_rotation_and_scale_change_nothing(seed: int, scale: float) -> None:
    x = normal(50, 6, seed=seed) + 0.3
    order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    turned = scale * x[order] @ torch.linalg.qr(normal(6, 6, seed=seed + 1)).Q
    assert uniformity(turned, 2.0) == pytest.approx(uniformity(x, 2.0), rel=1e-9)
    torch.testing.assert_close(hoyer(-scale * x[order].flip(1)), hoyer(x)[order])
