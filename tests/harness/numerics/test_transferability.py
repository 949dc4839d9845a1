"""Transferability against plain transcriptions of the definitions, SciPy, scikit-learn and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from torch import Tensor
from torch.nn.functional import one_hot

from harness.errors import UndefinedError
from harness.numerics.influence import Estimate
from harness.numerics.transferability import class_separation, h_score, h_score_shrunk, logme

CLASSES = 4
SHAPES = [(150, 12), (30, 50)]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(images: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (N, D), away from the origin, that tell something of the classes (N,), which are of unequal sizes."""
    y = torch.arange(images).remainder(2 * CLASSES - 1).clamp(max=CLASSES - 1)
    scales = torch.linspace(2, 0.1, width, dtype=torch.float64)
    return normal(images, width, seed=seed) * scales + 0.7 * normal(CLASSES, width, seed=seed + 1)[y] + 0.5, y


def fixed_point(x: np.ndarray, y: np.ndarray) -> float:
    """The published iteration for one target, to convergence: alpha, beta, posterior mean, evidence an image."""
    n, width = x.shape
    alpha = beta = 1.0
    eigenvalues = np.linalg.eigvalsh(x.T @ x).clip(0)
    for _ in range(20_000):
        precision = alpha * np.eye(width) + beta * x.T @ x
        mean = beta * np.linalg.solve(precision, x.T @ y)
        gamma = (beta * eigenvalues / (alpha + beta * eigenvalues)).sum()
        before, alpha, beta = alpha / beta, gamma / (mean @ mean), (n - gamma) / ((x @ mean - y) ** 2).sum()
        if abs(alpha / beta / before - 1) < 1e-13:
            break
    precision = alpha * np.eye(width) + beta * x.T @ x
    mean = beta * np.linalg.solve(precision, x.T @ y)
    evidence = n / 2 * np.log(beta) + width / 2 * np.log(alpha) - n / 2 * np.log(2 * np.pi)
    evidence -= beta / 2 * ((x @ mean - y) ** 2).sum() + alpha / 2 * mean @ mean
    return float(evidence - np.linalg.slogdet(precision)[1] / 2) / n


@pytest.mark.parametrize(("images", "width"), SHAPES)
def test_logme_is_the_papers(images: int, width: int) -> None:
    x, y = problem(images, width)
    columns = one_hot(y)
    expected = np.mean([fixed_point(x.numpy(), column.double().numpy()) for column in columns.T])
    assert logme(x, columns).value == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("images", "width"), [(25, 4), (12, 20)])
def test_logme_is_the_greatest_density_of_the_targets(images: int, width: int) -> None:
    """The evidence is the density of y under N(0, I / beta + XX' / alpha), here by SciPy, and maximised by it."""
    x = normal(images, width)
    y = x @ normal(width, 2, seed=1) * 0.5 + normal(images, 2, seed=2) + 0.3

    def density(logs: np.ndarray, target: np.ndarray) -> float:
        covariance = np.exp(logs[0]) * np.eye(images) + np.exp(logs[1]) * (x @ x.T).numpy()
        return float(-multivariate_normal.logpdf(target, cov=covariance) / images)

    best = [
        min(minimize(density, start, (column,), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}).fun
            for start in ([0.0, 0.0], [-3.0, 1.0], [1.0, -3.0]))
        for column in y.T.numpy()
    ]  # fmt: skip
    assert logme(x, y).value == pytest.approx(-np.mean(best), rel=1e-7)


def test_an_image_with_a_copy_does_not_make_logme_infinite() -> None:
    """Features as wide as there are images give the targets exactly, with infinite evidence at no noise."""
    y = torch.arange(40) % CLASSES
    x = normal(40, 60) * torch.linspace(3, 0.3, 60) + 0.3 * normal(CLASSES, 60, seed=1)[y]
    again = torch.cat([torch.arange(40), torch.tensor([3])])
    expected = np.mean([fixed_point(x[again].numpy(), c.double().numpy()) for c in one_hot(y[again]).T])
    assert logme(x[again], one_hot(y[again])).value == pytest.approx(expected, rel=1e-6)


def test_features_that_tell_nothing_leave_logme_the_noise() -> None:
    """alpha is best at infinity, where y ~ N(0, 1 / beta)."""
    basis = torch.linalg.qr(normal(40, 6)).Q
    y = 3 * basis[:, 5:]
    expected = -0.5 * (math.log(2 * math.pi * 9 / 40) + 1)
    assert logme(basis[:, :5], y).value == pytest.approx(expected, rel=1e-9)


def test_logme_ignores_labels_that_do_not_vary() -> None:
    x, y = problem(60, 8)
    columns = one_hot(y)
    assert logme(x, torch.cat([columns, 0 * columns[:, :2], 0 * columns[:, :1] + 1], 1)) == logme(x, columns)


def test_undefined_logme_says_why() -> None:
    x, y = problem(60, 8)
    for features, columns in ((x, torch.ones(60, 3)), (0 * x, one_hot(y))):
        with pytest.raises(UndefinedError, match="vary"):
            logme(features, columns)
    with pytest.raises(UndefinedError, match="exact linear"):
        logme(x, x[:, :2] * 3)


def between(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The covariance of E[f | y], an image at a time."""
    means = np.stack([x[y == c].mean(0) for c in y])
    return np.asarray(np.cov(means.T, bias=True))


def test_h_score_is_the_definition() -> None:
    x, y = (v.numpy() for v in problem(150, 12))
    expected = np.trace(np.linalg.inv(np.cov(x.T, bias=True)) @ between(x, y))
    found = h_score(torch.from_numpy(x), torch.from_numpy(y))
    assert found.value == pytest.approx(expected, rel=1e-9)
    assert 0 < found.low < found.high < CLASSES - 1


def test_h_score_of_the_labels_themselves_is_the_number_of_classes_less_one() -> None:
    _, y = problem(60, 8)
    assert h_score(one_hot(y).double(), y).value == pytest.approx(CLASSES - 1)


@pytest.mark.parametrize(("images", "width"), [*SHAPES, (15, 300)])
def test_shrunk_h_score_is_the_definition(images: int, width: int) -> None:
    x, y = problem(images, width)
    covariance, a = ledoit_wolf(x.numpy())
    assert 0.01 < a < 1
    expected = (1 - a) * np.trace(np.linalg.inv(covariance) @ between(x.numpy(), y.numpy()))
    assert h_score_shrunk(x, y).value == pytest.approx(expected, rel=1e-9)


def test_features_without_a_direction_are_shrunk_to_nothing() -> None:
    x = normal(30, 3, seed=2)
    assert ledoit_wolf(x.numpy())[1] == 1
    assert h_score_shrunk(x, torch.arange(30) % 3).value == pytest.approx(0, abs=1e-9)


def jackknife(of: Callable[[Tensor, Tensor], Estimate], x: Tensor, y: Tensor) -> float:
    """1.96 standard errors, from all the values without one image."""
    images = torch.arange(len(x))
    left_out = np.array([of(x[images != i], y[images != i]).value for i in images])
    return float(1.96 * np.sqrt((len(x) - 1) / len(x) * ((left_out - left_out.mean()) ** 2).sum()))


@pytest.mark.parametrize(("images", "width"), [(150, 12), (60, 20), (50, 80)])
def test_intervals_are_the_jackknifes(images: int, width: int) -> None:
    """Also where an image weighs much in the fit: an infinitesimal change would say too little there."""
    x, y = problem(images, width)
    for of in (h_score, h_score_shrunk, lambda x, y: logme(x, one_hot(y))):
        if of is h_score and images < width:
            continue
        found = of(x, y)
        assert found.high - found.value == pytest.approx(jackknife(of, x, y), rel=0.12)
        assert found.value - found.low == pytest.approx(found.high - found.value)


def test_undefined_h_scores_say_why() -> None:
    x, y = problem(30, 50)
    with pytest.raises(UndefinedError, match="30 images in 29 dimensions"):
        h_score(x, y)
    for of in (h_score, h_score_shrunk):
        with pytest.raises(UndefinedError, match="one class"):
            of(x[:, :5], 0 * y + 3)
        with pytest.raises(UndefinedError, match="constant"):
            of(torch.full((30, 5), 0.1), y)


def test_class_separation_is_the_double_sum_over_classes() -> None:
    x, y = problem(60, 5)
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    distance = 1 - unit @ unit.T
    blocks = np.array([[distance[np.ix_(y == j, y == k)].mean() for k in range(CLASSES)] for j in range(CLASSES)])
    assert class_separation(x, y).value == pytest.approx(1 - blocks.diagonal().mean() / blocks.mean(), rel=1e-9)


def test_class_separation_by_hand() -> None:
    """Two classes, each in one direction, at right angles; then both in the same two."""
    apart = torch.tensor([[1.0, 0], [2, 0], [0, 1], [0, 3]])
    assert class_separation(apart, torch.tensor([4, 4, 7, 7])).value == pytest.approx(1)
    assert class_separation(apart, torch.tensor([4, 7, 4, 7])).value == pytest.approx(0, abs=1e-12)


def test_undefined_class_separation_says_why() -> None:
    x, y = problem(60, 5)
    for features, classes, message in (
        (x, 0 * y, "one class"),
        (x, torch.cat([y[:-1], torch.tensor([9])]), "one image"),
        (torch.full((60, 5), 0.1) * torch.arange(1.0, 61)[:, None], y, "same direction"),
        (torch.cat([x[:-1], 0 * x[:1]]), y, "image 59 are all zero"),
    ):
        with pytest.raises(UndefinedError, match=message):
            class_separation(features, classes)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(SHAPES), st.sampled_from([1e-3, 1.0, 1e3]))
def test_order_rotation_scale_and_names_of_classes_change_nothing(
    seed: int, shape: tuple[int, int], scale: float
) -> None:
    x, y = problem(*shape, seed=seed)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    turned = scale * x[order] @ torch.linalg.qr(normal(shape[1], shape[1], seed=seed)).Q
    assert logme(turned, one_hot(y)[order]) == pytest.approx(logme(x, one_hot(y)), abs=1e-6)
    for of in (h_score_shrunk, class_separation):
        assert of(turned, 9 - 2 * y[order]) == pytest.approx(of(x, y), rel=1e-7)
    if len(x) > x.shape[1]:
        skewed = x[order] @ normal(shape[1], shape[1], seed=seed) + 5
        assert h_score(skewed, y[order]) == pytest.approx(h_score(x, y), rel=1e-6)
