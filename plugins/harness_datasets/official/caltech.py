"""``caltech101``: Caltech-101 with the training draw of Ericsson et al. (2011.13377, released code)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness_datasets.official.base import Content, Facts, Official, Paths, facts
from harness_datasets.official.files import image_names

FOLDER = "caltech101/101_ObjectCategories"
DRAWN = 30


class Caltech101(Official):
    """102 classes, the background among them. Training images are drawn; all that are not drawn are for testing.

    The paper speaks of 30 training images a class; its code drew them with replacement (NumPy's legacy generator, seed
    0, one stream over the classes), so that 3,060 draws name 2,416 images, 17 to 30 a class, and 6,728 are left. This
    rule over the classes and files in byte order gives these very numbers; the released list itself was not at hand.

    Args:
        repeats: keep an image as often as it was drawn, as the list did until 2023; else each is there once, sorted.
    """

    def __init__(self, facts: Facts, root: Path | None = None, repeats: bool = False) -> None:
        if repeats:
            drawn = {**facts.splits, "train": DRAWN * facts.num_classes}
            facts = facts.model_copy(update={"splits": drawn, "revision": f"{facts.revision} with repeats"})
        super().__init__(facts, root)
        self.repeats = repeats

    def read(self, split: str) -> Content:
        folder, rng = self.paths(split)[0], np.random.RandomState(0)
        names: list[str] = []
        labels: list[int] = []
        for label, name in enumerate(self.class_names()):
            files = image_names(folder / name, (".jpg",))
            drawn = rng.choice(len(files), DRAWN)
            if split == "test":
                rows = np.setdiff1d(np.arange(len(files)), drawn)
            else:
                rows = drawn if self.repeats else np.unique(drawn)
            names += [f"{FOLDER}/{name}/{files[row]}" for row in rows]
            labels += [label] * len(rows)
        return Paths(self.root, names), labels, _numbered(names) if self.repeats else None

    def class_names(self) -> list[str]:
        return sorted(entry.name for entry in (self.root / FOLDER).iterdir() if entry.is_dir())

    def download(self) -> None:
        """The archive holds another one."""
        from harness.fetch import unpack

        super().download()
        unpack(self.root / "caltech101/caltech-101/101_ObjectCategories.tar.gz", self.root / "caltech101")


def _numbered(names: list[str]) -> list[str]:
    """Names made unique: the second occurrence of ``a`` is ``a#2``."""
    seen: dict[str, int] = {}
    ids = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        ids.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return ids


def caltech101(repeats: bool = False) -> Official:
    """Caltech-101 by the paper's draw; with ``repeats`` as its list was until 2023."""
    return Caltech101(facts("caltech101"), repeats=repeats)
