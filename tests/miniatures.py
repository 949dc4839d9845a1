"""Miniatures of the published datasets in their exact layouts, of a few images whose colour tells which they are."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

LABELS = {"train": [0, 1, 2, 2, 1, 0], "val": [2, 1, 0], "test": [1, 0, 2, 0]}
FIRST = {"train": 0, "val": 6, "test": 9}  # the number of each split's first image
NAMES = ("ant", "bee", "cat")


@dataclass(frozen=True)
class Miniature:
    """A dataset of a few images: the number and label of each in order, by split; the names of its classes."""

    content: dict[str, list[tuple[int, int]]]
    classes: tuple[str, ...] = ("0", "1", "2")


def colour(number: int) -> tuple[int, int, int]:
    return (20 + 15 * number, 240 - 15 * number, 60)


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7), colour(number)).save(path, **({"quality": 100} if path.suffix != ".ppm" else {}))


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def listed(splits: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """Images in the order of their numbers."""
    return {s: [(FIRST[s] + i, label) for i, label in enumerate(LABELS[s])] for s in splits}


def sorted_by_class(splits: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    return {split: sorted(rows, key=lambda row: row[1]) for split, rows in listed(splits).items()}


def arrays(rows: list[tuple[int, int]], side: int) -> np.ndarray:
    """uint8 (N, H, W, 3), of colour, and marked at the upper right so that turned or mirrored images are found out."""
    images = np.array([np.full((side, side, 3), colour(number)) for number, _ in rows], np.uint8)
    images[:, 0, side // 2 :] = 255
    return images


def aircraft(root: Path) -> Miniature:
    data, names, content = root / "fgvc-aircraft-2013b/data", ("707-320", "A 380", "F/A-18"), listed(LABELS)
    write(data / "variants.txt", "".join(f"{name}\n" for name in names))
    for split, rows in content.items():
        write(data / f"images_variant_{split}.txt", "".join(f"{n:07d} {names[label]}\n" for n, label in rows))
        [draw(data / f"images/{n:07d}.jpg", n) for n, _ in rows]
    return Miniature(content, names)


def cars(root: Path) -> Miniature:
    base, content = root / "stanford_cars", listed(["train", "test"])
    (base / "devkit").mkdir(parents=True)
    savemat(base / "devkit/cars_meta.mat", {"class_names": np.array(NAMES, object)})
    for split, path in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = [(label + 1, f"{n:05d}.jpg") for n, label in content[split]]
        savemat(base / path, {"annotations": np.array(rows, [("class", object), ("fname", object)])})
        [draw(base / f"cars_{split}/{n:05d}.jpg", n) for n, _ in content[split]]
    return Miniature(content, NAMES)


def dtd(root: Path) -> Miniature:
    content = listed(LABELS)
    for split, rows in content.items():
        names = [f"{NAMES[label]}/{NAMES[label]}_{n:04d}.jpg" for n, label in rows]
        write(root / f"dtd/dtd/labels/{split}1.txt", "".join(f"{name}\n" for name in names))
        [draw(root / "dtd/dtd/images" / name, n) for name, (n, _) in zip(names, rows, strict=True)]
    return Miniature(content, NAMES)


def flowers(root: Path) -> Miniature:
    base, content = root / "flowers-102", listed(LABELS)
    [draw(base / f"jpg/image_{n + 1:05d}.jpg", n) for rows in content.values() for n, _ in rows]
    savemat(base / "imagelabels.mat", {"labels": [label + 1 for rows in content.values() for _, label in rows]})
    keys = {"train": "trnid", "val": "valid", "test": "tstid"}
    savemat(base / "setid.mat", {keys[split]: [n + 1 for n, _ in rows] for split, rows in content.items()})
    return Miniature(content, NAMES)


def food101(root: Path) -> Miniature:
    content = sorted_by_class(["train", "test"])
    write(root / "food-101/meta/classes.txt", "\n".join(NAMES))
    for split, rows in content.items():
        paths = {name: [f"{name}/{n}" for n, label in rows if NAMES[label] == name] for name in NAMES}
        write(root / f"food-101/meta/{split}.json", json.dumps(paths))
        [draw(root / f"food-101/images/{NAMES[label]}/{n}.jpg", n) for n, label in rows]
    return Miniature(content, NAMES)


def pets(root: Path) -> Miniature:
    base, content, names = root / "oxford-iiit-pet", listed(["train", "test"]), ("Sphynx", "great_pyrenees", "pug")
    for split, rows in content.items():
        lines = [f"{names[label]}_{n} {label + 1} 1 1\n" for n, label in rows]
        write(base / "annotations" / {"train": "trainval.txt", "test": "test.txt"}[split], "".join(lines))
        [draw(base / f"images/{names[label]}_{n}.jpg", n) for n, label in rows]
    return Miniature(content, names)


def sun397(root: Path) -> Miniature:
    content, names = listed(["train", "test"]), ("abbey", "apse/indoor", "attic")
    write(root / "SUN397/ClassName.txt", "".join(f"/a/{name}\n" for name in names))
    for split, rows in content.items():
        paths = [f"/a/{names[label]}/sun_{n}.jpg" for n, label in rows]
        write(root / "SUN397" / {"train": "Training_01.txt", "test": "Testing_01.txt"}[split], "\n".join(paths))
        [draw(root / f"SUN397{path}", n) for path, (n, _) in zip(paths, rows, strict=True)]
    return Miniature(content, names)


def voc2007(root: Path) -> Miniature:
    """Each image has one class; the next one is marked difficult in it."""
    base, content = root / "VOCdevkit/VOC2007", listed(LABELS)
    for split, rows in content.items():
        write(base / f"ImageSets/Main/{split}.txt", "".join(f"{n:06d}\n" for n, _ in rows))
        for c, name in enumerate(NAMES):  # the class after an image's own is difficult in it
            flags = [1 if c == label else 0 if c == (label + 1) % 3 else -1 for _, label in rows]
            lines = [f"{n:06d} {flag:2d}\n" for (n, _), flag in zip(rows, flags, strict=True)]
            write(base / f"ImageSets/Main/{name}_{split}.txt", "".join(lines))
        [draw(base / f"JPEGImages/{n:06d}.jpg", n) for n, _ in rows]
    return Miniature(content, NAMES)


def imagenet(root: Path) -> Miniature:
    content, wnids = sorted_by_class(["train", "test"]), ("n01440764", "n01443537", "n01484850")
    for split, folder in (("train", "train"), ("test", "val")):
        [draw(root / folder / wnids[label] / f"{wnids[label]}_{n:02d}.JPEG", n) for n, label in content[split]]
    return Miniature(content, wnids)


def gtsrb(root: Path) -> Miniature:
    content = {"train": sorted_by_class(["train"])["train"], "test": listed(["test"])["test"]}
    [draw(root / f"gtsrb/GTSRB/Training/{label:05d}/00000_{n:05d}.ppm", n) for n, label in content["train"]]
    write(root / "gtsrb/GTSRB/Training/00000/GT-00000.csv", "Filename;Width\n")
    [draw(root / f"gtsrb/GTSRB/Final_Test/Images/{n:05d}.ppm", n) for n, _ in content["test"]]
    rows = [f"{n:05d}.ppm;9;7;0;0;8;6;{label}\n" for n, label in content["test"]]
    write(
        root / "gtsrb/GT-final_test.csv", "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n" + "".join(rows)
    )
    return Miniature(content)


def caltech101(root: Path) -> Miniature:
    """40 images a class, of which the draw leaves about half for testing; their colours repeat."""
    content: dict[str, list[tuple[int, int]]] = {"train": [], "test": []}
    rng, number = np.random.RandomState(0), 0
    for label, name in enumerate(("BACKGROUND_Google", "Faces", "accordion")):
        folder = root / "caltech101/101_ObjectCategories" / name
        drawn = set(rng.choice(40, 30).tolist())
        for i in range(40):
            draw(folder / f"image_{i + 1:04d}.jpg", number % 15)
            content["train" if i in drawn else "test"].append((number % 15, label))
            number += 1
    write(root / "caltech101/101_ObjectCategories/BACKGROUND_Google/tmp", "")
    return Miniature(content, ("BACKGROUND_Google", "Faces", "accordion"))


def _mnist(root: Path, folder: str) -> Miniature:
    content = listed(["train", "test"])
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, n = arrays(content[split], 28)[..., 0], len(content[split])
        header = struct.pack(">iiii", 2051, n, 28, 28)
        write(root / folder / f"raw/{prefix}-images-idx3-ubyte", header + images.tobytes())
        labels = bytes(label for _, label in content[split])
        write(root / folder / f"raw/{prefix}-labels-idx1-ubyte", struct.pack(">ii", 2049, n) + labels)
    return Miniature(content)


def mnist(root: Path) -> Miniature:
    return _mnist(root, "MNIST")


def fashionmnist(root: Path) -> Miniature:
    return _mnist(root, "FashionMNIST")


def svhn(root: Path) -> Miniature:
    """Label 0 is written as 10."""
    content = listed(["train", "test"])
    root.mkdir(parents=True, exist_ok=True)
    for split, rows in content.items():
        images = arrays(rows, 32).transpose(1, 2, 3, 0)
        labels = np.array([[label or 10] for _, label in rows], np.uint8)
        savemat(root / f"{split}_32x32.mat", {"X": images, "y": labels})
    return Miniature(content)


def _planes(images: np.ndarray) -> np.ndarray:
    """(N, 3, H, W)."""
    return images.transpose(0, 3, 1, 2)


def cifar10(root: Path) -> Miniature:
    content = listed(["train", "test"])
    for split, rows in content.items():
        found = [bytes([label]) + p.tobytes() for p, (_, label) in zip(_planes(arrays(rows, 32)), rows, strict=True)]
        parts = [found[:2], found[2:3], found[3:4], found[4:5], found[5:]] if split == "train" else [found]
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
        for name, part in zip(names, parts, strict=True):
            write(root / "cifar-10-batches-bin" / name, b"".join(part))
    return Miniature(content, NAMES)


def cifar100(root: Path) -> Miniature:
    """The coarse label, which is not the fine one, comes first."""
    content = listed(["train", "test"])
    for split, rows in content.items():
        planes = _planes(arrays(rows, 32))
        found = [bytes([7, label]) + p.tobytes() for p, (_, label) in zip(planes, rows, strict=True)]
        write(root / f"cifar-100-binary/{split}.bin", b"".join(found))
    return Miniature(content, NAMES)


def stl10(root: Path) -> Miniature:
    content = listed(["train", "test"])
    for split, rows in content.items():
        write(root / f"stl10_binary/{split}_X.bin", arrays(rows, 96).transpose(0, 3, 2, 1).tobytes())
        write(root / f"stl10_binary/{split}_y.bin", bytes(label + 1 for _, label in rows))
    return Miniature(content, NAMES)


def pcam(root: Path) -> Miniature:
    import h5py  # the one dataset that needs it

    (root / "pcam").mkdir(parents=True)
    content = listed(LABELS)
    for split, rows in content.items():
        stem = root / f"pcam/camelyonpatch_level_2_split_{split.replace('val', 'valid')}"
        with h5py.File(f"{stem}_x.h5", "w") as file:
            file["x"] = arrays(rows, 96)
        with h5py.File(f"{stem}_y.h5", "w") as file:
            file["y"] = np.array([label for _, label in rows], np.uint8).reshape(-1, 1, 1, 1)
    return Miniature(content, NAMES)


BUILDERS: dict[str, Callable[[Path], Miniature]] = {
    build.__name__: build
    for build in (
        aircraft, caltech101, cars, cifar10, cifar100, dtd, fashionmnist, flowers, food101, gtsrb, imagenet, mnist,
        pcam, pets, stl10, sun397, svhn, voc2007,
    )
}  # fmt: skip
