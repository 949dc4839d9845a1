"""Ranks and decays of spectra against NumPy, SciPy, closed forms and what they must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics import spectrum
from harness.numerics.spectrum import entropy_rank, lidar, power_law, principal

SHAPES = [(120, 30), (30, 120), (40, 40)]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_spectrum(deviations: Tensor, images: int) -> Tensor:
    """Features (N, D) of mean 5 whose covariance has exactly these standard deviations (D,)."""
    start = torch.cat([torch.ones(images, 1, dtype=torch.float64), normal(images, len(deviations))], 1)
    columns = torch.linalg.qr(start).Q[:, 1:] * images**0.5
    return columns * deviations @ torch.linalg.qr(normal(len(deviations), len(deviations), seed=1)).Q + 5


@pytest.mark.parametrize(("images", "width"), SHAPES)
def test_principal_is_the_singular_value_decomposition(
    images: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectrum, "ROWS", 7)
    x = normal(images, width) + 2
    for mean in (None, x.mean(0)):
        centred = x if mean is None else x - mean
        values, projections = principal(x, mean)
        expected = torch.linalg.svdvals(centred).square() / images
        rank = min(images - (mean is not None), width)
        torch.testing.assert_close(values, expected[:rank], rtol=1e-9, atol=0)
        torch.testing.assert_close(projections @ projections.T, centred @ centred.T)
        torch.testing.assert_close(projections.T @ projections, images * values.diag())


@pytest.mark.parametrize(("images", "width"), SHAPES)
@pytest.mark.parametrize("epsilon", [0.0, 1e-7, 1e-3])
def test_entropy_rank_is_the_definition(images: int, width: int, epsilon: float) -> None:
    x = (normal(images, width) * torch.logspace(0, -2, width) + 1).float()
    p = np.linalg.svd(x.double().numpy(), compute_uv=False)
    p = p / p.sum() + epsilon
    assert entropy_rank(x, epsilon).value == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)


@pytest.mark.parametrize(("images", "width"), [(400, 200), (150, 300)])
def test_equal_directions_are_counted(images: int, width: int) -> None:
    x = torch.linalg.qr(normal(images, 50)).Q @ torch.linalg.qr(normal(width, 50, seed=1)).Q.T
    assert entropy_rank(x, 0.0).value == pytest.approx(50, rel=1e-9)
    p, zeros = 1 / 50 + 1e-7, min(images, width) - 50
    closed = np.exp(-50 * p * np.log(p) - zeros * 1e-7 * np.log(1e-7))
    assert closed > 50.005
    assert entropy_rank(x, 1e-7).value == pytest.approx(closed, rel=1e-9)


def test_collapsed_features_have_rank_one_and_zeros_none() -> None:
    assert entropy_rank(torch.full((50, 8), 0.3), 0.0) == pytest.approx((1, 1, 1))
    with pytest.raises(UndefinedError, match="zero"):
        entropy_rank(torch.zeros(50, 8), 0.0)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.5])
@pytest.mark.parametrize(("images", "width"), [(300, 120), (130, 120)])
def test_alpha_of_a_power_law_is_its_exponent(alpha: float, images: int, width: int) -> None:
    x = with_spectrum(torch.arange(1, width + 1, dtype=torch.float64) ** (-alpha / 2), images)
    assert power_law(x, 11, 100).value == pytest.approx(alpha, rel=1e-9)


def test_alpha_is_numpys_slope_over_the_ranks_named() -> None:
    x = normal(90, 150) * torch.logspace(0, -1, 150)
    spectrum = np.sort(np.linalg.eigvalsh(np.cov(x.T.numpy())))[::-1]
    for first, last in ((1, 80), (11, 50)):
        slope = np.polyfit(np.log(np.arange(first, last + 1)), np.log(spectrum[first - 1 : last]), 1)[0]
        assert power_law(x, first, last).value == pytest.approx(-slope, rel=1e-9)


def test_alpha_needs_its_ranks() -> None:
    assert power_law(normal(101, 200), 11, 100).value > 0
    for x in (normal(100, 200), normal(300, 99), torch.full((300, 200), 0.1)):
        with pytest.raises(UndefinedError, match="over ranks 11 to 100, the features have"):
            power_law(x, 11, 100)


def views(images: int, number: int, width: int) -> Tensor:
    """Images apart by more in some directions, and views of them by more in others."""
    apart = normal(images, 1, width) * torch.linspace(3, 0.5, width)
    return apart + normal(images, number, width, seed=1) * torch.linspace(0.2, 1, width) + 4


@pytest.mark.parametrize(("images", "width"), [(60, 12), (9, 20)])
def test_lidar_is_the_definition(images: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, delta, epsilon = views(images, 4, width).numpy(), 1e-4, 1e-7
    means, overall = x.mean(1), x.mean((0, 1))
    between = sum(np.outer(m - overall, m - overall) for m in means) / images
    within = sum(np.outer(v - m, v - m) for m, own in zip(means, x, strict=True) for v in own) / (4 * images)
    root = np.linalg.inv(sqrtm(within + delta * np.eye(width)).real)
    p = np.linalg.eigvalsh(root @ between @ root).clip(0)
    p = p / p.sum() + epsilon
    expected = np.exp(-(p * np.log(p)).sum())
    assert lidar(torch.from_numpy(x), delta, epsilon).value == pytest.approx(expected, rel=1e-6)
    monkeypatch.setattr(spectrum, "ROWS", 10)
    assert lidar(torch.from_numpy(x), delta, epsilon) == pytest.approx(lidar(torch.from_numpy(x), delta, epsilon))
    assert lidar(torch.from_numpy(x), delta, epsilon).value == pytest.approx(expected, rel=1e-6)


def test_lidar_counts_the_directions_that_tell_images_apart() -> None:
    """Images apart in five directions alike, views in all: the effective rank is five, RankMe's is more."""
    x = normal(4000, 2, 30)
    x[:, :, :5] += 300 * torch.linalg.qr(normal(4000, 5, seed=1)).Q.mul(4000**0.5)[:, None]
    assert lidar(x, 1e-4, 0.0).value == pytest.approx(5, abs=0.01)


def test_undefined_lidar_says_why() -> None:
    with pytest.raises(UndefinedError, match="two views"):
        lidar(normal(10, 1, 4), 1e-4, 1e-7)
    with pytest.raises(UndefinedError, match="same mean"):
        lidar(torch.full((10, 3, 4), 0.7), 1e-4, 1e-7)
    with pytest.raises(UndefinedError, match="singular"):
        lidar(normal(3, 2, 8) * 1e9, 1e-4, 1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(SHAPES), st.sampled_from([1e-3, 0.5, 1e3]))
def test_order_rotation_and_scale_change_nothing(seed: int, shape: tuple[int, int], scale: float) -> None:
    x = normal(*shape, seed=seed) * torch.logspace(0, -1, shape[1]) + 0.5
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    turned = scale * x[order] @ torch.linalg.qr(normal(shape[1], shape[1], seed=seed + 1)).Q
    assert entropy_rank(turned, 1e-7) == pytest.approx(entropy_rank(x, 1e-7), rel=1e-8)
    assert power_law(turned + 3 * scale, 3, 20) == pytest.approx(power_law(x, 3, 20), rel=1e-8)
    seen, again = views(20, 3, 10), torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(normal(10, 10, seed=seed)).Q
    assert lidar(seen[again] @ rotation, 1e-4, 1e-7) == pytest.approx(lidar(seen, 1e-4, 1e-7), rel=1e-8)
