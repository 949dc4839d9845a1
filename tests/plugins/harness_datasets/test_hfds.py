from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.errors import CorruptImageError, HarnessError
from harness.pixels import decode
from harness_datasets.hfds import HuggingFace

hf = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
hf.disable_progress_bars()
NAMES = ("ant", "bee", "cat")
Save = Callable[..., HuggingFace]


def png(grey: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 7), grey, np.uint8)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": f"{grey}.png"}


def rows(labels: list[Any], feature: Any = None, start: int = 0, image: Any = None) -> Any:
    """A split of images with grey levels `start` and up."""
    feature = hf.ClassLabel(names=list(NAMES)) if feature is None else feature
    columns = {"image": [png(start + i) for i in range(len(labels))], "label": labels}
    return hf.Dataset.from_dict(columns, features=hf.Features({"image": image or hf.Image(), "label": feature}))


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """A saved folder of the given splits, opened with the given options."""

    def build(splits: dict[str, Any] | None = None, **options: str) -> HuggingFace:
        splits = splits or {"train": rows([2, 0, 1]), "test": rows([1, 0], start=10)}
        shutil.rmtree(tmp_path / "saved", ignore_errors=True)
        hf.DatasetDict(splits).save_to_disk(tmp_path / "saved")
        return HuggingFace(str(tmp_path / "saved"), **options)

    return build


def greys(images: Any) -> list[int]:
    return [int(decode(images[i], "")[0, 0, 0]) for i in range(len(images))]


def test_images_and_class_labels(save: Save) -> None:
    data = save()
    assert (data.card.classes, data.card.splits, data.card.target) == (NAMES, {"train": 3, "test": 2}, "label")
    split = data.checked("test")
    assert (greys(split.images), split.targets.tolist(), list(split.ids)) == ([10, 11], [1, 0], ["test/0", "test/1"])
    assert isinstance(split.images[0], bytes)


def test_images_saved_as_files_are_within(save: Save, tmp_path: Path) -> None:
    (tmp_path / "7.png").write_bytes(png(7)["bytes"])
    features = hf.Features({"image": hf.Image(), "label": hf.ClassLabel(names=list(NAMES))})
    train = hf.Dataset.from_dict({"image": [str(tmp_path / "7.png")], "label": [0]}, features=features)
    data = save({"train": train, "test": rows([0, 1, 2])})
    (tmp_path / "7.png").unlink()
    assert greys(data.checked("train").images) == [7]


def test_binary_images_and_other_names(save: Save) -> None:
    train = hf.Dataset.from_dict(
        {"img": [png(3)["bytes"], png(4)["bytes"]], "fine": [0, 1]},
        features=hf.Features({"img": hf.Value("binary"), "fine": hf.Value("uint8")}),
    )
    data = save({"a": train, "b": train, "c": train}, image="img", label="fine", train="a", test="b", val="c")
    assert data.card.splits == {"train": 2, "val": 2, "test": 2}
    assert greys(data.checked("val").images) == [3, 4]
    assert list(data.split("val").ids) == ["c/0", "c/1"]


@pytest.mark.parametrize(
    ("feature", "train", "test", "classes", "targets"),
    [
        ("int64", [0, 3], [1, 0], ("0", "1", "2", "3"), [0, 3]),
        ("bool", [True, False], [True, False], ("0", "1"), [1, 0]),
        ("string", ["dog", "ant"], ["bee", "ant"], ("ant", "bee", "dog"), [2, 0]),
        ("large_string", ["dog", "ant"], ["dog", "ant"], ("ant", "dog"), [1, 0]),
    ],
)
def test_other_labels(
    save: Save, feature: str, train: list[Any], test: list[Any], classes: tuple[str, ...], targets: list[int]
) -> None:
    data = save({"train": rows(train, hf.Value(feature)), "test": rows(test, hf.Value(feature))})
    assert data.card.classes == classes
    assert data.checked("train").targets.tolist() == targets
    data.checked("test")


def test_a_list_of_class_labels_is_multi_label(save: Save) -> None:
    feature = hf.Sequence(hf.ClassLabel(names=list(NAMES)))
    data = save({"train": rows([[0, 2], []], feature), "test": rows([[1], [0]], feature)})
    assert (data.card.kind, data.card.primary_metric) == ("multi-label", "map")
    assert data.checked("train").targets.tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("names", "options", "val"),
    [
        (("train", "test"), {}, None),
        (("train", "test", "validation"), {}, "validation"),
        (("train", "test", "valid"), {}, "valid"),
        (("train", "validation"), {"test": "validation"}, None),
        (("train", "test", "extra"), {"val": "extra"}, "extra"),
    ],
)
def test_which_split_is_val(save: Save, names: tuple[str, ...], options: dict[str, str], val: str | None) -> None:
    data = save({name: rows([0, 1], start=10 * i) for i, name in enumerate(names)}, **options)
    assert ("val" in data.card.splits) == (val is not None)
    if val:
        assert greys(data.checked("val").images)[0] == 10 * names.index(val)


def test_the_revision_follows_content_not_place_or_label_column(save: Save, tmp_path: Path) -> None:
    before = save().card.revision
    assert save().card.revision == before
    (tmp_path / "saved").rename(tmp_path / "moved")
    assert HuggingFace(str(tmp_path / "moved")).card.revision == before
    assert save({"train": rows([2, 0, 0]), "test": rows([1, 0], start=10)}).card.revision != before
    assert save({"train": rows([2, 0, 1]), "test": rows([1, 0], start=11)}).card.revision != before
    assert save(train="test", test="train").card.revision != before


def test_a_repository_is_saved_by_prepare_and_read_offline(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    asked = []

    def load_dataset(repo: str, name: str | None = None) -> Any:
        asked.append((repo, name))
        return hf.DatasetDict(train=rows([0, 1]), test=rows([1, 2]))

    monkeypatch.setattr(hf, "load_dataset", load_dataset)
    data = HuggingFace("owner/insects", config="small")
    with pytest.raises(HarnessError, match=r"on this machine: run: harness data prepare 'hfds:owner/insects\?c"):
        data.card  # noqa: B018 - reading it is the test
    assert not asked
    data.prepare()
    assert data.card.title == "owner/insects"
    assert greys(data.checked("train").images) == [0, 1]
    data.prepare()
    assert asked == [("owner/insects", "small")]
    assert os.listdir(tmp_path / "data" / "hfds") == ["owner--insects--small"]


def test_a_download_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)

    class Half:
        def save_to_disk(self, path: str) -> None:
            (Path(path) / "train").mkdir(parents=True)
            raise OSError("No space left on device")

    monkeypatch.setattr(hf, "load_dataset", lambda *args, **options: Half())
    data = HuggingFace("owner/insects")
    with pytest.raises(HarnessError, match=r"hfds:owner/insects: cannot be downloaded: OSError: No space left"):
        data.prepare()
    assert os.listdir(tmp_path / "data" / "hfds") == []


def test_an_image_that_is_not_there_is_unreadable(save: Save) -> None:
    features = hf.Features({"image": hf.Image(), "label": hf.ClassLabel(names=list(NAMES))})
    train = hf.Dataset.from_dict({"image": [None, png(4)], "label": [0, 1]}, features=features)
    images = save({"train": train, "test": rows([0, 1])}).checked("train").images
    with pytest.raises(CorruptImageError, match="image x: is empty"):
        decode(images[0], "x")
    assert greys([images[1]]) == [4]


text, floats = hf.Value("string"), hf.Value("float32")


@pytest.mark.parametrize(
    ("splits", "options", "message"),
    [
        ({"train": [0, 1]}, {}, r"has no split 'test' for test \(has: train\)"),
        ({"train": [0, 1], "test": [0, 1]}, {"val": "dev"}, r"has no split 'dev' for val \(has: train, test\)"),
        ({"train": [0, 1], "test": [0, 1]}, {"label": "fine"}, r"split train: has no column 'fine' \(has: image"),
        ({"train": [0, 1], "test": [0, 1]}, {"image": "img"}, r"has no column 'img'"),
        ({"train": [0, 1], "test": [0, 1]}, {"image": "label"}, r"column 'label' holds ClassLabel.*, not images"),
        ({"train": [0, 1], "test": [0, 1]}, {"label": "image"}, r"column 'image': holds Image.*; labels are"),
        ({"train": [0, None], "test": [0, 1]}, {}, r"column 'label', split train: row 1 has no label"),
        ({"train": [0, 1], "test": [0, -1]}, {}, r"split test: image test/1 has target -1, outside 0\.\.2"),
    ],
)
def test_what_does_not_fit_is_named(
    save: Save, splits: dict[str, list[Any]], options: dict[str, str], message: str
) -> None:
    data = save({name: rows(labels) for name, labels in splits.items()}, **options)
    with pytest.raises(HarnessError, match=message) as caught:
        [data.checked(name) for name in data.card.splits]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("feature", "labels", "message"),
    [
        (floats, [0.5, 1.0], r"holds Value\('float32'\); labels are"),
        (text, ["a", "a"], "has 1 classes, needs two"),
        (hf.Sequence(hf.Value("int64")), [[0], [1]], "labels are ClassLabel"),
        (hf.Sequence(hf.ClassLabel(names=["a", "b"])), [[0], [-1]], r"row 1 has label -1, outside 0\.\.1"),
    ],
)
def test_labels_of_another_kind(save: Save, feature: Any, labels: list[Any], message: str) -> None:
    data = save({"train": rows(labels, feature), "test": rows(labels, feature)})
    with pytest.raises(HarnessError, match=message):
        data.card  # noqa: B018 - reading it is the test


def damage_truncated(root: Path) -> None:
    (file,) = (root / "train").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:100])


def damage_gone(root: Path) -> None:
    next((root / "train").glob("*.arrow")).unlink()


def damage_json(root: Path) -> None:
    (root / "dataset_dict.json").write_text("{")


def damage_other(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


@pytest.mark.parametrize("damage", [damage_truncated, damage_gone, damage_json, damage_other])
def test_a_damaged_folder(save: Save, damage: Callable[[Path], None]) -> None:
    data = save()
    damage(data.root)
    with pytest.raises(HarnessError, match=r"saved: no dataset that save_to_disk wrote, or damaged") as caught:
        HuggingFace(str(data.root)).card  # noqa: B018 - reading it is the test
    assert "\n" not in str(caught.value)


def test_a_dataset_without_splits(tmp_path: Path) -> None:
    rows([0, 1]).save_to_disk(tmp_path / "one")
    with pytest.raises(HarnessError, match="is a dataset without splits"):
        HuggingFace(str(tmp_path / "one")).card  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("source", ["../up", "a/b/c", ".", "", "s3://bucket/x", "/absent"])
def test_no_name_of_a_repository_leads_elsewhere(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if source in (".", ""):  # the current folder is one, and holds no dataset
        with pytest.raises(HarnessError, match="no dataset that save_to_disk wrote"):
            HuggingFace(source).card  # noqa: B018 - reading it is the test
        return
    with pytest.raises(HarnessError, match="is neither a folder nor a repository"):
        HuggingFace(source)


def test_without_the_library(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    data = save()
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(HarnessError, match=r"install 'ssl-harness\[datasets\]'"):
        data.card  # noqa: B018 - reading it is the test


def test_offline_nothing_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    monkeypatch.setattr(hf, "load_dataset", lambda *args, **options: pytest.fail("it was asked for"))
    with pytest.raises(HarnessError, match=r"OFFLINE is set: fetch hfds:owner/insects elsewhere .*owner--insects"):
        HuggingFace("owner/insects").prepare()


def test_of_two_that_prepare_at_once_the_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    data = HuggingFace("owner/insects")

    def load_dataset(*args: Any, **options: Any) -> Any:
        hf.DatasetDict(train=rows([0, 1]), test=rows([1, 2])).save_to_disk(data.root)  # by the other one
        return hf.DatasetDict(train=rows([2, 2]), test=rows([2, 2]))

    monkeypatch.setattr(hf, "load_dataset", load_dataset)
    data.prepare()
    assert data.checked("train").targets.tolist() == [0, 1]
    assert os.listdir(tmp_path / "hfds") == ["owner--insects"]
