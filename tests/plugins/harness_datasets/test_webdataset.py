from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.errors import CorruptImageError, HarnessError
from harness.lookup import find_dataset
from harness.pixels import decode
from harness.plugins import Host
from harness_datasets import revision
from harness_datasets.webdataset import WebDataset

Members = list[tuple[str, bytes]]


def encoded(grey: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 7, 3), grey, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def members(*labels: Any, start: int = 0, ending: str = "cls") -> Members:
    """Samples 000, 001... of grey levels `start` and up."""
    pairs = [
        ((f"{i:03d}.png", encoded(start + i)), (f"{i:03d}.{ending}", str(label).encode()))
        for i, label in enumerate(labels)
    ]
    return [member for pair in pairs for member in pair]


def tar(path: Path, content: Members, mode: Any = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A good folder: two train shards, one test shard."""
    folder = tmp_path / "shards"
    tar(folder / "train-000000.tar", members(0, 1, start=0))
    tar(folder / "train-000001.tar", members(2, start=10))
    tar(folder / "test-000000.tar", members(1, 0, start=20))
    return folder


def greys(images: Any) -> list[int]:
    return [int(decode(images[i], "")[0, 0, 0]) for i in range(len(images))]


def opened(root: Path, **options: Any) -> WebDataset:
    data = WebDataset(str(root), **options)
    for name in data.card.splits:
        data.checked(name)
    return data


def test_images_and_labels_of_all_shards(root: Path) -> None:
    data = opened(root)
    assert (data.card.classes, data.card.splits) == (("0", "1", "2"), {"train": 3, "test": 2})
    split = data.checked("train")
    assert (greys(split.images), split.targets.tolist()) == ([0, 1, 10], [0, 1, 2])
    assert list(split.ids) == ["train-000000.tar/000", "train-000000.tar/001", "train-000001.tar/000"]
    assert split.images[1] == encoded(1)
    assert split.images[2] == encoded(10)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_folders_and_other_members(tmp_path: Path, format: int) -> None:
    key = "./" + "deep.folder/" * 12 + "n01.é"
    for split in ("train", "test"):
        with tarfile.open(tmp_path / f"{split}-0.tar", "w", format=format) as archive:
            for name in ("./deep.folder", "alias"):
                info = tarfile.TarInfo(name)
                info.type = tarfile.DIRTYPE if name != "alias" else tarfile.SYMTYPE
                info.linkname = "somewhere"
                archive.addfile(info)
            labels = (f"{key[:-2]}.cls", b" 1\n")
            for name, data in [(f"{key[:-2]}.JPG", encoded(5)), labels, ("._x.png", b""), (f"{key[:-2]}.txt", b"text")]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    split_ = opened(tmp_path).split("test")
    assert (greys(split_.images), split_.targets.tolist()) == ([5], [1])
    assert list(split_.ids) == [f"test-0.tar/{'deep.folder/' * 12}n01"]


def test_json_labels_and_another_image(tmp_path: Path) -> None:
    for split in ("train", "test"):
        content = [("a.jpg", encoded(1)), ("a.mask.png", encoded(2)), ("a.png", encoded(3))]
        labels = [("a.json", json.dumps({"label": 1, "caption": "an ant"}).encode()), ("a.cls", b"7")]
        tar(tmp_path / f"{split}-0.tar", content + labels)
    split_ = opened(tmp_path, image="png", label="json").split("train")
    assert (greys(split_.images), split_.targets.tolist()) == ([3], [1])


@pytest.mark.parametrize("name", ["classes.txt", "classnames.txt"])
def test_class_names(root: Path, name: str) -> None:
    (root / name).write_text("ant\nbee\ncat\ndog\n\n")
    assert opened(root).card.classes == ("ant", "bee", "cat", "dog")


@pytest.mark.parametrize(
    ("train", "names"),
    [
        ("imagenet-{09..11}.tar", ["imagenet-09.tar", "imagenet-10.tar", "imagenet-11.tar"]),
        ("imagenet-*.tar", ["imagenet-09.tar", "imagenet-10.tar", "imagenet-11.tar"]),
        ("imagenet-{09..09}.tar", ["imagenet-09.tar"]),
    ],
)
def test_given_shards(root: Path, train: str, names: list[str]) -> None:
    for i in (9, 10, 11):
        tar(root / f"imagenet-{i:02d}.tar", members(i, start=i))
    data = opened(root, train=train)
    assert [name.split("/")[0] for name in data.split("train").ids] == names


def test_folders_of_shards_and_a_validation_split(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "val", "test")):
        tar(tmp_path / split / "0.tar", members(0, 1, start=10 * i))
    assert greys(opened(tmp_path).split("val").images) == [10, 11]


def test_a_uri_finds_it_with_its_options(root: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from harness.spec import hookimpl\n\n\n@hookimpl\ndef register_datasets(register):\n"
        "    register('mine:', 'harness_datasets.webdataset:WebDataset')\n"
    )
    uri = f"mine:{root}?image=png|jpg&train=train-{{000000..000000}}.tar"
    assert find_dataset(Host([str(plugin)]), uri).card.splits == {"train": 2, "test": 2}


def test_the_revision_follows_content_not_place_or_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = opened(root).card.revision
    moved = root.rename(root.parent / "moved")
    assert opened(moved).card.revision == before
    monkeypatch.setattr(revision, "file_digest", lambda path: pytest.fail("hashed again"))
    assert opened(moved).card.revision == before
    monkeypatch.undo()
    tar(moved / "train-000001.tar", members(1, start=10))
    assert opened(moved).card.revision != before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"has no samples \(members KEY.jpg and KEY.cls\)"),
        ([("a.txt", b"1")], "has no samples"),
        ([("a.png", b"x")], r"sample 'a' has no label \(KEY.cls\)"),
        ([("b/a.cls", b"0")], r"sample 'b/a' has no image \(KEY.jpg or KEY.jpeg or"),
        ([*members(0), *members(1)], r"sample '000' has two images \(a key must occur once\)"),
        ([("a.png", b"x"), ("a.jpg", b"x"), ("a.cls", b"0")], "sample 'a' has two images"),
        ([("a.png", b"x"), ("a.cls", b"0"), ("a.cls", b"1")], "sample 'a' has two labels"),
        (members("ant"), r"sample '000': its label is no integer: b'ant'"),
        (members("1.0"), "its label is no integer"),
        (members(""), "its label is no integer"),
        (members("9" * 30), "its label is no integer"),
        (members("9" * 5000), "its label is no integer"),
        (members(-1), r"image train-000001.tar/000 has target -1, outside"),
    ],
)
def test_a_shard_that_does_not_fit(root: Path, content: Members, message: str) -> None:
    tar(root / "train-000001.tar", content)
    with pytest.raises(HarnessError, match=message) as caught:
        opened(root)
    assert "train-000001.tar" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "its label is no integer"),
        ("[" * 100_000, "its label is no integer"),
        ("[3]", "its json has no 'label'"),
        ('{"class": 3}', "its json has no 'label'"),
        ('{"label": "3"}', "its label is no integer"),
        ('{"label": true}', "its label is no integer"),
        ('{"label": 1.0}', "its label is no integer"),
    ],
)
def test_json_that_does_not_fit(tmp_path: Path, text: str, message: str) -> None:
    for split in ("train", "test"):
        tar(tmp_path / f"{split}-0.tar", members(text, ending="json"))
    with pytest.raises(HarnessError, match=message):
        opened(tmp_path, label="json")


@pytest.mark.parametrize("keep", ["nothing", "half a header", "half a member", "a whole member", "all but the end"])
def test_a_truncated_shard(root: Path, keep: str) -> None:
    shard = root / "train-000000.tar"
    data = shard.read_bytes()
    with tarfile.open(shard) as archive:
        second = archive.getmembers()[2]
        end = archive.offset
    size = {"nothing": 0, "half a header": 200, "half a member": second.offset_data + 10,
            "a whole member": second.offset, "all but the end": end}[keep]  # fmt: skip
    shard.write_bytes(data[:size])
    with pytest.raises(HarnessError, match=r"shard .*train-000000\.tar: truncated"):
        opened(root)


def test_a_damaged_header(root: Path) -> None:
    shard = root / "train-000000.tar"
    data = bytearray(shard.read_bytes())
    with tarfile.open(shard) as archive:
        data[archive.getmembers()[2].offset + 10] ^= 255
    shard.write_bytes(data)
    with pytest.raises(HarnessError, match=r"shard .*: truncated or damaged after"):
        opened(root)


def test_a_compressed_shard(root: Path) -> None:
    tar(root / "train-000000.tar", members(0), "w:gz")
    with pytest.raises(HarnessError, match="truncated, or no uncompressed tar file"):
        opened(root)


def test_an_unreadable_image_is_the_runs_to_report(root: Path) -> None:
    tar(root / "train-000001.tar", [("a.png", encoded(3)[:40]), ("a.cls", b"2"), ("b.png", b""), ("b.cls", b"0")])
    images = opened(root).split("train").images
    for i in (2, 3):
        with pytest.raises(CorruptImageError):
            decode(images[i], "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "a-{0..2}.tar"}, "has no shard a-0.tar"),
        ({"train": "train-{000000..000002}.tar"}, "has no shard train-000002.tar"),
        ({"train": "train-{3..1}.tar"}, r"has no shards train-\{3..1\}.tar for the train split"),
        ({"val": "dev-*.tar"}, r"has no shard dev-\*.tar"),
        ({"val": "test-000000.tar"}, "shard test-000000.tar is in val and in test"),
        ({"train": "../x-*.tar"}, "must lie within the folder"),
        ({"train": "/x-*.tar"}, "must lie within the folder"),
        ({"label": "txt"}, "label must be one of cls, json, not 'txt'"),
        ({"image": "webp"}, "has no image"),
    ],
)
def test_options_that_do_not_fit(root: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        opened(root, **options)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_shards(root: Path, split: str) -> None:
    for shard in root.glob(f"{split}-*"):
        shard.unlink()
    with pytest.raises(HarnessError, match=rf"has no shards {split}-\*.tar or {split}/\*.tar for the {split} split"):
        opened(root)


def test_one_class(tmp_path: Path) -> None:
    for split in ("train", "test"):
        tar(tmp_path / f"{split}-0.tar", members(0, 0))
    with pytest.raises(HarnessError, match="has 1 classes, needs two"):
        opened(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no folder .*absent"):
        WebDataset(str(tmp_path / "absent"))
