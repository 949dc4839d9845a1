"""The temperature against SciPy's bounded scalar minimiser."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from harness.numerics.calibration import BOUND, temperature


def case(scale: float, seed: int = 0, n: int = 2000, classes: int = 10) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(classes, (n,), generator=generator)
    return scale * (torch.randn(n, classes, generator=generator) + 1.5 * one_hot(targets, classes)), targets


@pytest.mark.parametrize("scale", [1e-4, 0.05, 1.0, 6.0, 60.0, 1000.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_it_equals_scipy(scale: float, classes: int) -> None:
    logits, targets = case(scale, seed=classes, classes=classes)
    best = minimize_scalar(
        lambda log_t: float(cross_entropy(logits.double() / (scale * torch.tensor(log_t).exp()), targets)),
        bounds=(-4.6, 4.6), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    assert temperature(logits, targets) == pytest.approx(scale * float(torch.tensor(best.x).exp()), rel=1e-6)


def test_the_slope_is_zero_and_scale_carries_over() -> None:
    logits, targets = case(1.0)
    found = temperature(logits, targets)
    b = torch.tensor(1 / found, dtype=torch.float64, requires_grad=True)
    cross_entropy(logits.double() * b, targets).backward()
    assert b.grad is not None
    assert abs(b.grad.item()) < 1e-9
    for factor in (1e-6, 8, 1000, 1e6):
        assert temperature(factor * logits.double(), targets) == pytest.approx(factor * found, rel=1e-9)


def test_without_a_minimum_the_bound_is_returned() -> None:
    targets = torch.arange(6) % 3
    right = one_hot(targets, 3).float()
    scale = (2 / 3) ** 0.5  # of margins that are 0 for the target, and 1 apart for the two other classes
    assert temperature(right, targets) == pytest.approx(scale / BOUND)
    assert temperature(-right, targets) == pytest.approx(scale * BOUND)
    assert temperature(1e30 * right, targets) == pytest.approx(1e30 * scale / BOUND)
    assert temperature(torch.zeros(6, 3), targets) == 1.0


def test_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="needs images"):
        temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
