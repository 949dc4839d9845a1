"""Ridge regression against scikit-learn."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from harness.numerics.logistic import WEIGHT_DECAYS
from harness.numerics.ridge import fit_ridge_path


def problem(images: int, width: int) -> tuple[Tensor, Tensor]:
    """Features (N, D) of different scales away from the origin, and two targets (N, 2) that depend on them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, width, generator=generator, dtype=torch.float64) * torch.logspace(1, -1, width) + 4
    y = x @ torch.randn(width, 2, generator=generator, dtype=torch.float64)
    return x, y + torch.randn(images, 2, generator=generator, dtype=torch.float64) + torch.tensor([5.0, -50.0])


@pytest.mark.parametrize(("images", "width"), [(200, 30), (30, 200), (40, 40)])
def test_equals_scikit_learn(images: int, width: int) -> None:
    x, y = problem(images, width)
    path = fit_ridge_path(x, y, WEIGHT_DECAYS)
    assert (path.weight.shape, path.bias.shape) == ((45, 2, width), (45, 2))
    new = problem(images + 10, width)[0][-10:]
    for g, decay in enumerate(WEIGHT_DECAYS.tolist()):
        oracle = Ridge(alpha=decay, solver="svd").fit(x.numpy(), y.numpy())
        scale = float(y.abs().max())
        expected = torch.from_numpy(oracle.predict(new.numpy()))
        torch.testing.assert_close(path.predict(new, g), expected, rtol=0, atol=1e-8 * scale)
        weight = torch.from_numpy(oracle.coef_)
        torch.testing.assert_close(path.weight[g], weight, rtol=0, atol=1e-8 * float(weight.abs().max()))


def test_float32_features_are_fitted_in_float64() -> None:
    x, y = problem(100, 20)
    path = fit_ridge_path(x.float(), y.float(), WEIGHT_DECAYS[::11])
    expected = fit_ridge_path(x.float().double(), y.float().double(), WEIGHT_DECAYS[::11])
    assert torch.equal(path.weight, expected.weight)


def test_a_dead_and_a_repeated_feature_are_harmless() -> None:
    x, y = problem(100, 20)
    odd = torch.cat([x, x[:, :1], torch.full((100, 1), 0.1)], 1)
    path = fit_ridge_path(odd, y, WEIGHT_DECAYS[:1])
    assert path.weight[0, :, -1].abs().max() < 1e-8
    expected = fit_ridge_path(x, y, WEIGHT_DECAYS[:1]).predict(x, 0)
    torch.testing.assert_close(path.predict(odd, 0), expected, rtol=1e-6, atol=1e-6)


def test_strong_decay_leaves_the_mean() -> None:
    x, y = problem(100, 20)
    path = fit_ridge_path(x, y, torch.tensor([1e14]))
    torch.testing.assert_close(path.predict(x, 0), y.mean(0).expand(100, 2), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "decays", "message"),
    [
        (torch.ones(3, 2), torch.ones(3), WEIGHT_DECAYS, "targets"),
        (torch.ones(3, 2), torch.ones(2, 1), WEIGHT_DECAYS, "targets"),
        (torch.ones(0, 2), torch.ones(0, 1), WEIGHT_DECAYS, "N > 0"),
        (torch.tensor([[math.inf]]), torch.ones(1, 1), WEIGHT_DECAYS, "finite"),
        (torch.ones(3, 2), torch.ones(3, 1), torch.zeros(1), "positive"),
    ],
)
def test_bad_input_is_refused(x: Tensor, y: Tensor, decays: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_ridge_path(x, y, decays)
