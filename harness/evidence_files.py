"""Evidence on disk: one safetensors file a task's outcome."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.evidence import Evidence, Variants

if TYPE_CHECKING:
    from torch import Tensor


def save(variants: Variants, path: Path) -> None:
    """Write to a safetensors file: tensors as ``variant/field``, everything else as JSON metadata.

    Raises `OSError` when the disk is full or the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for variant, evidence in variants.items():
        held = evidence.tensors()
        tensors |= {f"{variant}/{name}": value.contiguous() for name, value in held.items()}
        plain[variant] = {
            f.name: value
            for f in dataclasses.fields(evidence)
            if f.name not in held and (value := getattr(evidence, f.name)) is not None
        }
    facts = json.dumps({"kind": next((e.name for e in variants.values()), ""), "variants": plain})
    path.touch()
    mode = path.stat().st_mode & 0o777  # save_file would leave the file to its owner alone
    try:
        save_file(_apart(tensors), path, metadata={"evidence": facts})  # one entry: several have no order
    except SafetensorError as error:  # how it tells of a full disk
        raise OSError(str(error)) from error
    path.chmod(mode)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, those that share memory with an earlier one copied: the format refuses them."""
    seen: set[int] = set()
    apart = {}
    for name, value in tensors.items():
        memory = value.untyped_storage().data_ptr()
        apart[name] = value.clone() if memory in seen else value
        seen.add(memory)
    return apart


def _kinds() -> dict[str, type[Evidence]]:
    """Every type of evidence that has been imported, by name."""
    found, todo = dict[str, type[Evidence]](), [Evidence]
    while todo:
        kind = todo.pop()
        found.setdefault(kind.name, kind)  # a subclass without a name of its own does not take its base's
        todo += kind.__subclasses__()
    return found


def _untupled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as they were before JSON, which has lists only."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def load(path: Path, kind: type[Evidence] | None = None) -> Variants:
    """Read what `save` wrote.

    Args:
        kind: of evidence; by default the one that the file names.

    Raises `HarnessError` for a file that is truncated, something else, or of a type that nothing imported defines.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["evidence"])
            kind = kind or _kinds()[facts["kind"]]
            fields: dict[str, dict[str, Any]] = facts["variants"]
            for key in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                variant, _, name = key.rpartition("/")
                fields[variant][name] = file.get_tensor(key)
        return {variant: kind(**_untupled(values)) for variant, values in fields.items()}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise HarnessError(f"{path}: not an evidence file: {error}") from error
