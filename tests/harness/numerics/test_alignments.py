"""Procrustes and RSA against SciPy, rsatoolbox and the golden pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipy_procrustes
from scipy.stats import ortho_group, spearmanr
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics import alignments
from harness.numerics.alignments import compact, procrustes, rsa

MEASURES = (procrustes, rsa)


def golden() -> tuple[Tensor, Tensor]:
    """The pair whose similarities the published implementations were run on."""
    random = np.random.RandomState(1337)
    x = random.randn(100, 10)
    return torch.from_numpy(x), torch.from_numpy(random.randn(100, 10) + x)


def pair(seed: int, n: int, d: int, e: int) -> tuple[Tensor, Tensor]:
    """Features (n, d) and (n, e) that have something to do with each other, off centre."""
    random = np.random.RandomState(seed)
    x = random.randn(n, d) * random.uniform(0.5, 2, d)
    return torch.from_numpy(x + 3), torch.from_numpy(x @ random.randn(d, e) + random.randn(n, e) - 1)


def centred_units(x: Tensor) -> np.ndarray:
    a = (x - x.mean(0)).numpy()
    return a / np.linalg.norm(a)


def test_the_golden_pair() -> None:
    """.72628 is the distance, .74328 the angle; RSA's is of raw rows and of each pair once."""
    x, y = golden()
    nuclear = procrustes(x, y)
    assert math.sqrt(2 - 2 * nuclear) == pytest.approx(0.72628, abs=5e-6)
    assert math.acos(nuclear) == pytest.approx(0.74328, abs=5e-6)
    assert rsa(x, y) == pytest.approx(0.47244, abs=5e-6)


@pytest.mark.parametrize(("d", "e"), [(12, 12), (5, 9), (80, 33)])
def test_procrustes_equals_scipy(d: int, e: int) -> None:
    x, y = pair(0, 40, d, e)
    a, b = (np.pad(centred_units(z), ((0, 0), (0, max(d, e) - z.shape[1]))) for z in (x, y))
    rotation, scale = orthogonal_procrustes(a, b)
    assert procrustes(x, y) == pytest.approx(scale, rel=1e-10)
    assert procrustes(x, y) == pytest.approx(1 - ((a @ rotation - b) ** 2).sum() / 2, rel=1e-10)
    assert procrustes(x, y) ** 2 == pytest.approx(1 - scipy_procrustes(a, b)[2], rel=1e-10)


def test_compact_keeps_inner_products() -> None:
    x = torch.from_numpy(np.random.RandomState(0).randn(6, 50))
    assert compact(x).shape == (6, 6)
    torch.testing.assert_close(compact(x) @ compact(x).T, x @ x.T)
    assert compact(x.T).shape == (50, 6)


def test_rsa_equals_rsatoolbox() -> None:
    x, y = pair(1, 50, 20, 30)
    rdms = [calc_rdm(Dataset(z.numpy()), method="correlation") for z in (x, y)]
    assert rsa(x, y) == pytest.approx(compare(*rdms, method="spearman").item(), abs=1e-10)


def test_rsa_of_many_images_is_of_one_choice_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pair(2, 300, 10, 10)
    whole = rsa(x, y)
    monkeypatch.setattr(alignments, "RSA_IMAGES", 150)
    some = rsa(x, y)
    assert some == rsa(x, y)
    assert some != whole
    assert some == pytest.approx(whole, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(8, 40), st.integers(3, 30), st.integers(3, 30))
def test_properties(seed: int, n: int, d: int, e: int) -> None:
    x, y = pair(seed, n, d, e)
    for measure in MEASURES:
        assert measure(x, x) == pytest.approx(1, abs=1e-9)
        assert measure(x, y) == pytest.approx(measure(y, x), abs=1e-9)
        assert measure(1e-3 * x, 1e4 * y) == pytest.approx(measure(x, y), abs=1e-9)
        order = torch.from_numpy(np.random.RandomState(seed).permutation(n))
        assert measure(x[order], y[order]) == pytest.approx(measure(x, y), abs=1e-9)
    turned = x @ torch.from_numpy(ortho_group.rvs(d, random_state=seed)) + 5
    assert procrustes(turned, y) == pytest.approx(procrustes(x, y), abs=1e-9)
    assert procrustes(turned, x) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("value", [0.0, 0.1, -3e4])
def test_constant_features_have_no_similarity(measure: object, value: float) -> None:
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    same = torch.full((20, 6), value) * (1 + 1e-7 * x.sign())  # as far apart as rounding puts them
    for given_pair in ((x, same), (same, x)):
        with pytest.raises(UndefinedError, match="all 20 images have the same features"):
            measure(*given_pair)  # type: ignore[operator]


def test_equal_distances_are_tied() -> None:
    """Repeated images are 0 apart, not some rounding error: as if each distance had been computed once."""
    x, y = pair(7, 30, 6, 5)
    twice = torch.arange(30).repeat(2)
    pairs = np.array([(i, j) for i in range(60) for j in range(i + 1, 60)]) % 30
    single = [1 - np.corrcoef(z.numpy()) for z in (x, y)]
    for z in single:
        np.fill_diagonal(z, 0)
        z[:] = np.tril(z) + np.tril(z).T
    ranks = [z[pairs[:, 0], pairs[:, 1]] for z in single]
    assert rsa(x[twice], y[twice]) == pytest.approx(spearmanr(*ranks).statistic, abs=1e-12)


def test_an_image_of_equal_features_has_no_correlation() -> None:
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UndefinedError, match="1 of 20 images have features that are all equal"):
        rsa(x, x.index_fill(0, torch.tensor([3]), 0.1))
    with pytest.raises(UndefinedError, match="equally far apart"):
        rsa(x, torch.eye(20))
