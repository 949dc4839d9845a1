"""How a run is carried out. Nothing here can change a score, and nothing here is in a key."""

from __future__ import annotations

import os
import platform
import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError


def usable_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Options:
    """Where and how.

    Attributes:
        arrays: the array store; default HARNESS_ARRAYS, else ``out/arrays``.
        device: ``auto`` takes a CUDA device when there is one.
        batch_size: of the passes; default by image size, halved on out-of-memory.
        force: compute everything anew, records, evidence and embeddings.
        fail_fast: stop at the first failed cell.
        pixel_cache: keep a split's decoded pixels in the store when they take at most this many bytes.
    """

    out: Path
    arrays: Path | None = None
    device: str = "auto"
    batch_size: int | None = None
    workers: int = field(default_factory=usable_cores)
    force: bool = False
    fail_fast: bool = False
    pixel_cache: int = 20 * 2**30

    def __post_init__(self) -> None:
        for name in ("out", "arrays"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path))


def resolve_device(name: str) -> str:
    """A torch device that works here. Raises `HarnessError` for one that does not."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise HarnessError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}; try --device cpu") from None
    return name


def environment(device: str) -> dict[str, Any]:
    """What a record says of where it was made."""
    import torch
    import torchvision

    cuda = device.startswith("cuda")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu ({torch.get_num_threads()} threads)",
    }


def peak_memory(device: str) -> dict[str, int]:
    """Peak bytes so far: of the process, and of the CUDA device where one is used."""
    import torch

    scale = 1 if sys.platform == "darwin" else 1024
    peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale}
    return peak | ({"device": torch.cuda.max_memory_allocated(device)} if device.startswith("cuda") else {})
