"""Datasets: what a split must be, which images each fold has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.datasets import Dataset, DatasetCard, Split, folds, subset
from harness.errors import HarnessError


class Made(Dataset):
    def __init__(self, made: Split, **card: Any) -> None:
        self.made = made
        facts = {"name": "made", "revision": "1", "classes": ("a", "b", "c"), "splits": {"train": len(made)}}
        self._card = DatasetCard.model_validate(facts | card)

    @property
    def card(self) -> DatasetCard:
        return self._card

    def split(self, name: str) -> Split:
        return self.made


GOOD = Split([np.zeros((4, 4, 3), np.uint8)] * 4, np.array([0, 1, 2, 0]), list("wxyz"))
SETS = replace(GOOD, targets=np.eye(4, 3, dtype=np.int64))


@pytest.mark.parametrize("targets", [np.array([0, 1, 2, 0]), np.array([2, 2, 2, 2], dtype=np.uint8)])
def test_a_good_split_passes(targets: np.ndarray[Any, Any]) -> None:
    made = replace(GOOD, targets=targets)
    assert Made(made).checked("train") is made
    assert Made(SETS, kind="multi-label").checked("train") is SETS
    assert Made(replace(SETS, targets=SETS.targets.astype(bool)), kind="multi-label").checked("train")


@pytest.mark.parametrize(
    ("made", "card", "message"),
    [
        (Split([], np.zeros(0, np.int64), []), {}, "has no images"),
        (replace(GOOD, targets=np.zeros(3, np.int64)), {}, "4 images, 3 targets and 4 ids must agree"),
        (replace(GOOD, ids=list("ab")), {}, "4 images, 4 targets and 2 ids must agree"),
        (GOOD, {"splits": {"train": 5}}, "has 4 images but its card says 5"),
        (GOOD, {"splits": {"test": 4}}, "has 4 images but its card says None"),
        (GOOD, {"kind": "multi-label"}, r"multi-label targets must have shape \(4, 3\), got \(4,\)"),
        (SETS, {}, r"single-label targets must have shape \(4,\), got \(4, 3\)"),
        (replace(GOOD, targets=np.array([0, 1, 3, 0])), {}, "image y has target 3, outside 0..2"),
        (replace(GOOD, targets=np.array([0, -1, 0, 0])), {}, "image x has target -1, outside 0..2"),
        (replace(SETS, targets=SETS.targets * 2), {"kind": "multi-label"}, r"image w has target \[2 0 0\], outside 0"),
        (replace(GOOD, targets=np.array([0.0, 1, 2, 0])), {}, "targets must be integers, got float64"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(made: Split, card: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=f"dataset made, split train: {message}"):
        Made(made, **card).checked("train")


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.zeros((4, 3), np.int64), "targets must be floating-point numbers, got int64"),
        (np.zeros(4), r"continuous targets must have shape \(4, 3\), got \(4,\)"),
        (np.array([[0.0, 1, 2]] * 3 + [[0, np.nan, 1]]), "image z has target .*, not finite"),
    ],
)
def test_continuous_targets_are_checked(targets: np.ndarray[Any, Any], message: str) -> None:
    good = replace(GOOD, targets=np.zeros((4, 3)))
    assert Made(good, kind="continuous").checked("train") is good
    with pytest.raises(HarnessError, match=message):
        Made(replace(GOOD, targets=targets), kind="continuous").checked("train")


def test_a_card_needs_a_class_and_knows_its_source() -> None:
    with pytest.raises(ValidationError):
        DatasetCard(name="x", revision="1", classes=(), splits={})
    card = Made(GOOD).card
    assert (card.source, card.num_classes) == ("made@1", 3)


def test_a_dataset_must_say_its_card_and_splits() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Dataset()  # type: ignore[abstract]


@pytest.mark.parametrize("n", [5, 10, 33, 1000])
def test_a_fifth_is_held_out_by_the_papers_rule(n: int) -> None:
    """Ericsson et al. 2011.13377, released code: shuffle a list with NumPy's seed 0; the first floor(0.2 N) are val."""
    indices = list(range(n))
    state = np.random.get_state()
    np.random.seed(0)
    np.random.shuffle(indices)
    np.random.set_state(state)
    cut = int(np.floor(0.2 * n))
    found = folds({"train": n, "test": 7})
    assert found["val"].index.tolist() == sorted(indices[:cut])
    assert found["train"].index.tolist() == sorted(indices[cut:])
    assert (found["train"].split, found["val"].split, found["test"].split) == ("train", "train", "test")


@given(st.integers(1, 500), st.integers(1, 50), st.none() | st.integers(1, 50))
def test_folds_part_the_images(train: int, test: int, val: int | None) -> None:
    found = folds({"train": train, "test": test} | ({"val": val} if val else {}))
    assert found["test"].index.tolist() == list(range(test))
    if val:
        assert (found["val"].split, found["val"].index.tolist()) == ("val", list(range(val)))
        assert found["train"].index.tolist() == list(range(train))
    else:
        both = np.concatenate([found["train"].index, found["val"].index])
        assert sorted(both.tolist()) == list(range(train))
        assert len(found["val"].index) == train // 5


@pytest.mark.parametrize(("sizes", "message"), [
    ({"train": 3}, r"no test split \(splits: train\)"), ({"test": 3, "val": 1}, "no train split"), ({}, "splits: none"),
])  # fmt: skip
def test_folds_need_train_and_test(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        folds(sizes)


@given(st.integers(1, 300), st.none() | st.integers(2, 400))
def test_a_limit_is_a_fixed_choice_in_order(n: int, limit: int | None) -> None:
    found = subset(n, limit)
    assert len(found) == min(n, limit or n)
    assert found.tolist() == sorted(set(found.tolist()))
    assert found.tolist() == subset(n, limit).tolist()
    assert set(found.tolist()) <= set(range(n))


def test_a_limit_does_not_take_the_first_class_only() -> None:
    targets = np.repeat([0, 1], 500)
    assert set(targets[subset(1000, 20)].tolist()) == {0, 1}
