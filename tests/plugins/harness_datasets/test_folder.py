from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import CorruptImageError, HarnessError
from harness.lookup import find_dataset
from harness.pixels import decode
from harness.plugins import Host
from harness_datasets import revision
from harness_datasets.folder import Folder

Make = Callable[..., Folder]


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 9, 3), grey, np.uint8)).save(path)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Images at the given relative paths, each of its own grey level."""

    def build(*names: str) -> Folder:
        (tmp_path / "images").mkdir(exist_ok=True)
        for grey, name in enumerate(names):
            picture(tmp_path / "images" / name, grey)
        return Folder(str(tmp_path / "images"))

    return build


def classes(*counts: int) -> list[str]:
    return [f"{'abc'[label]}/{i}.png" for label, count in enumerate(counts) for i in range(count)]


def test_class_folders_are_split_by_class(make: Make) -> None:
    data = make(*classes(10, 5))
    assert data.card.splits == {"train": 12, "test": 3}
    assert data.card.classes == ("a", "b")
    assert data.checked("test").targets.tolist() == [0, 0, 1]
    both = [*data.checked("train").ids, *data.checked("test").ids]
    assert sorted(both) == sorted(classes(10, 5))


def test_given_splits_are_kept(make: Make) -> None:
    data = make("train/b/1.png", "train/a/x/2.PNG", "val/a/3.png", "val/b/4.png", "test/a/5.png", "test/b/6.png")
    assert data.card.splits == {"train": 2, "val": 1 + 1, "test": 2}
    split = data.checked("train")
    assert list(split.ids) == ["train/a/x/2.PNG", "train/b/1.png"]
    assert split.targets.tolist() == [0, 1]
    assert [int(decode(image, "")[0, 0, 0]) for image in split.images] == [1, 0]


def test_a_class_may_be_called_train(make: Make) -> None:
    assert make(*(f"{name}/{i}.png" for name in ("bus", "train") for i in range(2))).card.classes == ("bus", "train")


def test_other_and_hidden_files_are_left_out(make: Make, tmp_path: Path) -> None:
    data = make(*classes(2, 2), "a/._0.png", ".thumbnails/9.png")
    (tmp_path / "images" / "a" / "notes.txt").touch()
    (tmp_path / "images" / "empty").mkdir()
    assert sum(data.card.splits.values()) == 4


def test_the_revision_follows_content_not_place_or_time(make: Make, tmp_path: Path) -> None:
    before = make(*classes(3, 3)).card.revision
    (tmp_path / "images").rename(tmp_path / "moved")
    moved = Folder(str(tmp_path / "moved"))
    os.utime(moved.root / "a/0.png", (1, 1))
    assert moved.card.revision == before
    picture(moved.root / "a/0.png", 99)
    assert Folder(str(moved.root)).card.revision != before
    picture(moved.root / "a/0.png", 0)
    assert Folder(str(moved.root)).card.revision == before
    (moved.root / "a/0.png").rename(moved.root / "a/renamed.png")
    assert Folder(str(moved.root)).card.revision != before


def test_files_are_hashed_once(make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(*classes(2, 2)).card.revision
    (memo,) = (cache / "folders").iterdir()
    monkeypatch.setattr(revision, "file_digest", lambda path: pytest.fail("hashed again"))
    assert Folder(str(make().root)).card.revision == first
    monkeypatch.undo()
    memo.write_text("half a ha")
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    assert Folder(str(make().root)).card.revision == first


def test_it_does_without_a_cache_folder(make: Make, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert len(make(*classes(2, 2)).card.revision) == 64


def test_a_uri_finds_it(make: Make) -> None:
    root = make(*classes(2, 2)).root
    assert find_dataset(Host(), f"folder:{root}").card.title == "images"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no class folders with images"),
        (["1.png", "2.png"], "no class folders with images"),
        (["train/1.png", "test/2.png"], "no class folders with images"),
        (classes(4), r"has one class only \(a\)"),
        (["train/a/1.png", "test/a/2.png"], r"has one class only \(a\)"),
        (classes(4, 1), "class 'b' has one image: a split needs two"),
        ([*(f"train/{c}" for c in classes(1, 1)), "test/a/1.png"], "class 'b' is in only one of train and test"),
        ([*(f"train/{c}" for c in classes(1, 1)), *(f"val/{c}" for c in classes(1, 1, 1))], "class 'c' is in only"),
    ],
)
def test_a_folder_that_is_no_dataset(make: Make, names: list[str], message: str) -> None:
    with pytest.raises(HarnessError, match=f"folder .*images: {message}"):
        make(*names).card  # noqa: B018 - reading it is the test


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no folder .*absent"):
        Folder(str(tmp_path / "absent"))


def test_a_file_that_is_gone_is_the_runs_to_report(make: Make) -> None:
    data = make(*classes(2, 2))
    whole = Folder(str(data.root)).card.revision
    (data.root / "a" / "gone.png").symlink_to("nowhere.png")
    with_gone = Folder(str(data.root))
    assert with_gone.card.revision != whole
    paths = [path for name in with_gone.card.splits for path in with_gone.split(name).images]
    gone = next(path for path in paths if path.name == "gone.png")
    with pytest.raises(CorruptImageError, match="No such file"):
        decode(gone, "gone")
