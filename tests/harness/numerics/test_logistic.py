"""Logistic regression against scikit-learn, closed forms, and itself under changes that must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from harness.numerics import lbfgs, logistic
from harness.numerics.continuation import stages
from harness.numerics.logistic import WEIGHT_DECAYS, LogisticPath, fit_path, fit_path_multilabel

DECAYS = torch.tensor([1e-4, 1e-1, 10.0, 1e4], dtype=torch.float64)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    pixels, digit = load_digits(return_X_y=True)
    return torch.from_numpy(pixels / 16), torch.from_numpy(digit).long()


@pytest.fixture
def blobs() -> tuple[Tensor, Tensor]:
    """200 points of 4 overlapping classes in 12 dimensions with very different scales, away from the origin."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 4
    centres = torch.randn(4, 12, generator=generator, dtype=torch.float64)
    noise = torch.randn(200, 12, generator=generator, dtype=torch.float64)
    return (centres[y] + 1.5 * noise) * torch.logspace(1, -1, 12, dtype=torch.float64) + 3, y


def objective(path: LogisticPath, x: Tensor, y: Tensor, decays: Tensor) -> Tensor:
    """The multinomial objective of each fit, by the textbook, in float64."""
    losses = [
        cross_entropy(x.double() @ w.double().T + b.double(), y) for w, b in zip(path.weight, path.bias, strict=True)
    ]
    return torch.stack(losses) + decays / (2 * len(x)) * path.weight.double().square().sum((1, 2))


def reference(x: Tensor, y: Tensor, decays: Tensor) -> LogisticPath:
    """scikit-learn's fits by Newton's method, to the limit of float64."""
    newton = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=200)
    with threadpool_limits(1):
        fits = [clone(newton).set_params(C=1 / decay).fit(x.numpy(), y.numpy()) for decay in decays.tolist()]
    weight = torch.from_numpy(np.stack([fit.coef_ for fit in fits]))
    bias = torch.from_numpy(np.stack([fit.intercept_ for fit in fits]))
    unused = torch.empty(0)
    return LogisticPath(weight, bias, unused, unused, unused)


def test_float64_equals_scikit_learn(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    path = fit_path(x, y, DECAYS, 4, rtol=1e-13)
    expected = reference(x, y, DECAYS)
    for g in range(len(DECAYS)):
        torch.testing.assert_close(path.logits(x, g).softmax(1), expected.logits(x, g).softmax(1), rtol=0, atol=1e-5)
    best = objective(expected, x, y, DECAYS)
    torch.testing.assert_close(objective(path, x, y, DECAYS), best, rtol=1e-9, atol=0)
    torch.testing.assert_close(path.objective, best, rtol=1e-9, atol=0)


def test_float32_reaches_the_optimum_of_digits(digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    decays = WEIGHT_DECAYS[::11]
    path = fit_path(x.float(), y, decays, 10)
    best = objective(reference(x, y, decays), x, y, decays)
    assert path.converged.all()
    assert (objective(path, x, y, decays) / best - 1).abs().max() <= 1e-5
    assert (path.objective / best - 1).abs().max() <= 1e-5


def test_a_saturated_loss_is_resolved_in_float32() -> None:
    """Two separated classes at weak decay, where the loss is below float32's epsilon."""
    x = torch.tensor([[-40.0], [-30.0], [30.0], [40.0]])
    y = torch.tensor([0, 0, 1, 1])
    decays = torch.tensor([1e-7, 1e-6])
    single, double = fit_path(x, y, decays, 2), fit_path(x.double(), y, decays, 2, rtol=1e-12)
    assert (double.objective < torch.finfo(torch.float32).eps).all()
    torch.testing.assert_close(single.objective, double.objective, rtol=1e-5, atol=0)


def test_two_classes_are_the_binary_model_at_half_the_decay(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs[0], blobs[1] % 2
    path = fit_path(x, y, 2 * DECAYS, 2, rtol=1e-13)
    binary = fit_path_multilabel(x, y[:, None], DECAYS, rtol=1e-13)
    for g in range(len(DECAYS)):
        margin = path.logits(x, g).diff(dim=1)
        torch.testing.assert_close(margin, binary.logits(x, g), rtol=1e-4, atol=1e-4)


def test_labels_equal_scikit_learn(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs[0], torch.stack([blobs[1] == 0, blobs[1] < 2, blobs[0][:, 0] > 9], 1).long()
    path = fit_path_multilabel(x, y, DECAYS, rtol=1e-13)
    assert path.weight.shape == (4, 3, 12)
    assert path.bias.shape == path.objective.shape == path.iterations.shape == path.converged.shape == (4, 3)
    for label in range(3):
        expected = reference(x, y[:, label], DECAYS)
        for g, decay in enumerate(DECAYS):
            logits = expected.logits(x, g).squeeze(1)
            torch.testing.assert_close(path.logits(x, g)[:, label].sigmoid(), logits.sigmoid(), rtol=0, atol=1e-5)
            loss = binary_cross_entropy_with_logits(logits, y[:, label].double())
            best = loss + decay / (2 * len(x)) * expected.weight[g].square().sum()
            torch.testing.assert_close(path.objective[g, label], best, rtol=1e-9, atol=0)


def test_repeats_to_the_bit(digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits[0][:300].float(), digits[1][:300]
    first, second = (fit_path(x, y, DECAYS, 10) for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)


def test_order_of_images_does_not_matter(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    path, shuffled = fit_path(x, y, DECAYS, 4, rtol=1e-12), fit_path(x[order], y[order], DECAYS, 4, rtol=1e-12)
    for g in range(len(DECAYS)):
        torch.testing.assert_close(path.logits(x, g), shuffled.logits(x, g), rtol=1e-3, atol=1e-3)


def test_groups_of_the_grid_do_not_matter(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    whole, parts = (fit_path(x, y, DECAYS, 4, rtol=1e-12, memory=memory) for memory in (1 << 30, 1))
    torch.testing.assert_close(whole.objective, parts.objective, rtol=1e-10, atol=0)
    torch.testing.assert_close(whole.weight, parts.weight, rtol=1e-3, atol=1e-2)


def test_blocks_of_images_do_not_matter(blobs: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs
    labels = torch.stack([y == 0, y < 2], 1).long()
    whole, each = fit_path(x, y, DECAYS, 4, rtol=1e-12), fit_path_multilabel(x, labels, DECAYS, rtol=1e-12)
    for name, value in (("ROWS", 7), ("BLOCK", {"cuda": 1}), ("TILE", {"cuda": 1})):
        monkeypatch.setattr(lbfgs, name, value)
    parts, each_part = fit_path(x, y, DECAYS, 4, rtol=1e-12), fit_path_multilabel(x, labels, DECAYS, rtol=1e-12)
    torch.testing.assert_close(whole.objective, parts.objective, rtol=1e-10, atol=0)
    torch.testing.assert_close(each.objective, each_part.objective, rtol=1e-10, atol=0)


def test_order_and_repetition_of_the_grid_do_not_matter(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    labels = torch.stack([y == 0, y < 2], 1).long()
    order = torch.tensor([2, 0, 2, 3, 1])
    for plain, mixed in (
        (fit_path(x, y, DECAYS, 4), fit_path(x, y, DECAYS[order], 4)),
        (fit_path_multilabel(x, labels, DECAYS), fit_path_multilabel(x, labels, DECAYS[order])),
    ):
        for name in ("weight", "bias", "iterations", "objective", "converged"):
            assert torch.equal(getattr(plain, name)[order], getattr(mixed, name))


def test_a_start_is_a_short_cut_to_the_same_place(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    decay = DECAYS[:1]
    cold = fit_path(x, y, decay, 4, rtol=1e-13)
    warm = fit_path(x, y, decay, 4, rtol=1e-13, start=(cold.weight[0], cold.bias[0] + 3))
    assert warm.iterations.item() <= 1 < cold.iterations.item()
    torch.testing.assert_close(warm.objective, cold.objective, rtol=1e-10, atol=0)
    assert abs(warm.bias.sum().item()) < 1e-9
    labels = torch.stack([y == 0, torch.ones_like(y), y < 2], 1)
    cold = fit_path_multilabel(x, labels, decay, rtol=1e-13)
    warm = fit_path_multilabel(x, labels, decay, rtol=1e-13, start=(cold.weight[0], cold.bias[0]))
    assert warm.iterations.amax() <= 1
    torch.testing.assert_close(warm.objective, cold.objective, rtol=1e-10, atol=0)


def test_a_start_may_lack_a_class(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    few = fit_path(x[y > 0], y[y > 0], DECAYS[:1], 4)
    cold = fit_path(x, y, DECAYS[:1], 4, rtol=1e-12)
    warm = fit_path(x, y, DECAYS[:1], 4, rtol=1e-12, start=(few.weight[0], few.bias[0]))
    torch.testing.assert_close(warm.objective, cold.objective, rtol=1e-9, atol=0)


def test_the_whole_grid_reaches_the_optimum_in_float32(digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits
    single, double = fit_path(x.float(), y, WEIGHT_DECAYS, 10), fit_path(x, y, WEIGHT_DECAYS, 10, rtol=1e-12)
    best = logistic.objective(double.weight, double.bias, x, y, WEIGHT_DECAYS)
    reached = logistic.objective(single.weight, single.bias, x.float(), y, WEIGHT_DECAYS)
    assert (reached / best - 1).abs().max() <= 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 8, 9, 45])
def test_every_strength_is_solved_once(count: int) -> None:
    order = [g for stage in stages(count) for g in stage]
    assert sorted(order) == list(range(count))
    assert order[0] == 0


def test_objective_is_the_textbooks(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    path = fit_path(x.float(), y, DECAYS, 4)
    found = logistic.objective(path.weight, path.bias, x.float(), y, DECAYS)
    torch.testing.assert_close(found, objective(path, x.float(), y, DECAYS), rtol=1e-12, atol=0)
    labels = torch.stack([y == 0, y < 2], 1)
    each = fit_path_multilabel(x, labels, DECAYS)
    for g, decay in enumerate(DECAYS):
        losses = binary_cross_entropy_with_logits(each.logits(x, g), labels.double(), reduction="none").mean(0)
        expected = losses + decay / (2 * len(x)) * each.weight[g].square().sum(1)
        got = logistic.objective(each.weight, each.bias, x, labels, DECAYS)[g]
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=0)


def test_fewer_images_than_features() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 100, generator=generator, dtype=torch.float64) + 5, torch.arange(30) % 3
    path = fit_path(x, y, DECAYS, 3, rtol=1e-13)
    best = objective(reference(x, y, DECAYS), x, y, DECAYS)
    torch.testing.assert_close(objective(path, x, y, DECAYS), best, rtol=1e-8, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_features_stay_finite(blobs: tuple[Tensor, Tensor], dtype: torch.dtype) -> None:
    x, y = blobs
    plain = fit_path(x.to(dtype), y, DECAYS, 4)
    odd = torch.cat([x, x, torch.full((len(x), 1), 0.1), torch.zeros(len(x), 1)], 1).to(dtype)
    path = fit_path(odd, y, 2 * DECAYS, 4)
    assert path.weight.isfinite().all()
    assert path.converged.all()
    torch.testing.assert_close(path.objective, plain.objective, rtol=1e-4, atol=0)
    assert path.weight[:, :, -2:].abs().max() < 1e-4


def test_constant_features_give_the_class_frequencies() -> None:
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    path = fit_path(torch.full((6, 5), 0.3), y, DECAYS, 3)
    for g in range(len(DECAYS)):
        expected = torch.tensor([3, 2, 1]) / 6
        torch.testing.assert_close(path.logits(torch.full((1, 5), 0.3), g).softmax(1)[0], expected)


def test_strong_decay_leaves_the_class_frequencies(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs[0], blobs[1].clamp(max=2)
    path = fit_path(x, y, torch.tensor([1e12]), 3)
    expected = torch.tensor([50, 50, 100], dtype=torch.float64) / 200
    torch.testing.assert_close(path.logits(x[:1], 0).softmax(1)[0], expected, rtol=1e-5, atol=0)


def test_absent_classes_are_never_predicted_and_leave_the_rest_as_it_is(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    plain, path = fit_path(x, y, DECAYS, 4), fit_path(x, 2 * y + 1, DECAYS, 10)
    seen, absent = [1, 3, 5, 7], [0, 2, 4, 6, 8, 9]
    assert torch.equal(path.weight[:, seen], plain.weight)
    assert torch.equal(path.bias[:, seen], plain.bias)
    for g in range(len(DECAYS)):
        logits = path.logits(3 * x, g)
        assert torch.isin(logits.argmax(1), torch.tensor(seen)).all()
        assert logits.softmax(1)[:, absent].sum(1).max() <= 1 / len(x)


def test_biases_sum_to_zero(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs[0], blobs[1].clamp(max=2)
    torch.testing.assert_close(fit_path(x, y, DECAYS, 3).bias.sum(1), torch.zeros(4, dtype=x.dtype), rtol=0, atol=1e-6)


def test_one_class_alone() -> None:
    path = fit_path(torch.randn(5, 3), torch.full((5,), 2), DECAYS, 4)
    assert path.objective.tolist() == [0.0] * 4
    assert path.logits(torch.randn(1, 3), 0).softmax(1)[0].tolist() == pytest.approx([1 / 18, 1 / 18, 5 / 6, 1 / 18])


def test_fewer_images_than_classes() -> None:
    x = torch.eye(3)
    path = fit_path(x, torch.tensor([0, 7, 900]), DECAYS, 1000)
    assert path.logits(x, 0).argmax(1).tolist() == [0, 7, 900]


def test_a_label_all_images_share_is_predicted_for_all(blobs: tuple[Tensor, Tensor]) -> None:
    x, y = blobs
    constant = torch.stack([torch.ones_like(y), y.clamp(max=1), torch.zeros_like(y)], 1)
    path, plain = fit_path_multilabel(x, constant, DECAYS), fit_path_multilabel(x, constant[:, 1:2], DECAYS)
    assert torch.equal(path.weight[:, 1], plain.weight[:, 0])
    odds = path.logits(5 * x, 0)
    assert odds[:, 0].tolist() == pytest.approx([math.log(200)] * 200)
    assert odds[:, 2].tolist() == pytest.approx([-math.log(200)] * 200)
    assert path.converged.all()


def test_the_grid_is_the_published_one() -> None:
    np.testing.assert_allclose(WEIGHT_DECAYS.numpy(), np.logspace(-6, 5, 45), rtol=1e-12)


def test_iterations_stop_at_the_limit(blobs: tuple[Tensor, Tensor]) -> None:
    path = fit_path(*blobs, DECAYS, 4, max_iter=2)
    assert path.iterations.tolist() == [2, 2, 2, 2]
    assert not path.converged[0]


@pytest.mark.parametrize(
    ("x", "y", "decays", "message"),
    [
        (torch.ones(3, 2).half(), torch.zeros(3).long(), DECAYS, "float32 or float64"),
        (torch.tensor([[math.nan]]), torch.zeros(1).long(), DECAYS, "finite"),
        (torch.ones(3, 2), torch.zeros(2).long(), DECAYS, "3 features and 2 targets"),
        (torch.ones(0, 2), torch.zeros(0).long(), DECAYS, "one at least"),
        (torch.ones(3, 2), torch.full((3,), 2), DECAYS, "from 0 to 1"),
        (torch.ones(3, 2), torch.zeros(3), DECAYS, "int64"),
        (torch.ones(3, 2), torch.zeros(3).long(), torch.zeros(1), "positive"),
    ],
)
def test_bad_input_is_refused(x: Tensor, y: Tensor, decays: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_path(x, y, decays, 2)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_labels_may_be_of_any_dtype(blobs: tuple[Tensor, Tensor], dtype: torch.dtype) -> None:
    x, y = blobs[0], torch.nn.functional.one_hot(blobs[1])
    assert torch.equal(fit_path_multilabel(x, y.to(dtype), DECAYS).weight, fit_path_multilabel(x, y, DECAYS).weight)


def test_labels_other_than_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="each 0 or 1"):
        fit_path_multilabel(torch.ones(3, 2), torch.full((3, 1), 2), DECAYS)
