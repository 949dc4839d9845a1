"""Each published dataset, read from a miniature in its exact layout, and with every part of it missing or broken."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import BUILDERS, colour

from harness.datasets import Split
from harness.errors import CorruptImageError, HarnessError
from harness.pixels import decode
from harness.plugins import Host
from harness.testing.datasets import check_dataset
from harness_datasets import OFFICIAL
from harness_datasets.official.base import facts

NAMES = sorted(BUILDERS)
OF_FILES = ["aircraft", "cars", "dtd", "flowers", "food101", "gtsrb", "pets", "sun397", "voc2007"]
COUNTED = ["caltech101", "imagenet"]  # the images are whatever the class folders hold
Small = Callable[..., Any]


def numbers(split: Split) -> list[int]:
    """The numbers that the images' colours stand for."""
    pixels = [decode(split.images[i], split.ids[i])[:, -1, 0].tolist() for i in range(len(split))]
    known = {n: colour(n) for n in range(15)}
    gaps = [{n: max(abs(a - b) for a, b in zip(p, c, strict=True)) for n, c in known.items()} for p in pixels]
    nearest = [min(gap, key=gap.__getitem__) for gap in gaps]
    assert max(gap[n] for gap, n in zip(gaps, nearest, strict=True)) <= 3
    return nearest


def one_line(error: HarnessError, name: str, *parts: str) -> None:
    text = str(error)
    assert "\n" not in text
    for part in (name, *parts):
        assert part in text


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("mnist", "fashionmnist")])
def test_images_labels_and_classes(name: str, small: Small) -> None:
    dataset, mini = small(name)
    assert dataset.card.classes == mini.classes
    ids: set[str] = set()
    for split, rows in mini.content.items():
        content = dataset.checked(split)
        assert numbers(content) == [number for number, _ in rows]
        labels = content.targets if content.targets.ndim == 1 else content.targets.argmax(1)
        assert labels.tolist() == [label for _, label in rows]
        assert not ids & set(content.ids)
        ids |= set(content.ids)
    assert len(ids) == sum(len(rows) for rows in mini.content.values())


@pytest.mark.parametrize("name", ["mnist", "fashionmnist"])
def test_grey_images(name: str, small: Small) -> None:
    dataset, mini = small(name)
    for split, rows in mini.content.items():
        content = dataset.checked(split)
        assert [int(image[-1, 0]) for image in content.images] == [colour(number)[0] for number, _ in rows]
        assert content.targets.tolist() == [label for _, label in rows]
        assert content.images[0].shape == (28, 28)
        assert (content.images[0][0, 14:] == 255).all()
        assert (content.images[0][0, :14] < 255).all()


@pytest.mark.parametrize(
    ("name", "side"), [("cifar10", 32), ("cifar100", 32), ("stl10", 96), ("svhn", 32), ("pcam", 96)]
)
def test_arrays_are_upright(name: str, side: int, small: Small) -> None:
    dataset, _ = small(name)
    image = dataset.split("train").images[5]
    assert image.shape == (side, side, 3)
    assert (image[0, side // 2 :] == 255).all()
    assert (image[1:] == colour(5)).all()
    assert (image[0, : side // 2] == colour(5)).all()


def test_difficult_objects_count_as_absent(small: Small) -> None:
    content = small("voc2007")[0].checked("val")
    assert content.targets.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert content.targets.dtype == np.int64


def test_one_folder_of_several_datasets(small: Small, data_folder: Path) -> None:
    """As torchvision's users have it: each dataset's own folder directly in the data folder."""
    dataset, _ = small("dtd")
    shutil.move(data_folder / "dtd/dtd", data_folder / "moved")
    assert not dataset.present
    (data_folder / "dtd").rmdir()
    shutil.move(data_folder / "moved", data_folder / "dtd")
    assert dataset.present
    assert dataset.root == data_folder
    dataset.check()


@pytest.mark.parametrize("name", NAMES)
def test_a_card_needs_no_file(name: str, host: Host) -> None:
    card = host["dataset"].entry(name).resolve()().card
    assert card.name == name
    assert card.num_classes == facts(name).num_classes
    assert set(card.splits) in ({"train", "test"}, {"train", "val", "test"})
    assert all((card.title, card.revision, card.licence, card.citation, card.url, card.domain))
    assert card.near is not None


def test_cards_need_no_torch(python: Callable[[str], str]) -> None:
    source = """
import sys
from harness_datasets import OFFICIAL
from harness.plugins import Host
made = [Host()["dataset"].entry(name).resolve()().card for name in OFFICIAL]
print(len(made), "torch" in sys.modules)
"""
    assert python(source) == f"{len(OFFICIAL)} False"


def test_pcam_without_its_library(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, _ = small("pcam")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(HarnessError, match=r"^dataset pcam: .*needs h5py: pip install h5py$"):
        dataset.split("val")


def test_a_digest_that_torchvision_checks(small: Small) -> None:
    dataset, _ = small("flowers")
    path = dataset.root / "flowers-102/setid.mat"
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(HarnessError) as caught:
        dataset.split("val")
    one_line(caught.value, "dataset flowers, split val: ", str(path), "digests are not the published", "data prepare")


@pytest.mark.parametrize("name", NAMES)
def test_no_folder(name: str, host: Host, data_folder: Path) -> None:
    dataset = host["dataset"].entry(name).resolve()()
    assert not dataset.present
    remedy = f"run 'harness data prepare {name}'" if facts(name).archives else f"get it from {facts(name).url}"
    for split, files in facts(name).files.items():
        with pytest.raises(HarnessError) as caught:
            dataset.split(split)
        one_line(caught.value, f"dataset {name}: there is no {data_folder / name / files[0]}", remedy, "layout")


@pytest.mark.parametrize("name", NAMES)
def test_each_file_missing(name: str, small: Small, tmp_path: Path) -> None:
    dataset, _ = small(name)
    for split, files in dataset.facts.files.items():
        for file in files:
            shutil.move(dataset.root / file, tmp_path / "aside")
            with pytest.raises(HarnessError) as caught:
                dataset.split(split)
            one_line(caught.value, f"dataset {name}: there is no {dataset.root / file}", "layout under")
            shutil.move(tmp_path / "aside", dataset.root / file)
        dataset.checked(split)


@pytest.mark.parametrize("name", NAMES)
def test_files_cut_off(name: str, small: Small) -> None:
    """A list, table or record file that ends early is named; a folder has nothing to cut."""
    dataset, _ = small(name)
    for split, files in dataset.facts.files.items():
        for path in [dataset.root / file for file in files if (dataset.root / file).is_file()]:
            whole = path.read_bytes()
            path.write_bytes(whole[: max(1, len(whole) - 3) if path.suffix in (".bin", "") else len(whole) // 2])
            with pytest.raises(HarnessError) as caught:
                dataset.checked(split)
            one_line(caught.value, f"dataset {name}")
            path.write_bytes(whole)


@pytest.mark.parametrize("name", NAMES)
def test_another_number_of_classes(name: str, small: Small) -> None:
    dataset, _ = small(name)
    names = (*dataset.facts.classes, "dodo") if isinstance(dataset.facts.classes, tuple) else 4
    dataset.facts = dataset.facts.model_copy(update={"classes": names})
    vars(dataset).pop("_classes", None)
    with pytest.raises(HarnessError) as caught:
        dataset.checked("train")
    one_line(
        caught.value, f"dataset {name}", "train", "dodo_train.txt" if name == "voc2007" else "has 3 classes, not 4"
    )


@pytest.mark.parametrize("name", NAMES)
def test_another_size(name: str, small: Small) -> None:
    dataset, mini = small(name)
    dataset.facts = dataset.facts.model_copy(update={"splits": {"train": 99, "test": 1}})
    with pytest.raises(HarnessError) as caught:
        dataset.checked("train")
    one_line(caught.value, f"dataset {name}, split train: has {len(mini.content['train'])} images but", "99")


@pytest.mark.parametrize("name", OF_FILES)
def test_a_listed_image_that_is_absent(name: str, small: Small) -> None:
    dataset, _ = small(name)
    path = dataset.split("test").images[2]
    path.unlink()
    with pytest.raises(HarnessError) as caught:
        dataset.split("test")
    one_line(caught.value, f"dataset {name}: there is no {path}", "layout under")


@pytest.mark.parametrize("name", COUNTED)
def test_an_image_too_few(name: str, small: Small) -> None:
    dataset, mini = small(name)
    dataset.split("test").images[0].unlink()
    with pytest.raises(HarnessError) as caught:
        [dataset.checked(split) for split in mini.content]
    one_line(caught.value, f"dataset {name}, split t", "images but its card says")


@pytest.mark.parametrize("name", OF_FILES + COUNTED)
def test_an_unreadable_image(name: str, small: Small) -> None:
    dataset, _ = small(name)
    content = dataset.checked("test")
    content.images[1].write_bytes(b"\xff\xd8\xff no image")
    with pytest.raises(CorruptImageError) as caught:
        decode(content.images[1], content.ids[1])
    one_line(caught.value, content.ids[1])


@pytest.mark.parametrize("name", ["aircraft", "cifar10", "stl10", "voc2007"])
def test_the_conformance_kit_passes(name: str, small: Small) -> None:
    findings = check_dataset(small(name)[0])
    assert {finding.check: finding.status for finding in findings if finding.status != "passed"} == {}
