"""Image files whose official lists are read here: torchvision has no such split, or decodes the images it lists."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness_datasets.official.base import Content, Official, Paths, facts
from harness_datasets.official.objects import Boxes, Trimaps

VOC = "VOCdevkit/VOC2007"


class Pets(Official):
    """Oxford-IIIT Pets; ``trainval.txt`` is the training split."""

    def read(self, split: str) -> Content:
        rows = [line.split() for line in self.paths(split)[0].read_text().splitlines() if line.strip()]
        names = [f"oxford-iiit-pet/images/{row[0]}.jpg" for row in rows]
        return Paths(self.root, names), [int(row[1]) - 1 for row in rows], None

    def class_names(self) -> list[str]:
        rows = [line.split() for line in self.paths("train")[0].read_text().splitlines() if line.strip()]
        names = {int(row[1]): row[0].rpartition("_")[0] for row in rows}
        return [names[label] for label in sorted(names)]

    def fields(self, names: Sequence[str]) -> Mapping[str, Sequence[Any]]:
        trimaps = self.root / "oxford-iiit-pet/annotations/trimaps"
        found = Trimaps([trimaps / f"{Path(name).stem}.png" for name in names])
        return {"object_masks": found} if trimaps.is_dir() else {}


class Sun397(Official):
    """SUN397, the first of its ten partitions: 50 training and 50 test images a class."""

    def read(self, split: str) -> Content:
        labels = {name: label for label, name in enumerate(self._folders())}
        names = [line.strip() for line in self.paths(split)[0].read_text().splitlines() if line.strip()]
        targets = [labels[name.rpartition("/")[0]] for name in names]
        return Paths(self.root, [f"SUN397{name}" for name in names]), targets, None

    def class_names(self) -> list[str]:
        return [name[3:] for name in self._folders()]

    def _folders(self) -> list[str]:
        """``/a/abbey`` and so on, in the order of the labels."""
        return (self.root / "SUN397/ClassName.txt").read_text().split()


class Voc2007(Official):
    """PASCAL VOC 2007 classification. Objects marked difficult count as absent, as in Ericsson et al.'s code."""

    def read(self, split: str) -> Content:
        names = self.paths(split)[0].read_text().split()
        columns = [self._column(name, split, names) for name in self.card.classes]
        return Paths(self.root, [f"{VOC}/JPEGImages/{name}.jpg" for name in names]), np.stack(columns, 1), None

    def _column(self, label: str, split: str, names: list[str]) -> list[int]:
        """1 where the class is present, 0 where it is absent (-1 in the file) or difficult (0)."""
        path = self.root / VOC / "ImageSets/Main" / f"{label}_{split}.txt"
        words = path.read_text().split()
        if words[::2] != names:
            raise ValueError(f"{path} lists other images")
        return [int(word == "1") for word in words[1::2]]

    def fields(self, names: Sequence[str]) -> Mapping[str, Sequence[Any]]:
        annotations = self.root / VOC / "Annotations"
        found = Boxes([annotations / f"{Path(name).stem}.xml" for name in names])
        return {"object_masks": found} if annotations.is_dir() else {}


class Gtsrb(Official):
    """German Traffic Signs: the competition's training images and the final test images, as torchvision has them."""

    def read(self, split: str) -> Content:
        path = self.paths(split)[0]
        if split == "train":
            return _class_folders(self.root, path, (".ppm",))
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";", skipinitialspace=True))
        names = [f"gtsrb/GTSRB/Final_Test/Images/{row['Filename']}" for row in rows]
        return Paths(self.root, names), [int(row["ClassId"]) for row in rows], None


class ImageNet(Official):
    """ImageNet-1k. Its official validation images are the test split, since the test labels were never published."""

    def read(self, split: str) -> Content:
        return _class_folders(self.root, self.paths(split)[0], (".jpeg",))

    def class_names(self) -> list[str]:
        return _folders(self.paths("train")[0])


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _class_folders(root: Path, path: Path, suffixes: tuple[str, ...]) -> Content:
    """The images in sorted class folders, sorted; the folder's place is the label."""
    names: list[str] = []
    labels: list[int] = []
    base = path.relative_to(root).as_posix()
    for label, folder in enumerate(_folders(path)):
        found = image_names(path / folder, suffixes)
        names += [f"{base}/{folder}/{name}" for name in found]
        labels += [label] * len(found)
    return Paths(root, names), labels, None


def image_names(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The sorted names of a folder's images; others, such as the ``tmp`` in one of Caltech-101's, are left out."""
    return sorted(entry.name for entry in folder.iterdir() if entry.name.lower().endswith(suffixes))


def pets() -> Official:
    """Oxford-IIIT Pets."""
    return Pets(facts("pets"))


def sun397() -> Official:
    """SUN397, partition 01."""
    return Sun397(facts("sun397"))


def voc2007() -> Official:
    """PASCAL VOC 2007 classification."""
    return Voc2007(facts("voc2007"))


def gtsrb() -> Official:
    """German Traffic Sign Recognition Benchmark."""
    return Gtsrb(facts("gtsrb"))


def imagenet() -> Official:
    """ImageNet-1k."""
    return ImageNet(facts("imagenet"))
