"""The temperature against SciPy's bounded scalar minimiser."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from harness.numerics.calibration import temperature


def case(scale: float, seed: int = 0, n: int = 2000, classes: int = 10) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(classes, (n,), generator=generator)
    return scale * (torch.randn(n, classes, generator=generator) + 1.5 * one_hot(targets, classes)), targets


@pytest.mark.parametrize("scale", [0.05, 1.0, 6.0, 60.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_it_equals_scipy(scale: float, classes: int) -> None:
    logits, targets = case(scale, seed=classes, classes=classes)
    best = minimize_scalar(
        lambda log_t: float(cross_entropy(logits.double() / torch.tensor(log_t).exp(), targets)),
        bounds=(-4.6, 4.6), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    assert temperature(logits, targets) == pytest.approx(float(torch.tensor(best.x).exp()), rel=1e-6)


def test_the_slope_is_zero_and_scale_carries_over() -> None:
    logits, targets = case(1.0)
    found = temperature(logits, targets)
    b = torch.tensor(1 / found, dtype=torch.float64, requires_grad=True)
    cross_entropy(logits.double() * b, targets).backward()
    assert b.grad is not None
    assert abs(b.grad.item()) < 1e-9
    assert temperature(8 * logits, targets) == pytest.approx(8 * found, rel=1e-9)


def test_without_a_minimum_the_bound_is_returned() -> None:
    targets = torch.arange(6) % 3
    right = one_hot(targets, 3).float()
    assert temperature(right, targets) == 0.01
    assert temperature(-right, targets) == 100.0
    assert temperature(torch.zeros(6, 3), targets) == 0.01  # any temperature is as good
    assert temperature(1e30 * right, targets) == 0.01


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="needs images"):
        temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
