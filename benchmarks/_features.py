"""Features of real images by real networks, for the checks of `benchmarks.fidelity`.

Weights and CIFAR-10 come from the folder HARNESS_REAL, photographs from class folders in HARNESS_IMAGES
(`imagenette/{train,val}`, `dtd10`). Each pair of network and dataset is one file, `feat_NETWORK_DATASET.npz`, with
x_train, y_train, x_val, y_val, x_test and y_test.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.datasets import Dataset, folds, subset
from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.pixels import stream
from harness_datasets.arrays import Arrays
from harness_datasets.folder import Folder
from harness_models.ckpt import model

SIZE, BATCH = 128, 64
NETWORKS = {
    "mobilenet_v2": ("mobilenet_v2.pth", "torchvision:mobilenet_v2", "imagenet"),
    "supervised_r50": ("supervised_r50.safetensors", "resnet50-caffe", "imagenet-caffe"),
    "augnet_r50": ("augnet_r50.safetensors", "torchvision:resnet50", "imagenet"),
}
DATASETS = ("cifar10", "imagenette", "dtd10")
LIMITS = {"train": 2500, "test": 1000}
"""Images of CIFAR-10 that are used."""


def folder(variable: str) -> Path:
    """The folder that an environment variable names. Raises `HarnessError` without one."""
    found = os.environ.get(variable)
    if not found or not Path(found).is_dir():
        raise HarnessError(f"set {variable} to a folder, or give --features with files that are already made")
    return Path(found)


@contextmanager
def dataset(name: str) -> Iterator[tuple[Dataset, dict[str, int | None]]]:
    """A dataset with train and test splits, and how many images of each to use."""
    if name == "cifar10":
        yield Arrays(str(folder("HARNESS_REAL") / "cifar10.npz")), dict(LIMITS)
    elif name == "imagenette":
        with tempfile.TemporaryDirectory() as scratch:  # its second folder is what others call the test split
            for split, source in (("train", "train"), ("test", "val")):
                Path(scratch, split).symlink_to(folder("HARNESS_IMAGES").resolve() / name / source)
            yield Folder(scratch), {}
    else:
        yield Folder(str(folder("HARNESS_IMAGES") / name)), {}


def features(encoder: Encoder, name: str) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """x (N, D) float32 and y (N,) of each fold."""
    found: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    with dataset(name) as (images, limits), torch.inference_mode():
        splits = {split: images.checked(split) for split in ("train", "test")}
        rows = {split: subset(len(splits[split]), limits.get(split)) for split in splits}
        for fold, part in folds({split: len(index) for split, index in rows.items()}).items():
            split, index = splits[part.split], rows[part.split][part.index]
            batches = stream(split, index, encoder.preprocess.geometry, "torchvision", BATCH, 1)
            found[f"x_{fold}"] = np.concatenate([encoder(pixels)["embedding"].numpy() for _, pixels in batches])
            found[f"y_{fold}"] = split.targets[index].astype(np.int64)
    return found


def make(target: Path) -> None:
    """Write the files that are not there yet."""
    target.mkdir(parents=True, exist_ok=True)
    for network, (file, arch, preset) in NETWORKS.items():
        missing = [name for name in DATASETS if not (target / f"feat_{network}_{name}.npz").exists()]
        if missing:
            path = str(folder("HARNESS_REAL") / file)
            fields = {"base": preset, "size": SIZE}
            encoder = model(path, arch=arch, format="torchvision", preprocess=fields).load()
            for name in missing:
                path_ = target / f"feat_{network}_{name}.npz"
                part = path_.with_suffix(".part.npz")
                np.savez(part, **features(encoder, name))  # type: ignore[arg-type]
                part.replace(path_)
                print(f"{path_.name} written", flush=True)
