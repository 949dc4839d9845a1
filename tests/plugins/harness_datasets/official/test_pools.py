from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.errors import CorruptImageError, HarnessError
from harness.pixels import decode
from harness_datasets.official import pools
from harness_datasets.official.base import Archive, Facts, Official, facts
from harness_datasets.official.pools import ChestX, ClassFolders, Isic2018
from harness_datasets.stratified import stratified

FOLDERS = {
    "cropdiseases": ("dataset/train", "JPG"),
    "eurosat": ("eurosat/2750", "jpg"),
    "resisc45": ("NWPU-RESISC45", "jpg"),
}
ISIC = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
INPUT = "ISIC2018_Task3_Training_Input"
CODES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax")
Make = Callable[..., Official]


def picture(path: Path, grey: int = 0, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 8), {"L": grey, "RGBA": (grey, grey, grey, 255)}.get(mode, (grey, grey, grey))).save(path)


def table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def mini(name: str, train: int, test: int) -> Facts:
    """The facts of the dataset, with the sizes of a miniature."""
    return facts(name).model_copy(update={"splits": {"train": train, "test": test}})


def labels(data: Official) -> dict[str, int]:
    """The label of each image by its id."""
    splits = [data.checked(name) for name in data.card.splits]
    return {id_: int(target) for split in splits for id_, target in zip(split.ids, split.targets, strict=True)}


def refused(data: Official, message: str) -> None:
    with pytest.raises(HarnessError, match=message) as caught:
        data.check()
    assert data.facts.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "collection"), [
    ("cropdiseases", "cd-fsl"), ("eurosat", "cd-fsl"), ("isic2018", "cd-fsl"), ("chestx", "cd-fsl"), ("resisc45", ""),
])  # fmt: skip
def test_the_card_needs_no_files(name: str, collection: str) -> None:
    card = getattr(pools, name)().card
    assert (card.name, card.collection, card.near) == (name, collection, False)
    assert len(set(card.classes)) == {"cropdiseases": 38, "eurosat": 10, "resisc45": 45}.get(name, 7)
    total = {"cropdiseases": 43_456, "eurosat": 27_000, "isic2018": 10_015, "chestx": 25_848, "resisc45": 31_500}
    assert sum(card.splits.values()) == total[name]


COUNTS = {
    "eurosat": [3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000],
    "isic2018": [1113, 6705, 514, 327, 1099, 115, 142],
    "chestx": [4215, 1093, 3955, 9547, 2139, 2705, 2194],
    "resisc45": [700] * 45,
}


@pytest.mark.parametrize("name", COUNTS)
def test_sizes_follow_from_the_published_images_per_class(name: str) -> None:
    train, test = stratified(np.repeat(np.arange(len(COUNTS[name])), COUNTS[name]), pools.TEST_SHARE)
    assert facts(name).splits == {"train": len(train), "test": len(test)}


class TestClassFolders:
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        """Five images of each class in the published layout."""

        def build(name: str) -> Official:
            known = mini(name, 0, 0)
            base, suffix = FOLDERS[name]
            for label, folder in enumerate(known.classes):
                for i in range(5):
                    picture(tmp_path / base / folder / f"{i}.{suffix}", label)
            n = known.num_classes
            return ClassFolders(mini(name, 4 * n, n), tmp_path)

        return build

    @pytest.mark.parametrize("name", FOLDERS)
    def test_each_folder_is_a_class_and_a_fifth_of_it_is_test(self, make: Make, name: str) -> None:
        data = make(name)
        for split, each in (("train", 4), ("test", 1)):
            content = data.checked(split)
            assert np.bincount(content.targets).tolist() == [each] * data.card.num_classes
            assert all(f"/{data.card.classes[t]}/" in i for i, t in zip(content.ids, content.targets, strict=True))
            grey = [int(decode(image, "")[0, 0, 0]) for image in content.images]
            assert np.abs(np.array(grey) - content.targets).max() <= 3  # JPEG is inexact
        assert len(labels(data)) == 5 * data.card.num_classes

    def test_other_files_are_left_out(self, make: Make, tmp_path: Path) -> None:
        data = make("eurosat")
        (tmp_path / "eurosat/2750/Forest/notes.txt").touch()
        (tmp_path / "eurosat/2750/.DS_Store").mkdir()
        (tmp_path / "eurosat/2750/readme").touch()
        data.check()

    def test_a_missing_class(self, make: Make, tmp_path: Path) -> None:
        data = make("eurosat")
        (tmp_path / "eurosat/2750/Forest").rename(tmp_path / "Forest")
        refused(data, "there is no .*2750/Forest .*harness data prepare eurosat")

    def test_an_empty_class(self, make: Make, tmp_path: Path) -> None:
        data = make("eurosat")
        for path in (tmp_path / "eurosat/2750/Forest").iterdir():
            path.unlink()
        refused(data, "has 9 classes, not 10")

    def test_another_class(self, make: Make, tmp_path: Path) -> None:
        data = make("resisc45")
        (tmp_path / "NWPU-RESISC45/zoo").mkdir()
        refused(data, "'zoo' is none of the 45 classes")

    def test_a_missing_image(self, make: Make, tmp_path: Path) -> None:
        data = make("resisc45")
        (tmp_path / "NWPU-RESISC45/airport/3.jpg").unlink()
        refused(data, "split train: has 179 images but its card says 180")

    def test_an_unreadable_image(self, make: Make, tmp_path: Path) -> None:
        data = make("cropdiseases")
        for path in (tmp_path / "dataset/train/Potato___healthy").iterdir():
            path.write_bytes(b"not an image")
        split = data.checked("test")
        bad = [i for i, name in enumerate(split.ids) if "Potato___healthy" in name]
        with pytest.raises(CorruptImageError):
            decode(split.images[bad[0]], "x")

    def test_nothing_there(self, tmp_path: Path) -> None:
        data = ClassFolders(facts("cropdiseases"), tmp_path)
        refused(data, r"there is no .*dataset/train \(get it from https://www.kaggle.com.* dataset/train/CLASS/")

    def test_prepare_fetches_and_unpacks(self, make: Make, tmp_path: Path) -> None:
        source = make("eurosat")
        with zipfile.ZipFile(tmp_path / "EuroSAT.zip", "w") as archive:
            for path in (tmp_path / "eurosat").rglob("*.jpg"):
                archive.write(path, path.relative_to(tmp_path / "eurosat"))
        there = Archive(url=(tmp_path / "EuroSAT.zip").as_uri(), folder="eurosat")
        data = ClassFolders(source.facts.model_copy(update={"archives": (there,)}), tmp_path / "new")
        data.prepare()
        assert labels(data) == labels(source)


class TestIsic2018:
    @pytest.fixture
    def rows(self) -> list[list[str]]:
        """Two images of each class, in turn."""
        marks = [["1.0" if code == other else "0.0" for other in CODES] for code in CODES * 2]
        return [["image", *CODES], *([f"ISIC_{i:07d}", *row] for i, row in enumerate(marks))]

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        def build(rows: list[list[str]]) -> Official:
            table(tmp_path / ISIC, rows)
            for i in range(14):
                picture(tmp_path / INPUT / f"ISIC_{i:07d}.jpg", i)
            (tmp_path / INPUT / "ATTRIBUTION.txt").touch()
            return Isic2018(mini("isic2018", 7, 7), tmp_path)

        return build

    def test_the_marked_column_is_the_class(self, make: Make, rows: list[list[str]]) -> None:
        assert labels(make(rows)) == {f"{INPUT}/ISIC_{i:07d}.jpg": i % 7 for i in range(14)}

    def test_columns_are_read_by_name(self, make: Make, rows: list[list[str]]) -> None:
        expected = labels(make(rows))
        assert labels(make([row[::-1] for row in rows])) == expected

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda rows: [row[:-1] for row in rows], r"has no column 'VASC' \(has: image, MEL, NV"),
            (lambda rows: [], r"has no column 'image' \(has: none"),
            (lambda rows: [*rows[:3], rows[3][:4]], r"line 4 is cut short"),
            (lambda rows: [*rows[:2], ["x", *"0000000"]], r"line 3: x must be marked as one class, not 0,0,0,0,0,0,0"),
            (lambda rows: [*rows[:2], ["x", *"1100000"]], r"line 3: x must be marked as one class"),
            (lambda rows: [*rows[:2], ["x", "1", "0.5", *"00000"]], r"line 3: x must be marked as one class"),
            (lambda rows: [*rows[:2], ["x", "melanoma", *"000000"]], r"could not convert string to float: 'melanoma'"),
            (lambda rows: [row for i, row in enumerate(rows) if i % 7 != 1], "has 6 classes, not 7"),
            (
                lambda rows: [[row[0].replace("007", "099"), *row[1:]] for row in rows],
                "there is no .*/ISIC_0000099.jpg",
            ),
            (lambda rows: rows[:-1], "split test: has 6 classes, not 7"),
        ],
    )
    def test_a_table_that_does_not_fit(
        self, make: Make, rows: list[list[str]], change: Callable[..., list[list[str]]], message: str
    ) -> None:
        refused(make(change(rows)), message)

    @pytest.mark.parametrize("gone", [ISIC, INPUT])
    def test_what_is_missing_is_named(self, make: Make, rows: list[list[str]], tmp_path: Path, gone: str) -> None:
        data = make(rows)
        (tmp_path / gone).rename(tmp_path / "elsewhere")
        refused(data, f"there is no .*{gone} .*run 'harness data prepare isic2018'")


class TestChestX:
    @pytest.fixture
    def rows(self) -> list[list[str]]:
        """Two images of each class, in turn, then some that are left out."""
        header = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID"]
        out = ("No Finding", "Pneumonia", "Hernia", "Effusion|Mass", "Effusion|Pleural_Thickening")
        return [header, *([f"{i:08d}_000.png", text, "0", "1"] for i, text in enumerate((*FINDINGS * 2, *out)))]

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        def build(
            rows: list[list[str]], folders: Sequence[str] = ("images",), name: str = "Data_Entry_2017.csv"
        ) -> Official:
            table(tmp_path / name, rows)
            for i in range(14):
                mode = "RGBA" if i % 2 else "L"
                picture(tmp_path / folders[i % len(folders)] / f"{i:08d}_000.png", i, mode)
            return ChestX(mini("chestx", 7, 7), tmp_path)

        return build

    @pytest.mark.parametrize("folders", [("images",), ("images_001/images", "images_012/images")])
    @pytest.mark.parametrize("name", ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"])
    def test_single_findings_of_the_seven(
        self, make: Make, rows: list[list[str]], folders: Sequence[str], name: str
    ) -> None:
        data = make(rows, folders, name)
        assert labels(data) == {f"{folders[i % len(folders)]}/{i:08d}_000.png": i % 7 for i in range(14)}

    def test_grey_and_rgba_images_decode(self, make: Make, rows: list[list[str]]) -> None:
        split = make(rows).checked("train")
        for image, name in zip(split.images, split.ids, strict=True):
            pixels = decode(image, name)
            assert pixels.shape == (3, 8, 8)
            assert pixels.unique().tolist() == [int(name[-12:-8])]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda rows: [row[:1] for row in rows], r"has no column 'Finding Labels' \(has: Image Index\)"),
            (lambda rows: [*rows, ["a.png"]], "line 21 is cut short"),
            (lambda rows: [*rows, ["a.png", "Masss"]], "line 21: a.png has the unknown finding 'Masss'"),
            (lambda rows: [*rows, ["a.png", "Mass|"]], "line 21: a.png has the unknown finding ''"),
            (lambda rows: [*rows, ["a.png", "Mass"]], "there is no .*images/a.png"),
            (lambda rows: [row for row in rows if row[1] != "Mass"], "has 6 classes, not 7"),
            (lambda rows: rows[:1], "has 0 classes, not 7"),
        ],
    )
    def test_a_table_that_does_not_fit(
        self, make: Make, rows: list[list[str]], change: Callable[..., list[list[str]]], message: str
    ) -> None:
        refused(make(change(rows)), message)

    def test_no_table(self, make: Make, rows: list[list[str]], tmp_path: Path) -> None:
        data = make(rows)
        (tmp_path / "Data_Entry_2017.csv").unlink()
        refused(data, r"there is no .*Data_Entry_2017.csv \(get it from https://nihcc.*images_001/images")

    def test_no_images(self, make: Make, rows: list[list[str]], tmp_path: Path) -> None:
        data = make(rows)
        (tmp_path / "images").rename(tmp_path / "elsewhere")
        refused(data, r"there is no .*images/0000000")
