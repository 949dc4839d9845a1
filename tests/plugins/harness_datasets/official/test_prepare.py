"""Fetching and unpacking published datasets, from archives at file URLs."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import BUILDERS, write

from harness.errors import HarnessError
from harness.plugins import Host
from harness_datasets.official.base import Archive, Official, facts

Small = Callable[..., Any]
NAMES = sorted(BUILDERS)


def pack(root: Path, path: Path) -> Path:
    """What is under `root` as a .tar.gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for entry in sorted(root.iterdir()):
            tar.add(entry, entry.name)
    return path


def published(path: Path, folder: str = ".", digest: str = "") -> tuple[Archive, ...]:
    digest = digest or f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
    return (Archive(url=path.as_uri(), digest=digest, folder=folder),)


@pytest.fixture
def away(small: Small, tmp_path: Path) -> Callable[[str], tuple[Official, Path]]:
    """``away(name)``: the dataset with nothing of it here, and its archive elsewhere."""

    def make(name: str) -> tuple[Official, Path]:
        dataset, _ = small(name)
        root, folder = dataset.root, "."
        if name == "caltech101":  # its archive holds another
            folder = "caltech101"
            pack(root / folder, tmp_path / "inner/caltech-101/101_ObjectCategories.tar.gz")
            archive = pack(tmp_path / "inner", tmp_path / "published/archive.tar.gz")
        else:
            archive = pack(root, tmp_path / "published/archive.tar.gz")
        shutil.rmtree(root)
        dataset.facts = dataset.facts.model_copy(update={"archives": published(archive, folder)})
        return dataset, archive

    return make


def failure(dataset: Official) -> str:
    with pytest.raises(HarnessError) as caught:
        dataset.prepare()
    assert "\n" not in str(caught.value)
    assert f"dataset {dataset.facts.name}: " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_prepare_fetches_once(name: str, away: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    dataset, archive = away(name)
    with caplog.at_level(logging.INFO):
        dataset.prepare()
    assert f"{name}: fetching {archive.as_uri()}" in caplog.messages
    assert "archive.tar.gz: 100 % of" in caplog.text
    assert dataset.present
    archive.unlink()
    shutil.rmtree(dataset.root / "archive.tar.gz", ignore_errors=True)
    dataset.prepare()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["truncated", "digest", "traversal", "absent", "another"])
def test_a_bad_archive(name: str, damage: str, away: Callable[..., Any]) -> None:
    dataset, archive = away(name)
    folder = dataset.facts.archives[0].folder
    if damage == "truncated":
        archive.write_bytes(archive.read_bytes()[:-200])
    if damage == "traversal":
        with tarfile.open(archive, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("../../outside"), io.BytesIO())
    if damage == "another":
        with tarfile.open(archive, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    digest = "md5:" + "0" * 32 if damage == "digest" else ""
    dataset.facts = dataset.facts.model_copy(update={"archives": published(archive, folder, digest)})
    if damage == "absent":
        archive.unlink()
    expected = {
        "truncated": "truncated or damaged",
        "digest": "as declared",
        "traversal": "would land outside the folder",
        "absent": "cannot fetch file:",
        "another": "caltech-101/101_ObjectCategories.tar.gz" if name == "caltech101" else "there is no",
    }
    assert expected[damage] in failure(dataset)
    assert not dataset.present
    assert not (dataset.root.parent / "outside").exists()
    assert not (dataset.root.parents[1] / "outside").exists()


def test_a_damaged_dataset_is_mended(away: Callable[..., Any]) -> None:
    dataset, _ = away("cifar10")
    dataset.prepare()
    path = dataset.root / "cifar-10-batches-bin/data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        HarnessError, match=r"data_batch_3\.bin is truncated.*run 'harness data prepare cifar10'"
    ) as caught:
        dataset.checked("train")
    assert "data_batch_1.bin" not in str(caught.value)  # of the five it is the third
    dataset.prepare()
    dataset.check()


@pytest.mark.parametrize("name", [name for name in NAMES if not facts(name).archives])
def test_what_must_be_had_by_hand(name: str, host: Host) -> None:
    dataset = host["dataset"].entry(name).resolve()()
    assert f"get it from {facts(name).url}" in failure(dataset)


@pytest.mark.parametrize("name", NAMES)
def test_published_archives(name: str) -> None:
    """Web addresses, whole digests, and folders that lead to the files."""
    known = facts(name)
    for archive in known.archives:
        assert archive.url.startswith(("https://", "http://"))
        assert not archive.digest or len(archive.digest) in (4 + 32, 7 + 64)
        assert not os.path.isabs(archive.folder)
        if archive.folder != ".":
            assert any(f.startswith(archive.folder) for files in known.files.values() for f in files)
    assert set(known.files) == set(known.splits)


# the published number of images of each class, in byte order; Fei-Fei et al. 2004, with the background class
CALTECH101 = """467 435 435 200 798 55 800 42 42 47 54 46 33 128 98 43 85 91 50 43 123 47 59 62 107 47 69 73 70 50 51 57
67 52 65 68 75 64 53 64 85 67 67 45 34 34 51 99 100 42 54 88 80 31 64 86 114 61 81 78 41 66 43 40 87 32 76 55 35 39 47
38 45 53 34 57 82 59 49 40 63 39 84 57 35 64 45 86 59 64 35 85 49 86 75 239 37 59 34 56 39 60"""


def test_the_draw_of_caltech101_has_the_numbers_of_the_released_list(host: Host, data_folder: Path) -> None:
    sizes = [int(n) for n in CALTECH101.split()]
    assert (len(sizes), sum(sizes)) == (102, 9144)
    for label, size in enumerate(sizes):
        for i in range(size):
            write(data_folder / f"caltech101/caltech101/101_ObjectCategories/c{label:03d}/image_{i + 1:04d}.jpg", "")
    make = host["dataset"].entry("caltech101").resolve()
    train, test = (make().checked(split) for split in ("train", "test"))  # 2,416 and 6,728, as its card says
    counts = np.bincount(train.targets)
    assert (counts.min(), counts.max(), round(counts.mean(), 1)) == (17, 30, 23.7)
    assert len({*train.ids, *test.ids}) == 9144
    repeated = make(repeats=True).checked("train")
    assert (len(repeated), len(set(repeated.ids))) == (3060, 3060)
    assert {str(repeated.images[i]) for i in range(3060)} == {str(train.images[i]) for i in range(2416)}
    assert make(repeats=True).card.source != make().card.source
