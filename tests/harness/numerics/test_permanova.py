"""Permutational analysis of variance, against closed forms and plain enumeration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from harness.numerics.permanova import permanova


def pseudo_f(x: np.ndarray, groups: Sequence[str]) -> float:
    """Of points (N, D), by the groups' centroids."""
    groups = np.array(list(groups))
    names = np.unique(groups)
    within = sum(np.square(x[groups == g] - x[groups == g].mean(0)).sum() for g in names)
    between = np.square(x - x.mean(0)).sum() - within
    return (between / (len(names) - 1)) / (within / (len(x) - len(names)))


def test_in_one_dimension_f_is_fishers() -> None:
    x, groups = np.random.default_rng(0).normal(size=(12, 1)), list("aaaabbbbbccc")
    found = permanova(cdist(x, x), groups)
    parts = [x[np.array(groups) == g, 0] for g in "abc"]
    assert found.f == pytest.approx(stats.f_oneway(*parts).statistic)
    assert found.r2 == pytest.approx(1 - sum(((p - p.mean()) ** 2).sum() for p in parts) / ((x - x.mean()) ** 2).sum())


@pytest.mark.parametrize("groups", ["aaabbb", "abbccc", "aabbcc", "abbbbb"])
def test_f_and_p_are_those_of_all_orders(groups: str) -> None:
    x = np.random.default_rng(3).normal(size=(6, 4))
    x[:2] += 1
    found = permanova(cdist(x, x), groups)
    every = np.array([pseudo_f(x, order) for order in permutations(groups)])
    assert found.f == pytest.approx(pseudo_f(x, groups))
    assert found.p == pytest.approx((every >= pseudo_f(x, groups) - 1e-9).mean())
    assert found.exact
    assert found.permutations == math.factorial(6) // math.prod(math.factorial(groups.count(g)) for g in set(groups))


def test_two_groups_far_apart_have_the_least_p_there_is() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0], [100.0], [101.0], [102.0], [103.0]])
    found = permanova(cdist(x, x), "aaaabbbb")
    assert (found.p, found.permutations) == (2 / 70, 70)  # the groups, and the groups exchanged
    assert permanova(cdist(x, x), "babababa").p > 0.5


def test_random_labellings_are_close_to_all() -> None:
    x = np.random.default_rng(1).normal(size=(14, 5))
    x[:7] += 0.4
    exact, random = (permanova(cdist(x, x), "aaaaaaabbbbbbb", permutations=m) for m in (9999, 2000))
    assert (exact.exact, exact.permutations, random.exact, random.permutations) == (True, 3432, False, 2000)
    assert random.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p * (1 - exact.p) / 2000))
    assert random == permanova(cdist(x, x), "aaaaaaabbbbbbb", permutations=2000)


def test_without_an_effect_p_is_uniform() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(300, 10, 3))
    found = [permanova(cdist(x, x), "aaaabbbccc", permutations=199).p for x in points]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_groups_without_spread_have_an_infinite_f() -> None:
    x = np.array([[0.1, 0.0], [0.1, 0.0], [0.7, 0.3], [0.7, 0.3]])
    found = permanova(cdist(x, x), "aabb")
    assert found.f == math.inf
    assert (found.r2, found.p) == (pytest.approx(1.0), pytest.approx(2 / 6))


@pytest.mark.parametrize(
    ("distances", "groups", "said"),
    [
        (np.ones((3, 3)), "ab", r"must be \(2, 2\)"),
        (1 - np.eye(3), "aaa", "3 points in 1 groups"),
        (1 - np.eye(3), "abc", "3 points in 3 groups"),
        (np.zeros((3, 3)), "aab", "coincide"),
    ],
)
def test_what_cannot_be_tested_is_refused(distances: np.ndarray, groups: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        permanova(distances, groups)
