from __future__ import annotations

import numpy as np
import pytest

from harness_datasets.stratified import stratified


def test_each_class_gives_its_share() -> None:
    targets = np.random.RandomState(3).permutation(np.repeat([0, 1, 2], [100, 50, 10]))
    train, test = stratified(targets, 0.2)
    assert np.bincount(targets[test]).tolist() == [20, 10, 2]
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(160))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()


def test_the_draw_is_fixed() -> None:
    targets = np.repeat([0, 1], 20)
    before = stratified(targets, 0.3)
    np.random.seed(9)
    for a, b in zip(before, stratified(targets, 0.3), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_two_images_of_a_class_go_to_both_sides(share: float) -> None:
    targets = np.array([0, 0, 1, 1])
    for index in stratified(targets, share):
        assert np.bincount(targets[index]).tolist() == [1, 1]
