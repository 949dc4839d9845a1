"""Dendrograms: SciPy's tree."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import ink, texts
from scipy.cluster import hierarchy

from harness.errors import HarnessError
from harness.plots import dendrogram
from harness.plots.dendrogram import branches

POINTS = np.random.default_rng(0).normal(size=(9, 3))
TREE = hierarchy.linkage(POINTS, "average")
NAMES = [f"model-{i}" for i in range(9)]
PARADIGMS = ["masked", "clustering", "supervised"] * 3


def test_brackets_are_scipys() -> None:
    theirs = hierarchy.dendrogram(TREE, no_plot=True)
    ours = branches(TREE, theirs["leaves"], PARADIGMS)
    expected = {(*d, *((h - 5) / 10 for h in i)) for i, d in zip(theirs["icoord"], theirs["dcoord"], strict=True)}
    found = {(*x, *y) for x, y, _ in ours} | {(*x[::-1], *y[::-1]) for x, y, _ in ours}
    assert len(ours) == 8
    assert expected <= found


def test_a_branch_of_one_group_knows_it() -> None:
    tree = np.array([[0, 1, 1.0, 2], [2, 3, 2.0, 2], [4, 5, 3.0, 4]])
    assert [group for *_, group in branches(tree, [0, 1, 2, 3], ["a", "a", "a", "b"])] == ["a", None, None]


def test_its_rows_are_the_merges() -> None:
    tree = [[0, 2, 1.5, 2], [1, 3, 4.0, 3]]
    assert dendrogram(tree, ["a", "b", "c"], ["x", "x", "y"], "t").rows == [
        {"merge": "#1", "first": "a", "second": "c", "distance": 1.5, "leaves": 2},
        {"merge": "#2", "first": "b", "second": "#1", "distance": 4.0, "leaves": 3},
    ]


def test_leaves_are_named_and_marked() -> None:
    figure = dendrogram(TREE, NAMES, PARADIGMS, "t", subtitle="s", label="cosine distance")
    assert {*NAMES, *PARADIGMS, "t", "s", "cosine distance"} <= set(texts(figure))
    assert len(ink(figure, "#009E73")) > 300


def test_one_model_and_two() -> None:
    assert dendrogram(np.empty((0, 4)), ["one"], ["masked"], "t").rows == []
    assert {"one", "two"} <= set(texts(dendrogram([[0, 1, 0.0, 2]], ["one", "two"], ["masked", "none"], "t")))


def test_sizes_that_do_not_fit() -> None:
    for tree, names, groups in ((TREE, NAMES[1:], PARADIGMS[1:]), (TREE, NAMES, ["a"]), (np.empty((0, 4)), [], [])):
        with pytest.raises(HarnessError, match="do not fit"):
            dendrogram(tree, names, groups, "t")
