"""CKA against published values, pytorch-cka, the formulas spelt out, and what must not change it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from cka import cka_from_features
from cka.hsic import hsic as theirs
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from harness.errors import HarnessError, UndefinedError
from harness.numerics import cka
from harness.numerics.cka import Hsic, blocks, centred, hsic, intervals, linear_cka, rbf, stacked, total, u_centred

Centring = Callable[[Tensor], Tensor]


def golden() -> tuple[Tensor, Tensor]:
    """The pair of google-research's representation_similarity demo, (100, 10) float64."""
    random = np.random.RandomState(1337)
    x = random.randn(100, 10)
    return torch.from_numpy(x), torch.from_numpy(random.randn(100, 10) + x)


def features(n: int, layers: int, width: int = 12, seed: int = 0) -> list[Tensor]:
    """Layers of (N, D) that share half of their variance, float64."""
    random = torch.Generator().manual_seed(seed)
    common = torch.randn(n, width, generator=random, dtype=torch.float64)
    return [common + torch.randn(n, width, generator=random, dtype=torch.float64) for _ in range(layers)]


def products(layers: list[Tensor], block: int, raw: bool = False) -> Tensor:
    """(N, R, B) inner products within blocks as a tap makes them, of centred features, but in their own precision."""
    values = torch.zeros(len(layers[0]), len(layers), block, dtype=layers[0].dtype)
    for r, x in enumerate(layers):
        for start in range(0, len(x), block):
            rows = x[start : start + block]
            rows = rows if raw else rows - rows.mean(0)
            values[start : start + block, r, : len(rows)] = rows @ rows.T
    return values


def by_blocks(x: list[Tensor], y: list[Tensor], block: int, centring: Centring = u_centred) -> Tensor:
    return total(hsic(blocks(products(x, block)), blocks(products(y, block)), centring)).cka


@pytest.mark.parametrize(("centring", "kernel", "published"), [
    (centred, None, 0.55761), (u_centred, None, 0.51346), (centred, rbf, 0.65483),
])  # fmt: skip
def test_published_values(centring: Centring, kernel: Centring | None, published: float) -> None:
    for dtype in (torch.float64, torch.float32):
        x, y = (z.to(dtype) for z in golden())
        grams = [list(blocks(products([z], 100))) for z in (x, y)]
        if kernel is not None:
            grams = [[kernel(gram) for gram in side] for side in grams]
        assert float(total(hsic(*grams, centring)).cka) == pytest.approx(published, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_published_values_of_features(dtype: torch.dtype) -> None:
    x, y = (z.to(dtype) for z in golden())
    assert linear_cka(x, y, debiased=False) == pytest.approx(0.5576132566, abs=1e-7)
    assert linear_cka(x, y) == pytest.approx(0.5134564895, abs=1e-7)


@pytest.mark.parametrize("kernel", [lambda gram: gram, rbf], ids=["linear", "rbf"])
def test_equals_the_formulas_spelt_out(kernel: Centring) -> None:
    n = 9
    grams = kernel(next(blocks(products(features(n, 2), n, raw=True))))
    k, other = grams
    h = np.eye(n) - 1 / n
    trace = np.trace(k.numpy() @ h @ other.numpy() @ h)
    for centring, expected in ((centred, trace), (u_centred, n * (n - 3) * hsic_1(k, other))):
        assert float(centring(grams).prod(0).sum()) == pytest.approx(expected, rel=1e-10)
        assert float(next(hsic([grams], None, centring)).cross[0, 1]) == pytest.approx(expected, rel=1e-10)


def hsic_1(k: Tensor, other: Tensor) -> float:
    """Song et al. 2012, from Gram matrices without their diagonals."""
    n = len(k)
    a, b = (z.numpy() * (1 - np.eye(n)) for z in (k, other))
    one = np.ones(n)
    middle = (one @ a @ one) * (one @ b @ one) / ((n - 1) * (n - 2))
    return float((np.trace(a @ b) + middle - 2 / (n - 2) * (one @ a @ b @ one)) / (n * (n - 3)))


def test_equals_pytorch_cka_on_one_block_and_on_several() -> None:
    x, y = features(60, 3), features(60, 4, seed=1)
    y = [0.5 * a + b for a, b in zip([*x, x[0]], y, strict=True)]
    assert_close(by_blocks(x, y, 60), cka_from_features(x, y), rtol=1e-10, atol=1e-12)
    sums = [torch.zeros(3, 4), torch.zeros(3), torch.zeros(4)]
    for start in range(0, 60, 20):
        sides = (torch.stack([z[start : start + 20] @ z[start : start + 20].T for z in side]) for side in (x, y))
        sums = [a + b for a, b in zip(sums, theirs(*sides), strict=True)]
    expected = sums[0] / (sums[1][:, None] * sums[2]).sqrt()
    assert_close(by_blocks(x, y, 20), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 300), (500, 6)], ids=["more features", "more images"])
@pytest.mark.parametrize("centring", [centred, u_centred])
def test_features_and_gram_matrices_agree(shape: tuple[int, int], centring: Centring) -> None:
    x, y = features(shape[0], 2, shape[1])
    expected = float(by_blocks([x], [y[:, :4]], len(x), centring))
    for dtype, within in ((torch.float64, 1e-10), (torch.float32, 2e-6)):
        found = linear_cka(x.to(dtype), y[:, :4].to(dtype), debiased=centring is u_centred)
        assert found == pytest.approx(expected, abs=within)


def test_the_sum_over_images_is_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = features(500, 2, 6)
    whole = linear_cka(x, y)
    monkeypatch.setattr(cka, "CHUNK", 7)
    assert linear_cka(x, y) == pytest.approx(whole, abs=1e-12)


SCALES = {"small": 1e-3, "large": 1e4, "float32": 1.0}
changes = st.sampled_from(["orthogonal", "order", "offset", *SCALES])


@settings(max_examples=60, deadline=None)
@given(changes, st.integers(0, 2**16), st.sampled_from([7, 16, 64]), st.sampled_from([centred, u_centred]))
def test_what_must_not_change_it(change: str, seed: int, block: int, centring: Centring) -> None:
    random = torch.Generator().manual_seed(seed)
    x, y = features(64, 2, 20, seed)
    moved, other = changed(x, change, block, random), y
    if change == "order":
        other = changed(y, change, block, torch.Generator().manual_seed(seed))
        moved = changed(x, change, block, torch.Generator().manual_seed(seed))
    before, after = by_blocks([x], [y], block, centring), by_blocks([moved], [other.to(moved)], block, centring)
    assert_close(after, before, rtol=0, atol=1e-5)
    if block == 64:
        debiased = centring is u_centred
        assert linear_cka(moved, other, debiased=debiased) == pytest.approx(float(before), abs=1e-5)


def changed(x: Tensor, change: str, block: int, random: torch.Generator) -> Tensor:
    if change == "orthogonal":
        return x @ torch.linalg.qr(torch.randn(x.shape[1], x.shape[1], generator=random, dtype=x.dtype)).Q
    if change == "order":
        parts = torch.split(torch.arange(len(x)), block)
        return x[torch.cat([part[torch.randperm(len(part), generator=random)] for part in parts])]
    return (x + 50 * x.std(0)).float() if change == "offset" else SCALES[change] * x.float()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([7, 16, 64]), st.sampled_from([centred, u_centred]))
def test_symmetric_and_1_on_itself(seed: int, block: int, centring: Centring) -> None:
    x, y = features(64, 2, seed=seed), features(64, 3, seed=seed + 1)
    assert_close(by_blocks(x, y, block, centring), by_blocks(y, x, block, centring).T)
    own = total(hsic(blocks(products(x, block)), None, centring)).cka
    assert_close(own, by_blocks(x, x, block, centring))
    assert_close(own.diagonal(), torch.ones(2, dtype=torch.float64))


def test_debiased_is_0_on_average_for_unrelated_layers_and_biased_is_not() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = ([torch.randn(640, 400, generator=random)] for _ in range(2))
    assert abs(float(by_blocks(x, y, 64))) < 0.02
    assert float(by_blocks(x, y, 64, centred)) > 0.8


@pytest.mark.parametrize(("images", "kept"), [(35, [16, 16]), (36, [16, 16, 4]), (10, [10]), (3, [])])
def test_a_short_last_block_counts_by_its_pairs_and_too_short_a_one_not_at_all(images: int, kept: list[int]) -> None:
    layers = features(images, 2)
    found = list(blocks(products(layers, 16)))
    assert [gram.shape[1] for gram in found] == kept
    each = list(hsic(found, None))
    for start, block in zip(range(0, images, 16), each, strict=False):
        k, other = (x[start : start + 16] @ x[start : start + 16].T for x in layers)
        assert float(block.cross[0, 1]) == pytest.approx(len(k) * (len(k) - 3) * hsic_1(k, other), rel=1e-9)
    if not kept:
        for sums in (total, stacked):
            with pytest.raises(UndefinedError, match="fewer than 4 images"):
                sums(each)
        return
    assert_close(total(each), Hsic(*(part.sum(0) for part in stacked(each))))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("offset", [0.0, 0.1, 3e4])
@pytest.mark.parametrize("kernel", [lambda gram: gram, rbf], ids=["linear", "rbf"])
@pytest.mark.parametrize("centring", [centred, u_centred])
def test_a_constant_layer_has_no_hsic(offset: float, kernel: Centring, centring: Centring, raw: bool) -> None:
    varying, constant = features(32, 1)[0].float(), torch.full((32, 12), offset)
    found = total(hsic(map(kernel, blocks(products([varying, constant], 16, raw))), None, centring))
    assert found.first[0] > 0
    assert (found.first[1], found.cross[0, 1]) == (0, 0)
    assert found.cka[1].isnan().all()
    with pytest.raises(UndefinedError, match="constant"):
        linear_cka(varying, constant)


def test_rounding_errors_of_constant_products_are_no_distances() -> None:
    noise = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    grams = 300 * (1 + 1e-7 * (noise + noise.mT))
    assert rbf(grams).eq(1).all()


def test_nearly_constant_features_are_not_constant() -> None:
    x, y = features(64, 2)
    near = (1 + 1e-4 * x).float()
    assert linear_cka(near, y) == pytest.approx(linear_cka(x, y), abs=1e-3)


def test_no_value_where_one_image_alone_differs() -> None:
    x, lone = features(16, 1)[0], torch.zeros(16, 12, dtype=torch.float64)
    lone[3] = 1
    assert math.isfinite(linear_cka(x, lone, debiased=False))
    with pytest.raises(UndefinedError, match="all images but one"):
        linear_cka(x, lone)
    assert by_blocks([x], [lone], 16).isnan().all()


def test_wrong_numbers_of_images() -> None:
    x, y = features(16, 2)
    with pytest.raises(HarnessError, match="got 16 and 15 rows"):
        linear_cka(x, y[:15])
    with pytest.raises(UndefinedError, match="fewer than 4 images, got 3"):
        linear_cka(x[:3], y[:3])


def test_the_bandwidth_is_a_fraction_of_the_median_distance() -> None:
    x = features(15, 1)[0]
    squared = torch.cdist(x, x).square()
    expected = torch.exp(-squared / (2 * 0.3**2 * float(np.median(squared.numpy()))))
    assert_close(rbf((x @ x.T)[None], 0.3)[0], expected)
    assert_close(rbf((1e4 * x @ x.T)[None], 0.3)[0], expected)


def test_intervals_are_those_of_drawing_blocks_one_resample_at_a_time() -> None:
    from harness.numerics.bootstrap import percentile_interval, resample_indices

    each = stacked(hsic(blocks(products(features(160, 3), 16)), None))
    drawn = [Hsic(*(part[index].sum(0) for part in each)).cka for index in resample_indices(10, 50, seed=3)]
    expected = percentile_interval(torch.stack(drawn))
    for found, bound in zip(intervals(each, 50, seed=3), expected, strict=True):
        assert_close(found, bound)
