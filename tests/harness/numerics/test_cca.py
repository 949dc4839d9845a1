"""Canonical correlations against QR and SVD, SciPy's angles between subspaces, scikit-learn and the golden pair."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from scipy.stats import ortho_group
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.cca import correlate, principal, pwcca, svcca


def canonical_correlations(x: Tensor, y: Tensor) -> Tensor:
    """Those of all directions of both, greatest first."""
    return correlate(principal(x)[0], principal(y)[0])[1]


def golden() -> tuple[Tensor, Tensor]:
    """The pair whose similarities the published implementations were run on."""
    random = np.random.RandomState(1337)
    x = random.randn(100, 10)
    return torch.from_numpy(x), torch.from_numpy(random.randn(100, 10) + x)


def pair(seed: int, n: int, d: int, e: int) -> tuple[Tensor, Tensor]:
    """Features (n, d) and (n, e) of falling variance that have something to do with each other, off centre."""
    random = np.random.RandomState(seed)
    x = random.randn(n, d) / np.arange(1, d + 1)
    y = (x @ random.randn(d, e) + random.randn(n, e)) / np.arange(1, e + 1)
    return torch.from_numpy(x + 3), torch.from_numpy(y - 1)


def centred(x: Tensor) -> np.ndarray:
    return (x - x.mean(0)).numpy()


def oracle(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Canonical variates in x, (N, K), and correlations (K,), through QR."""
    (a, _), (b, _) = np.linalg.qr(centred(x)), np.linalg.qr(centred(y))
    u, s, _ = np.linalg.svd(a.T @ b, full_matrices=False)
    return a @ u, s


def test_the_golden_pair() -> None:
    """The mean is .73101: 99 % of this variance takes all ten components."""
    x, y = golden()
    assert float(canonical_correlations(x, y).mean()) == pytest.approx(0.73101, abs=5e-6)
    assert svcca(x, y) == pytest.approx(0.73101, abs=5e-6)
    assert float(canonical_correlations(x, y).square().mean()) == pytest.approx(0.54540, abs=5e-6)


def test_pwcca_is_as_the_paper_has_it_and_the_released_code_has_not() -> None:
    """google/svcca takes directions in whitened coordinates for directions of the features, and adds the mean."""
    x, y = golden()
    variates, s = oracle(x, y)
    weights = np.abs(variates.T @ centred(x)).sum(1)
    assert pwcca(x, y) == pytest.approx((weights * s).sum() / weights.sum(), rel=1e-10)
    assert pwcca(x, y) == pytest.approx(0.73467, abs=5e-6)
    assert pwcca(y, x) == pytest.approx(0.73684, abs=5e-6)

    def inverse_root(a: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(a)
        return vectors / np.sqrt(values) @ vectors.T

    both = np.cov(x.numpy().T, y.numpy().T)
    u, s, _ = np.linalg.svd(inverse_root(both[:10, :10]) @ both[:10, 10:] @ inverse_root(both[10:, 10:]))
    basis, _ = np.linalg.qr(centred(x) @ u + x.numpy().mean(0))
    weights = np.abs(basis.T @ x.numpy()).sum(1)
    assert (weights * s).sum() / weights.sum() == pytest.approx(0.73698, abs=5e-6)


@pytest.mark.parametrize(("d", "e"), [(6, 6), (4, 9), (20, 11)])
def test_correlations_equal_scipys_angles_and_scikit_learn(d: int, e: int) -> None:
    x, y = pair(0, 120, d, e)
    found = canonical_correlations(x, y).numpy()
    assert found.shape == (min(d, e),)
    np.testing.assert_allclose(found, np.sort(np.cos(subspace_angles(centred(x), centred(y))))[::-1], atol=1e-9)
    np.testing.assert_allclose(found, oracle(x, y)[1], atol=1e-9)
    a, b = CCA(3, max_iter=20000, tol=1e-14).fit_transform(x.numpy(), y.numpy())
    np.testing.assert_allclose(found[:3], [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)], atol=1e-6)


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.99])
def test_svcca_keeps_the_components_that_hold_the_variance(variance: float) -> None:
    x, y = pair(3, 150, 30, 40)
    kept = [PCA(variance, svd_solver="full").fit(z.numpy()) for z in (x, y)]
    assert all(1 <= p.n_components_ < 30 for p in kept)
    parts = [torch.from_numpy(p.transform(z.numpy())) for p, z in zip(kept, (x, y), strict=True)]
    assert svcca(x, y, variance) == pytest.approx(oracle(*parts)[1].mean(), rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(30, 7), (30, 30), (12, 50)])
def test_principal_directions_are_the_singular_vectors(n: int, d: int) -> None:
    x, _ = pair(4, n, d, 3)
    basis, singular = principal(x)
    rank = min(n - 1, d)
    assert basis.shape == (n, rank)
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    np.testing.assert_allclose(singular, s[:rank], rtol=1e-8)
    np.testing.assert_allclose(basis.T @ basis, np.eye(rank), atol=1e-8)
    np.testing.assert_allclose(np.abs((basis.numpy() * u[:, :rank]).sum(0)), 1, atol=1e-8)


def test_repeated_and_dead_features_do_not_count() -> None:
    x, y = pair(5, 60, 8, 8)
    more = torch.cat([x, x[:, :3], torch.zeros(60, 2), torch.full((60, 1), 0.1)], 1)
    assert principal(more)[0].shape == (60, 8)
    torch.testing.assert_close(canonical_correlations(more, y), canonical_correlations(x, y))


def test_directions_within_float32_rounding_do_not_count() -> None:
    basis, _ = np.linalg.qr(centred(torch.from_numpy(np.random.RandomState(0).randn(50, 4))))
    turn = ortho_group.rvs(4, random_state=0)
    for last, rank in ((2e-5, 4), (5e-6, 3)):
        assert principal(torch.from_numpy(basis * [1, 0.5, 0.1, last] @ turn))[0].shape == (50, rank)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 15), st.integers(2, 15))
def test_properties(seed: int, d: int, e: int) -> None:
    (x, y), random = pair(seed, 60, d, e), np.random.RandomState(seed)
    turn = torch.from_numpy(ortho_group.rvs(e, random_state=seed))
    mix, other = (torch.from_numpy(random.uniform(0.2, 5, n)) * ortho_group.rvs(n, random_state=seed) for n in (d, e))
    order = torch.from_numpy(random.permutation(60))
    for measure in (svcca, pwcca, lambda a, b: float(canonical_correlations(a, b).mean())):
        assert measure(x, x) == pytest.approx(1, abs=1e-7)
        assert measure(1e-3 * x, 1e4 * y @ turn + 7) == pytest.approx(measure(x, y), abs=1e-7)
        assert measure(x[order], y[order]) == pytest.approx(measure(x, y), abs=1e-7)
    assert svcca(x, y) == pytest.approx(svcca(y, x), abs=1e-7)
    torch.testing.assert_close(canonical_correlations(x @ mix, y), canonical_correlations(x, y), atol=1e-6, rtol=0)
    assert pwcca(x, y @ other) == pytest.approx(pwcca(x, y), abs=1e-6)


def test_too_few_images_leave_nothing_to_measure() -> None:
    x, y = (torch.from_numpy(z) for z in np.random.RandomState(0).randn(2, 21, 10))
    for measure in (partial(svcca, variance=0.9999), pwcca, canonical_correlations):
        measure(x, y)
        with pytest.raises(UndefinedError, match=r"10 and 10 directions of 20 images: 1 of the canonical correlations"):
            measure(x[:20], y[:20])


@pytest.mark.parametrize("measure", [svcca, pwcca])
def test_constant_features_have_no_similarity(measure: object) -> None:
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    for given_pair in ((x, torch.full((40, 3), 0.1)), (torch.zeros(40, 3), x)):
        with pytest.raises(UndefinedError, match="all 40 images have the same features"):
            measure(*given_pair)  # type: ignore[operator]
