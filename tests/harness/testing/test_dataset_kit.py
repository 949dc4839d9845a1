"""Each planted fault fails its own check, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.datasets import Dataset, DatasetCard, Split
from harness.testing import check_dataset

SIZES = {"train": 300, "test": 120}


class Stripes(Dataset):
    """Random images; the faults are planted by subclasses."""

    card = DatasetCard(
        name="stripes",
        revision="1",
        title="Stripes",
        classes=("a", "b", "c"),
        splits=SIZES,
        domain="synthetic",
        licence="CC0-1.0",
    )

    def split(self, name: str) -> Split:
        random = np.random.RandomState(len(name))
        n = SIZES[name]
        images = list(random.randint(0, 256, (n, 8, 8, 3), dtype=np.uint8))
        return Split(images, np.arange(n, dtype=np.int64) % 3, [f"{name}-{i}" for i in range(n)])


def changed(**changes: Any) -> Dataset:
    """Stripes with a test split that differs in these fields."""

    class Changed(Stripes):
        def split(self, name: str) -> Split:
            split = super().split(name)
            if name != "test":
                return split
            return replace(split, **{k: v(split) if callable(v) else v for k, v in changes.items()})

    return Changed()


def with_card(**changes: Any) -> Dataset:
    class Carded(Stripes):
        card = Stripes.card.model_copy(update=changes)

    return Carded()


def the_fault(dataset: Dataset, check: str) -> str:
    found = {f.check: f.message for f in check_dataset(dataset) if f.status == "failed"}
    assert list(found) == [check], found
    return found[check]


def test_a_sound_dataset_passes_every_check() -> None:
    assert {f.status for f in check_dataset(Stripes())} == {"passed"}


def test_splits_that_share_ids() -> None:
    overlapping = changed(ids=[f"train-{i}" for i in range(120)])
    assert "train-0 is in split train and again in test" in the_fault(overlapping, "ids unique")


def test_splits_that_share_pixels() -> None:
    taken = Stripes().split("train").images[:10]
    overlapping = changed(images=lambda split: [*taken, *split.images[10:]])
    message = the_fault(overlapping, "no image in two splits")
    assert "10 of 120 images of test have the pixels of one in train (such as test-0)" in message


def test_one_duplicate_in_a_hundred_is_a_warning() -> None:
    taken = Stripes().split("train").images[:1]
    findings = check_dataset(changed(images=lambda split: [*taken, *split.images[1:]]))
    assert [f.check for f in findings if f.status == "warned"] == ["no image in two splits"]


def test_labels_out_of_range() -> None:
    too_high = changed(targets=lambda split: np.where(np.arange(len(split)) == 7, 3, split.targets))
    below = changed(targets=lambda split: split.targets - 1)
    assert "image test-7 has target 3, outside 0..2" in the_fault(too_high, "targets in range")
    assert "outside 0..2" in the_fault(below, "targets in range")


def test_float_targets() -> None:
    assert "expected int64" in the_fault(changed(targets=lambda split: split.targets.astype(float)), "targets in range")


def test_sizes_that_disagree() -> None:
    assert "119 targets" in the_fault(changed(targets=lambda split: split.targets[1:]), "splits load")
    assert "the card says 121" in the_fault(with_card(splits={"train": 300, "test": 121}), "splits load")
    assert "'boxes' has 3 rows" in the_fault(changed(fields={"boxes": [0, 1, 2]}), "splits load")


def test_images_that_cannot_be_read() -> None:
    broken = changed(images=[b"not a picture"] * 120)
    assert "image test-" in the_fault(broken, "images decode")
    assert "is a list" in the_fault(changed(images=[[0, 1]] * 120), "images decode")


def test_images_that_change_from_one_reading_to_the_next() -> None:
    random = np.random.RandomState(0)
    drawn = changed(images=lambda split: list(random.randint(0, 256, (120, 8, 8, 3), dtype=np.uint8)))
    assert "other pixels at the second reading" in the_fault(drawn, "same at every reading")


def test_incomplete_cards() -> None:
    assert "lacks title" in the_fault(with_card(title=""), "card complete")
    assert "'a' is listed more than once" in the_fault(with_card(classes=("a", "b", "a")), "card complete")
    assert {f.status for f in check_dataset(with_card(licence=""))} == {"passed", "warned"}


def test_a_class_without_training_images_is_a_warning() -> None:
    findings = check_dataset(with_card(classes=("a", "b", "c", "d")))
    assert [f.message for f in findings if f.status == "warned"] == ["no training image of 'd' (1 classes in all)"]
