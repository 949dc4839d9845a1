"""Reading checkpoints and loading them strictly. A pickle is never executed."""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.errors import HarnessError, one_line
from harness.identity import file_digest
from harness_models.formats import Format

PICKLES = (".pth", ".pt", ".tar", ".bin", ".ckpt")
SHOWN = 4  # keys named in a message


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU.

    Raises `HarnessError` for a file that is truncated, no checkpoint, or a pickle that holds more than tensors and
    plain values: torch reads it with ``weights_only=True``, which executes nothing.
    """
    if path.suffix != ".safetensors" and path.suffix not in PICKLES:
        raise HarnessError(f"{path}: not a checkpoint: expected .safetensors, or {', '.join(PICKLES)}")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings(action="ignore"):  # what torch thinks of an old pickle; the error says it better
            content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise HarnessError(f"{path}: truncated, or no safetensors file: {one_line(error)}") from error
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            raise HarnessError(
                f"{path}: this pickle would execute code ({found[1]}), so it is not loaded: convert it to safetensors"
            ) from error
        if _holds_objects(path):
            raise HarnessError(
                f"{path}: this pickle holds Python objects, which may execute code, so it is not loaded: "
                "convert it to safetensors"
            ) from error
        raise HarnessError(f"{path}: truncated, or no checkpoint that torch can read") from error
    except (RuntimeError, EOFError, OSError) as error:
        raise HarnessError(f"{path}: cannot be read as a checkpoint: {one_line(error)[:200]}") from error
    if not isinstance(content, dict):
        raise HarnessError(f"{path}: holds a {type(content).__name__}, not a dictionary of weights")
    return content


def _holds_objects(path: Path) -> bool:
    """Whether a bare pickle names or calls anything: its opcodes are listed, nothing is executed."""
    with path.open("rb") as file:
        try:
            return any(op.name in ("GLOBAL", "STACK_GLOBAL", "INST", "REDUCE") for op, _, _ in pickletools.genops(file))
        except ValueError:  # no pickle, or a truncated one
            return False


def check_digest(path: Path, sha256: str) -> None:
    """Raise `HarnessError` unless the file has the declared digest; an empty one declares nothing."""
    if sha256 and (found := file_digest(path)) != sha256.lower():
        raise HarnessError(f"{path}: its SHA-256 is {found}, not {sha256} as declared: fetch it again")


def load_strictly(module: nn.Module, path: Path, layout: Format) -> None:
    """Load a checkpoint into `module`, each weight cast to the module's dtype.

    Raises `HarnessError` that counts and names the keys when any is missing, unexpected or of another shape.
    """
    wanted = module.state_dict()
    try:
        found = layout.weights(read(path))
    except HarnessError as error:
        raise HarnessError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    found = {key: value for key, value in found.items() if key in wanted or not key.startswith(layout.drop)}
    faults = [
        # Files of before torch 0.4.1 lack this counter, which no output depends on.
        _listed("missing", [key for key in wanted.keys() - found if not key.endswith("num_batches_tracked")]),
        _listed("unexpected", found.keys() - wanted),
        _listed("of another shape", [key for key in wanted.keys() & found if not _fits(found[key], wanted[key])]),
    ]
    if any(faults):
        raise HarnessError(f"{path} does not fit the {type(module).__name__}: {'; '.join(filter(None, faults))}")
    module.load_state_dict(found, strict=False)


def _fits(value: Any, wanted: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == wanted.shape


def _listed(what: str, keys: Collection[str]) -> str:
    """``3 keys missing (a, b, c)``, or nothing when there are none."""
    shown = ", ".join(sorted(keys)[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
    return f"{len(keys)} keys {what} ({shown})" if keys else ""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random initialisation from `seed` alone; the caller's random state is left as it was."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        yield
