"""Datasets that are one pool of images without official splits: those of CD-FSL (Guo et al. 2020), and RESISC45.

Few-shot tasks draw from all splits together, as CD-FSL does, so that the split does not matter to them. For the others
we split the pool ourselves: of each class a fifth, drawn by `stratified`, is the test split.
"""

from __future__ import annotations

import csv
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness_datasets.folder import SUFFIXES
from harness_datasets.official.base import Content, Files, Official, Paths, facts
from harness_datasets.stratified import stratified

TEST_SHARE = 0.2
LESIONS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")  # the columns, in the order of the classes
UNUSED_FINDINGS = frozenset(
    ("Consolidation", "Edema", "Emphysema", "Fibrosis", "Hernia", "No Finding", "Pleural_Thickening", "Pneumonia")
)


class Pool(Official):
    """Images that come without official splits."""

    @abstractmethod
    def pool(self, sources: tuple[Path, ...]) -> tuple[list[str], list[int]]:
        """The names of all images, relative to the root, and their labels, in a fixed order."""

    def read(self, split: str) -> Content:
        names, labels = self.pool(self.paths(split))
        targets = np.array(labels, np.int64)
        index = dict(zip(("train", "test"), stratified(targets, TEST_SHARE), strict=True))[split]
        return Paths(self.root, [names[i] for i in index]), targets[index], None


class ClassFolders(Pool):
    """A folder for each class, named as the class is."""

    def pool(self, sources: tuple[Path, ...]) -> tuple[list[str], list[int]]:
        (base,) = sources
        found = {path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")}
        if other := sorted(found - set(self.card.classes)):
            raise ValueError(f"{other[0]!r} is none of the {self.facts.num_classes} classes")
        names: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(self.card.classes):
            if name not in found:
                raise self.missing(base / name)
            images = sorted(p.name for p in (base / name).iterdir() if p.suffix.lower() in SUFFIXES)
            names += [(base / name / image).relative_to(self.root).as_posix() for image in images]
            labels += [label] * len(images)
        return names, labels


class Isic2018(Pool):
    """The training images of task 3, lesion diagnosis; a row of 0 and 1 for each names its one class."""

    def pool(self, sources: tuple[Path, ...]) -> tuple[list[str], list[int]]:
        table, images = sources
        folder = images.relative_to(self.root).as_posix()
        names, labels = [], []
        for line, (name, *marks) in _rows(table, ("image", *LESIONS)):
            chosen = [label for label, mark in enumerate(marks) if float(mark) == 1]
            if len(chosen) != 1 or sum(map(float, marks)) != 1:
                raise ValueError(f"line {line}: {name} must be marked as one class, not {','.join(marks)}")
            names.append(f"{folder}/{name}.jpg")
            labels.append(chosen[0])
        return names, labels


class ChestX(Pool):
    """NIH ChestX-ray14, the images of exactly one finding and that one of CD-FSL's seven.

    Pneumonia, the other findings and images without any are left out, as in CD-FSL's code, which lists Pneumonia among
    its labels and then drops it. That code resizes images to 256x256 before anything else. Here images are as
    published (1024x1024, grey) and the view alone decides the geometry; both are squares, so that it changes no
    proportions and only how the pixels are interpolated.
    """

    def layouts(self) -> Sequence[Files]:
        """The table as CD-FSL reads it, or NIH's later edition of it."""
        return self.facts.files, dict.fromkeys(self.facts.files, ("Data_Entry_2017_v2020.csv",))

    def pool(self, sources: tuple[Path, ...]) -> tuple[list[str], list[int]]:
        place, numbers = self._places(), {name: label for label, name in enumerate(self.card.classes)}
        names, labels = [], []
        for line, (name, text) in _rows(sources[0], ("Image Index", "Finding Labels")):
            findings = text.split("|")
            if unknown := set(findings) - numbers.keys() - UNUSED_FINDINGS:
                raise ValueError(f"line {line}: {name} has the unknown finding {min(unknown)!r}")
            if len(findings) == 1 and findings[0] in numbers:
                names.append(f"{place.get(name, 'images')}/{name}")
                labels.append(numbers[findings[0]])
        return names, labels

    def _places(self) -> dict[str, str]:
        """The folder of each image: NIH's one ``images``, or the twelve of the copy on Kaggle."""
        folders = [self.root / "images", *sorted(self.root.glob("images_*/images"))]
        return {
            entry.name: folder.relative_to(self.root).as_posix()
            for folder in folders
            if folder.is_dir()
            for entry in folder.iterdir()
        }


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and the named columns of a CSV file. Raises `ValueError` for a missing column or a short row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        present = reader.fieldnames or ()
        if missing := [name for name in columns if name not in present]:
            raise ValueError(f"has no column {missing[0]!r} (has: {', '.join(present) or 'none'})")
        for row in reader:
            values = [row[name] for name in columns]
            if None in values:
                raise ValueError(f"line {reader.line_num} is cut short")
            yield reader.line_num, values


def cropdiseases() -> Official:
    """Plant Disease, its training folders."""
    return ClassFolders(facts("cropdiseases"))


def eurosat() -> Official:
    """EuroSAT, RGB."""
    return ClassFolders(facts("eurosat"))


def isic2018() -> Official:
    """ISIC 2018 task 3, its training images."""
    return Isic2018(facts("isic2018"))


def chestx() -> Official:
    """ChestX-ray14, single findings of seven classes."""
    return ChestX(facts("chestx"))


def resisc45() -> Official:
    """NWPU-RESISC45."""
    return ClassFolders(facts("resisc45"))
