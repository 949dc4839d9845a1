from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.encoder import Encoder
from harness.lookup import find_model
from harness.plugins import Host


@pytest.fixture(scope="session")
def host() -> Host:
    return Host()


@pytest.fixture
def load(host: Host) -> Callable[[str], Encoder]:
    return lambda name: find_model(host, name).load()


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkpoint folder, and no other place where weights could be found."""
    monkeypatch.setenv("HARNESS_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture
def real() -> Callable[[str], Path]:
    """A file that `get_real.py` fetched; the test is skipped without it."""

    def path(name: str) -> Path:
        folder = os.environ.get("HARNESS_REAL")
        if not folder or not Path(folder, name).is_file():
            pytest.skip(f"real data not present: {name} in the folder HARNESS_REAL")
        return Path(folder, name)

    return path


@pytest.fixture
def pixels() -> Callable[[int], Tensor]:
    """Two uint8 images (2, 3, S, S)."""

    def make(size: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)

    return make
