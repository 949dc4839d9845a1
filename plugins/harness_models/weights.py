"""Reading checkpoints and loading them strictly. A pickle is never executed."""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import threading
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from harness.errors import HarnessError, one_line
from harness.identity import file_digest
from harness_models.formats import FORMATS, Format
from harness_models.pickles import BROKEN, SAFE, read_arrays

PICKLES = (".pth", ".pt", ".tar", ".bin", ".ckpt", ".torch")
ARRAYS = ".pkl"  # a pickle of arrays that torch did not write
SHOWN = 4  # keys named in a message
PREFIX = 8  # digits of a digest that PyTorch puts into the name of a file, ``resnet50-0676ba61.pth``
_reading = threading.Lock()  # torch's list of what a pickle may name is one for all threads


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint file, on the CPU.

    Raises `HarnessError` for a file that is truncated, no checkpoint, or a pickle that holds more than tensors and
    plain values: torch reads it with ``weights_only=True``, which executes nothing. The options of the training run
    that many files carry (an ``argparse.Namespace``, numpy scalars) are read as inert stand-ins.
    """
    if path.suffix == ARRAYS:
        return read_arrays(path)
    if path.suffix != ".safetensors" and path.suffix not in PICKLES:
        raise HarnessError(f"{path}: not a checkpoint: expected .safetensors, or {', '.join((*PICKLES, ARRAYS))}")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        # What torch thinks of an old pickle is ignored; the error says it better.
        with _reading, warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(SAFE):
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
    except (*BROKEN, RuntimeError, AssertionError, struct.error) as error:  # whatever torch stumbles over
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
    """Raise `HarnessError` unless the file has the declared digest; an empty one declares nothing.

    The first `PREFIX` digits or more stand for the whole, as in the names of PyTorch's files. So few tell a truncated
    or a wrong file, not a forged one.
    """
    if sha256 and (not (found := file_digest(path)).startswith(sha256.lower()) or len(sha256) < PREFIX):
        raise HarnessError(f"{path}: its SHA-256 is {found}, not {sha256} as declared: fetch it again")


def load_strictly(module: nn.Module, path: Path, layout: Format) -> None:
    """Load a checkpoint into `module`, each weight cast to the module's dtype.

    Raises `HarnessError` that counts and names the keys when any is missing, unexpected, of another shape or
    kind (sparse, quantised, integers for floats), and names a format that would fit.
    """
    wanted, content = module.state_dict(), read(path)
    try:
        found = _backbone_weights(content, layout, wanted)
    except HarnessError as error:
        raise HarnessError(f"{path}: {error}") from error
    if faults := _faults(found, wanted):
        fitting = _fitting(content, wanted)
        advice = f"; it fits as format {' or '.join(fitting)}" if fitting else ""
        raise HarnessError(f"{path} does not fit the {type(module).__name__}: {'; '.join(faults)}{advice}")
    module.load_state_dict(found, strict=False)


def _backbone_weights(content: Mapping[str, Any], layout: Format, wanted: Mapping[str, Tensor]) -> dict[str, Any]:
    """The weights under the backbone's keys, without the heads that the format declares."""
    found = layout.weights(content)
    return {key: value for key, value in found.items() if key in wanted or not key.startswith(layout.drop)}


def _faults(found: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> list[str]:
    """What keeps the weights from being loaded; nothing when they fit."""
    both = wanted.keys() & found.keys()
    kinds = {key: kind for key in both if isinstance(found[key], Tensor) and (kind := _kind(found[key], wanted[key]))}
    shapes = {
        f"{key} {_shape(found[key])}, not {_shape(wanted[key])}"
        for key in both - kinds.keys()
        if not isinstance(found[key], Tensor) or found[key].shape != wanted[key].shape
    }
    # Files of before torch 0.4.1 lack the counter num_batches_tracked, which no output depends on.
    missing = [key for key in wanted.keys() - found.keys() if not key.endswith("num_batches_tracked")]
    unexpected = found.keys() - wanted.keys()
    faults = {
        "missing": missing,
        "unexpected": unexpected,
        "of another kind": [f"{key} {kind}" for key, kind in kinds.items()],
        "of another shape": shapes,
    }
    return [_listed(what, keys) for what, keys in faults.items() if keys]


def _kind(found: Tensor, wanted: Tensor) -> str:
    """What a tensor is that cannot be copied into the wanted one as it stands, or nothing for one that can."""
    kinds = {
        "nested": found.is_nested,
        "quantised": found.is_quantized,
        "meta": found.is_meta,
        "sparse": found.layout != torch.strided,
        str(found.dtype).removeprefix("torch."): wanted.is_floating_point() and not found.is_floating_point(),
    }
    return next((kind for kind, holds in kinds.items() if holds), "")


def _fitting(content: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> list[str]:
    """The formats under which the content would load."""
    names = []
    for name, layout in FORMATS.items():
        try:
            if not _faults(_backbone_weights(content, layout, wanted), wanted):
                names.append(name)
        except HarnessError:  # keys that are no names, or two that become one
            continue
    return names


def _shape(value: Any) -> str:
    """``64x3x7x7``, or the type of what is no tensor."""
    return "x".join(map(str, value.shape)) or "scalar" if isinstance(value, Tensor) else type(value).__name__


def _listed(what: str, keys: Collection[str]) -> str:
    """``3 keys missing (a, b, c)``."""
    shown = ", ".join(sorted(keys)[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
    return f"{len(keys)} keys {what} ({shown})"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random initialisation from `seed` alone; the caller's random state is left as it was."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        yield
