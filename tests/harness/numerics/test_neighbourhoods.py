"""Shared neighbours against scikit-learn's neighbours and the golden pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.neighbourhoods import nearest_others, shared_neighbours


def pair(seed: int, n: int, d: int) -> tuple[Tensor, Tensor]:
    random = np.random.RandomState(seed)
    x = random.randn(n, d)
    return torch.from_numpy(x), torch.from_numpy(random.randn(n, d) + x)


def test_the_golden_pair() -> None:
    """Both of unit vectors that were not centred, k = 10."""
    shared = shared_neighbours(*pair(1337, 100, 10), 10).double()
    assert float((shared / 10).mean()) == pytest.approx(0.279, abs=1e-12)
    assert float((shared / (20 - shared)).mean()) == pytest.approx(0.17012, abs=5e-6)


@pytest.mark.parametrize("k", [1, 7, 79])
def test_neighbours_equal_scikit_learn(k: int) -> None:
    x, _ = pair(0, 80, 6)
    brute = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(x.numpy())
    np.testing.assert_array_equal(nearest_others(x, k), brute.kneighbors(return_distance=False))


def test_no_image_is_its_own_neighbour_even_among_equals() -> None:
    x = torch.eye(2).repeat_interleave(8, 0)
    found = nearest_others(x, 5)
    for image, near in enumerate(found.tolist()):
        assert near == [i for i in range(image // 8 * 8, image // 8 * 8 + 8) if i != image][:5]


def test_shared_is_the_intersection_of_each_images_neighbours() -> None:
    x, y = pair(1, 60, 4)
    a, b = nearest_others(x, 9).tolist(), nearest_others(y, 9).tolist()
    expected = [len(set(p) & set(q)) for p, q in zip(a, b, strict=True)]
    assert shared_neighbours(x, y, 9).tolist() == expected
    assert len(set(expected)) > 3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(12, 60), st.integers(2, 20))
def test_properties(seed: int, n: int, d: int) -> None:
    x, y = pair(seed, n, d)
    shared = shared_neighbours(x, y, 10)
    assert shared.equal(shared_neighbours(y, x, 10))
    assert shared_neighbours(x, x, 10).eq(10).all()
    assert shared_neighbours(x, 2.0**-10 * x, 10).eq(10).all()
    turned = y @ torch.from_numpy(ortho_group.rvs(d, random_state=seed))
    assert (shared - shared_neighbours(x, turned, 10)).abs().double().mean() < 0.1  # but for ties within rounding
    order = torch.from_numpy(np.random.RandomState(seed).permutation(n))
    assert (shared[order] - shared_neighbours(x[order], y[order], 10)).abs().double().mean() < 0.1


def test_too_few_images_and_constant_features_have_no_neighbours() -> None:
    x, y = pair(0, 10, 5)
    with pytest.raises(UndefinedError, match="10 neighbours need 11 images, there are 10"):
        shared_neighbours(x, y, 10)
    with pytest.raises(UndefinedError, match="all 10 images have the same features"):
        shared_neighbours(x, torch.ones(10, 3), 9)
