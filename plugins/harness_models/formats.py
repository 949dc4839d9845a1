"""Checkpoint formats as data: how the keys of a published file become those of the backbone.

Adding one takes an entry of ``formats.yaml``, or, without touching this package, the same fields in a catalogue::

    format: {unwrap: [state_dict], strip: ["module.", "backbone."], drop: ["projector."]}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import HarnessError, nearest
from harness.yamlfile import YamlFile

Weights = dict[str, Any]
PARTS = 20_000  # nested dictionaries of a checkpoint, of which the largest networks have some thousands


class Format(BaseModel):
    """How to read one family of checkpoints. The steps apply in the order of the fields.

    Attributes:
        unwrap: keys to descend through, each where it is present, to reach the weights.
        join: keys whose contents are taken together, nested keys joined by ``/``; none takes all as it is.
        strip: prefixes to take off every key, one after the other.
        rename: regular expressions and what replaces them, one after the other.
        drop: prefixes of keys that are no part of the backbone: heads, momentum encoders, queues. Only keys that the
            backbone does not have are dropped.
        transforms: regular expressions of (renamed) keys, and the one of `TRANSFORMS` applied to their tensors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    summary: str = ""
    unwrap: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    transforms: dict[str, str] = {}

    @field_validator("rename", "transforms")
    @classmethod
    def _patterns_compile(cls, value: dict[str, str]) -> dict[str, str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value

    @field_validator("transforms")
    @classmethod
    def _transforms_exist(cls, value: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in value.values() if name not in TRANSFORMS]:
            known = ", ".join(TRANSFORMS)
            raise ValueError(f"no transform {unknown[0]!r}{nearest(unknown[0], TRANSFORMS)} (known: {known})")
        return value

    def weights(self, content: Mapping[str, Any]) -> Weights:
        """A checkpoint's weights under the backbone's keys.

        Raises `HarnessError` for keys that are no names, when two keys become one, and for a tensor that a transform
        does not fit.
        """
        for key in self.unwrap:
            if isinstance(inner := content.get(key), Mapping):
                content = inner
        result: Weights = {}
        for key, value in self._joined(content):
            if (name := self._name(key)) in result:
                raise HarnessError(f"two keys become {name!r}, the second is {key!r}")
            result[name] = value
        for pattern, transform in self.transforms.items():
            for key in [key for key in result if re.search(pattern, key)]:
                try:
                    TRANSFORMS[transform](result, key)
                except (RuntimeError, AttributeError, TypeError, KeyError, IndexError) as error:
                    raise HarnessError(f"transform {transform} does not fit {key!r}: {error}") from error
        return result

    def _joined(self, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        if not self.join:
            yield from ((_checked(key), value) for key, value in content.items())
        for key in self.join:
            if isinstance(part := content.get(key), Mapping):
                yield from _flat(part)

    def _name(self, key: str) -> str:
        for prefix in self.strip:
            key = key.removeprefix(prefix)
        for pattern, replacement in self.rename.items():
            key = re.sub(pattern, replacement, key)
        return key


def _checked(key: Any) -> str:
    if not isinstance(key, str):
        raise HarnessError("holds keys that are no names: not a checkpoint of weights")
    return key


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Nested mappings as one: ``{"a": {"b": 1}}`` gives ``a/b``. Those that hold each other would have no end."""
    left, parts = [("", content)], 0
    while left:
        prefix, part = left.pop()
        for key, value in part.items():
            name = f"{prefix}{_checked(key)}"
            if isinstance(value, Mapping):
                left.append((f"{name}/", value))
            else:
                yield name, value
        if (parts := parts + 1) > PARTS:
            raise HarnessError(f"holds more than {PARTS:,} dictionaries: not a checkpoint of weights")


def _kernel(weights: Weights, key: str) -> None:
    """A convolution's kernel from (H, W, I, O), as JAX and TensorFlow keep it, to (O, I, H, W)."""
    weights[key] = weights[key].permute(3, 2, 0, 1).contiguous()


def _flatten(weights: Weights, key: str) -> None:
    """(1, 1, 1, C) to (C,)."""
    weights[key] = weights[key].flatten()


def _class_position(weights: Weights, key: str) -> None:
    """Positions (1, 1 + T, D): the class token's is added to the token, those of the T patches are kept."""
    weights["cls_token"] = weights["cls_token"] + weights[key][:, :1]
    weights[key] = weights[key][:, 1:]


def _each_block(weights: Weights, key: str) -> None:
    """A table that all blocks of a transformer share becomes each block's own."""
    table = weights.pop(key)
    blocks = {match[1] for name in weights if (match := re.match(r"blocks\.(\d+)\.", name))}
    weights |= {f"blocks.{block}.attn.relative_position_bias_table": table for block in blocks}


def _unit_scale(weights: Weights, key: str) -> None:
    """A ConvNeXt block without layer scale, told by its first bias, is one whose scale is 1."""
    weights.setdefault(key.replace("conv_dw.bias", "gamma"), weights[key].new_ones(weights[key].shape))


TRANSFORMS: dict[str, Callable[[Weights, str], None]] = {
    "hwio-to-oihw": _kernel,
    "flatten": _flatten,
    "class-position-to-token": _class_position,
    "table-to-each-block": _each_block,
    "unit-layer-scale": _unit_scale,
}


class _FormatsFile(BaseModel):
    """The shape of ``formats.yaml``."""

    model_config = ConfigDict(extra="forbid")
    formats: dict[str, Format] = Field(default_factory=dict)


FORMATS: dict[str, Format] = YamlFile(Path(__file__).with_suffix(".yaml")).validate(_FormatsFile).formats


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
