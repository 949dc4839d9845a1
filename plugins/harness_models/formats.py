"""Checkpoint formats as data: how the keys of a published file become those of the backbone.

Adding one takes an entry of `FORMATS`, or, without touching this file, the same fields in a catalogue::

    format: {unwrap: [state_dict], strip: ["module.", "backbone."], drop: ["projector."]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import HarnessError, nearest


class Format(BaseModel):
    """How to read one family of checkpoints. The steps apply in the order of the fields.

    Attributes:
        unwrap: keys to descend through, each where it is present, to reach the weights.
        strip: prefixes to take off every key, one after the other.
        rename: regular expressions and what replaces them.
        drop: prefixes of keys that are no part of the backbone: heads, momentum encoders, queues. Only keys that the
            backbone does not have are dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    unwrap: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    drop: tuple[str, ...] = ()

    def weights(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """A checkpoint's weights under the backbone's keys. Raises `HarnessError` when two keys become one."""
        for key in self.unwrap:
            if isinstance(inner := content.get(key), Mapping):
                content = inner
        result: dict[str, Any] = {}
        for key, value in content.items():
            if (name := self._name(key)) in result:
                raise HarnessError(f"two keys become {name!r}, the second is {key!r}")
            result[name] = value
        return result

    def _name(self, key: str) -> str:
        for prefix in self.strip:
            key = key.removeprefix(prefix)
        for pattern, replacement in self.rename.items():
            key = re.sub(pattern, replacement, key)
        return key


FORMATS: dict[str, Format] = {
    "plain": Format(),
    "torchvision": Format(
        unwrap=("state_dict", "model"), strip=("module.",), drop=("fc.", "classifier.", "heads.", "head.")
    ),
    "timm": Format(unwrap=("state_dict", "model"), strip=("module.",), drop=("head.", "fc.", "classifier.")),
    "moco": Format(unwrap=("state_dict",), strip=("module.", "encoder_q."), drop=("encoder_k.", "queue", "fc.")),
}


def format_of(value: str | Mapping[str, Any]) -> Format:
    """A format by name, or from its fields. Raises `HarnessError` with the nearest known name or field."""
    if isinstance(value, str):
        if value not in FORMATS:
            known = ", ".join(FORMATS)
            raise HarnessError(f"no checkpoint format named {value!r}{nearest(value, FORMATS)} (known: {known})")
        return FORMATS[value]
    try:
        return Format.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise HarnessError(f"format {name}: {first['msg']}{nearest(name, Format.model_fields)}") from None
