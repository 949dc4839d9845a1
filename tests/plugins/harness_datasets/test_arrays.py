from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError
from harness_datasets.arrays import Arrays

rng = np.random.RandomState(0)


def valid(**changes: Any) -> dict[str, Any]:
    """Arrays of a small dataset; a change to None leaves one out."""
    arrays = {
        "x_train": rng.randint(0, 256, (6, 4, 5, 3), np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
        "x_test": rng.randint(0, 256, (3, 4, 5, 3), np.uint8),
        "y_test": np.array([2, 1, 0]),
        **changes,
    }
    return {name: value for name, value in arrays.items() if value is not None}


def saved(path: Path, arrays: dict[str, Any], save: Any = np.savez) -> Arrays:
    save(path / "set.npz", **arrays)
    return Arrays(str(path / "set.npz"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(6, 4, 5, 3), (6, 4, 5), (6, 4, 5, 1)])
def test_images_and_targets_are_those_of_the_file(tmp_path: Path, save: Any, shape: tuple[int, ...]) -> None:
    arrays = valid(x_train=rng.randint(0, 256, shape, np.uint8))
    data = saved(tmp_path, arrays, save)
    split = data.checked("train")
    assert np.array_equal(split.images, arrays["x_train"].reshape(shape[:3] if shape[3:] == (1,) else shape))
    assert split.targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert split.targets.dtype == np.int64
    assert data.card.splits == {"train": 6, "test": 3}
    assert (data.card.classes, data.card.kind) == (("0", "1", "2"), "single-label")


@pytest.mark.parametrize("shape", [(), (2,)])
def test_floats_are_continuous_targets(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = {f"y_{name}": rng.randn(n, *shape).astype(np.float32) for name, n in (("train", 6), ("test", 3))}
    data = saved(tmp_path, valid(**values))
    assert (data.card.kind, data.card.primary_metric) == ("continuous", "r2")
    assert data.card.classes == (("y0", "y1") if shape else ("y0",))
    assert np.array_equal(data.checked("test").targets, values["y_test"].reshape(3, -1))


def test_uncompressed_images_stay_on_disk(tmp_path: Path) -> None:
    images = saved(tmp_path, valid()).split("train").images
    assert isinstance(images, np.memmap) or isinstance(getattr(images, "base", None), np.memmap)


def test_fortran_order_is_kept(tmp_path: Path) -> None:
    arrays = valid(x_test=np.asfortranarray(rng.randint(0, 256, (3, 4, 5, 3), np.uint8)))
    assert np.array_equal(saved(tmp_path, arrays).split("test").images, arrays["x_test"])


def test_an_official_validation_split_and_class_names(tmp_path: Path) -> None:
    names = np.array(["ant", "bee", "cat", "dog"])
    card = saved(tmp_path, valid(x_val=np.zeros((2, 4, 5), np.uint8), y_val=np.array([0, 3]), classes=names)).card
    assert list(card.splits) == ["train", "val", "test"]
    assert card.classes == ("ant", "bee", "cat", "dog")


def test_rows_of_zeros_and_ones_are_multi_label(tmp_path: Path) -> None:
    arrays = valid(y_train=np.eye(6, 4, dtype=bool), y_test=np.ones((3, 4), np.uint8))
    data = saved(tmp_path, arrays)
    assert (data.card.kind, data.card.primary_metric, data.card.num_classes) == ("multi-label", "map", 4)
    assert np.array_equal(data.checked("train").targets, np.eye(6, 4))


def test_the_revision_follows_content_not_place(tmp_path: Path) -> None:
    arrays = valid()
    before = saved(tmp_path, arrays).card.revision
    moved = (tmp_path / "set.npz").rename(tmp_path / "moved.npz")
    assert Arrays(str(moved)).card.revision == before
    arrays["y_test"] = arrays["y_test"][::-1]
    assert saved(tmp_path, arrays).card.revision != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "has no array 'y_test': expected x_train"),
        ({"x_train": None}, "has no array 'x_train'"),
        ({"x_val": np.zeros((2, 4, 5), np.uint8)}, "has no array 'y_val'"),
        ({"x_train": np.zeros((6, 4, 5, 3))}, r"x_train must be uint8 .*not float64 \(6, 4, 5, 3\)"),
        ({"x_train": np.zeros((6, 3, 4, 5), np.uint8)}, r"x_train must be uint8 .*\(6, 3, 4, 5\)"),
        ({"x_train": np.zeros((6, 9), np.uint8)}, r"x_train must be uint8 .*\(6, 9\)"),
        ({"y_train": np.zeros(6)}, r"y_test is int64 \(3,\), y_train is float64 \(6,\): they must agree"),
        ({"y_train": np.array(list("abcabc"))}, r"y_train must be integers"),
        ({"y_train": np.zeros((6, 1, 1), int)}, r"y_train must be integers"),
        ({"y_train": np.eye(6, 3, dtype=int)}, r"y_test is int64 \(3,\), y_train is int64 \(6, 3\): they must agree"),
        ({"y_train": np.array([{}] * 6)}, r"'y_train' cannot be read \(a pickle is refused\)"),
        ({"x_test": np.array([None] * 3)}, r"'x_test' cannot be read \(a pickle is refused\)"),
        ({"classes": np.array([1, 2, 3])}, r"classes must be strings \(C,\), not int64"),
        ({"classes": np.array(["a", "b"])}, "has target 2, outside 0..1"),
        ({"y_train": np.array([0, 1, -2, 0, 1, 2])}, "has target -2, outside 0..2"),
        ({"y_train": np.array([0, 1, 2])}, "6 images, 3 targets"),
        ({"y_train": np.zeros(6, int), "y_test": np.zeros(3, int)}, "has one class only"),
        ({"x_test": np.zeros((0, 4, 5), np.uint8), "y_test": np.zeros(0, int)}, "split test: has no images"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    data = saved(tmp_path, valid(**changes))
    with pytest.raises(HarnessError, match=message) as caught:
        [data.checked(name) for name in data.card.splits]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["truncated", "other"])
def test_a_damaged_file(tmp_path: Path, damage: str) -> None:
    path = saved(tmp_path, valid()).path
    path.write_bytes(path.read_bytes()[:300] if damage == "truncated" else b"not a zip file")
    with pytest.raises(HarnessError, match=r"set\.npz: truncated, or no \.npz file"):
        Arrays(str(path)).card  # noqa: B018 - reading it is the test


def test_a_damaged_compressed_array(tmp_path: Path) -> None:
    path = saved(tmp_path, valid(), np.savez_compressed).path
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("x_test.npy")
    start = member.header_offset + 30 + len(member.filename)
    whole[start : start + member.compress_size] = b"\xff" * member.compress_size
    path.write_bytes(whole)
    with pytest.raises(HarnessError, match=r"set\.npz: array 'x_test' cannot be read: "):
        Arrays(str(path)).checked("test")


def test_a_missing_file() -> None:
    with pytest.raises(HarnessError, match=r"no file absent\.npz"):
        Arrays("absent.npz")


def test_real_cifar10() -> None:
    folder = os.environ.get("HARNESS_REAL")
    if not folder or not Path(folder, "cifar10.npz").is_file():
        pytest.skip("real data not present: cifar10.npz in the folder HARNESS_REAL")
    data = Arrays(str(Path(folder, "cifar10.npz")))
    assert data.card.splits == {"train": 50_000, "test": 10_000}
    assert np.bincount(data.checked("test").targets).tolist() == [1000] * 10
    assert data.split("test").images[9_999].shape == (32, 32, 3)
