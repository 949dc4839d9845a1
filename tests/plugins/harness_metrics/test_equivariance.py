"""Equivariance of features made to be so, and the cross-fitted ridge against scikit-learn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from harness.errors import UndefinedError
from harness.evidence import ViewEmbeddings
from harness.metrics import scores
from harness.transforms import FAMILIES
from harness_metrics import equivariance as m

N, V, D = 60, 8, 6


def evidence(kind: str, noise: float = 0.05, family: str = "rotation", n: int = N) -> ViewEmbeddings:
    """Views that turn the features with the angle, move them with it, keep them, or have nothing to do with them."""
    random = torch.Generator().manual_seed(0)
    clean = torch.randn(n, D, generator=random)
    parameters = FAMILIES[family].draw(V, 0).expand(n, -1, -1)
    features = clean[:, None].expand(-1, V, -1).clone()
    angle = (parameters[..., 0] * (math.pi / 180))[..., None]
    if kind == "turns":  # three planes
        a, b = clean[:, None, ::2], clean[:, None, 1::2]
        features = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], 3).flatten(2)
    elif kind == "moves":
        features += 2 * angle.cos()
    elif kind == "unrelated":
        features = torch.randn(n, V, D, generator=random)
    features = features + noise * torch.randn(n, V, D, generator=random)
    return ViewEmbeddings(features, clean, parameters, family=family)


def found(e: ViewEmbeddings) -> dict[str, float]:
    return {each.variant: each.value for each in scores(m.equivariance_r2, e, resamples=10)}


def test_features_that_turn_are_told_from_the_angle_and_not_without_it() -> None:
    r2 = found(evidence("turns"))
    assert list(r2) == ["full", "alone", "gain"]
    assert r2["full"] > 0.99
    assert abs(r2["alone"]) < 0.1
    assert r2["gain"] > 0.99


def test_features_that_move_are_told_from_both() -> None:
    """|z|^2 is 1 a dimension, the common movement 2 cos has a mean square of 2: alone it is 1 / 3."""
    r2 = found(evidence("moves"))
    assert r2["full"] > 0.99
    assert r2["alone"] == pytest.approx(1 / 3, abs=0.06)


def test_invariant_features_need_no_angle() -> None:
    r2 = found(evidence("stays"))
    assert r2["alone"] > 0.99
    assert abs(r2["gain"]) < 0.1
    assert found(evidence("stays", noise=0.0)) == pytest.approx({"full": 1, "alone": 1})


def test_unrelated_features_are_told_from_nothing() -> None:
    r2 = found(evidence("unrelated"))
    assert all(abs(each) < 0.05 for each in r2.values())


def ridge(x: torch.Tensor, y: torch.Tensor, new: torch.Tensor) -> np.ndarray:
    """scikit-learn's, of the strength that is best from every second image to the others."""

    def fitted(rows: slice, strength: float) -> Ridge:
        return Ridge(alpha=strength, solver="svd").fit(x[rows].flatten(0, 1), y[rows].flatten(0, 1))

    errors = {
        strength: np.square(
            fitted(slice(0, None, 2), strength).predict(x[1::2].flatten(0, 1)) - y[1::2].flatten(0, 1).numpy()
        ).sum()
        for strength in np.logspace(-6, 5, 12)
    }
    best = min(errors, key=lambda strength: errors[strength])
    assert 1e-6 < best < 1e5  # or any choice would do
    return fitted(slice(None), best).predict(new.flatten(0, 1)).reshape(*new.shape[:2], -1)


def test_each_half_is_predicted_by_scikit_learns_ridge_of_the_other() -> None:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(24, 3, 10, generator=random).double()
    y = x[..., :3] @ torch.randn(3, 2, generator=random).double() + 3 * torch.randn(24, 3, 2, generator=random)
    left, total = m._crossfit(x, y)
    for fit, rest in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        wanted = np.square(ridge(x[fit], y[fit], x[rest]) - y[rest].numpy()).sum((1, 2))
        np.testing.assert_allclose(left[rest], wanted, rtol=1e-8)
        spread = np.square(y[rest].numpy() - y[fit].numpy().mean((0, 1))).sum((1, 2))
        np.testing.assert_allclose(total[rest], spread, rtol=1e-8)


def test_neither_order_nor_scale_matters() -> None:
    e = evidence("turns", noise=0.5)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
    small = replace(e, clean=e.clean * 1e-3, features=e.features * 1e-3)
    assert found(e.take(order)) == pytest.approx(found(e), rel=1e-4)
    assert found(small) == pytest.approx(found(e), rel=1e-4)


def test_its_interval_is_over_images() -> None:
    whole = scores(m.equivariance_r2, evidence("turns", noise=0.5), resamples=200)[0]
    assert whole.low < whole.value < whole.high


@pytest.mark.parametrize("family", ["simclr", "noise", "hue", "translation"])
def test_parameters_of_any_family_are_used(family: str) -> None:
    e = evidence("unrelated", family=family)
    drawn = torch.stack([FAMILIES[family].draw(V, seed) for seed in range(N)])
    amounts = m._amounts(replace(e, parameters=drawn))
    assert amounts.shape[2] == {"simclr": 11, "noise": 1, "hue": 2, "translation": 2}[family]
    torch.testing.assert_close(amounts.flatten(0, 1).std(0), torch.ones(amounts.shape[2]).double())


def test_what_cannot_be_told_is_undefined() -> None:
    with pytest.raises(UndefinedError, match="needs 8 images or more, got 7"):
        m.equivariance_r2(evidence("turns", n=7))
    e = evidence("turns")
    with pytest.raises(UndefinedError, match="the features are constant"):
        m.equivariance_r2(replace(e, clean=torch.ones(N, D), features=torch.ones(N, V, D)))
    with pytest.raises(UndefinedError, match="the parameters of hflip do not vary"):
        m.equivariance_r2(replace(e, family="hflip", parameters=torch.ones(N, V, 1)))
    with pytest.raises(UndefinedError, match="knows no parameters of the family ''"):
        m.equivariance_r2(replace(e, family=""))
