from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from miniatures import BUILDERS, Miniature
from torchvision.datasets import SVHN, Flowers102

from harness.lookup import find_dataset
from harness.plugins import Host
from harness_datasets.official.base import Official

Small = Callable[..., tuple[Official, Miniature]]


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and no network."""
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    return tmp_path / "data"


@pytest.fixture
def small(data_folder: Path, monkeypatch: pytest.MonkeyPatch, host: Host) -> Small:
    """``small(name)``: the registered dataset over a miniature of it, and what the miniature holds."""

    def make(name: str, **facts: Any) -> tuple[Official, Miniature]:
        root = data_folder / name
        mini = BUILDERS[name](root)
        dataset = find_dataset(host, name)
        assert isinstance(dataset, Official)
        named = not isinstance(dataset.facts.classes, int)
        sizes = {split: len(rows) for split, rows in mini.content.items()}
        known = {"splits": sizes, "classes": mini.classes if named else len(mini.classes), **facts}
        dataset.facts = dataset.facts.model_copy(update=known)
        vars(dataset).pop("_classes", None)
        publish(root, monkeypatch)
        return dataset, mini

    return make


def publish(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the digests that torchvision checks those of the miniature."""

    def md5(name: str) -> str:
        path = root / name
        return hashlib.md5(path.read_bytes()).hexdigest() if path.exists() else ""

    lists = {split: ["", f"{split}_32x32.mat", md5(f"{split}_32x32.mat")] for split in ("train", "test")}
    monkeypatch.setattr(SVHN, "split_list", lists)
    files = {"label": "imagelabels.mat", "setid": "setid.mat"}
    monkeypatch.setattr(Flowers102, "_file_dict", {k: (f, md5(f"flowers-102/{f}")) for k, f in files.items()})
