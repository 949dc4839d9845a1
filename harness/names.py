"""Names with arguments: ``fewshot[5w20s]``, ``scenes[colour]``, ``linear@digits``, ``timm:resnet18?pretrained=1``.

Brackets hold what a Python call would: positional values first, then ``key=value``; values are YAML scalars.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import yaml

from harness.errors import PlanError

_CALL = re.compile(r"^(?P<name>[^\[\]@]+?)(?:\[(?P<args>.*)\])?$", re.DOTALL)
_SCHEME = re.compile(r"^(?P<scheme>[a-z][a-z0-9_+-]*:)(?P<rest>.+)$", re.DOTALL)


@dataclass(frozen=True)
class Ref:
    """A name and the arguments in its brackets."""

    name: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text or self.name


def scalar(text: str) -> Any:
    """A YAML scalar (``8`` int, ``0.1`` float, ``true`` bool, else the text); lists with ``|``: ``1|10|20``."""
    text = text.strip()
    if "|" in text:
        return tuple(scalar(part) for part in text.split("|"))
    try:
        value = yaml.safe_load(text) if text else ""
    except (yaml.YAMLError, ValueError):  # ValueError: looks like a date or a number, and is none
        return text
    return value if isinstance(value, int | float | bool | str) else text


def parse(text: str) -> Ref:
    """``name[a, k=v]`` as a `Ref`; a ``scheme:rest`` name keeps its rest whole.

    Raises `PlanError` for unbalanced brackets, an empty name, or a positional value after a named one.
    """
    text = text.strip()
    match = _CALL.match(text)
    if _SCHEME.match(text) and not text.endswith("]"):
        return Ref(text, text=text)
    if not match or not match["name"].strip():
        raise PlanError(f"cannot read the name {text!r}: expected NAME or NAME[value, key=value]")
    args: list[Any] = []
    options: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in (match["args"] or "").split(","))):
        key, equals, value = part.partition("=")
        if equals:
            options[key.strip()] = scalar(value)
        elif options:
            raise PlanError(f"in {text!r}: the positional value {part!r} stands after a named one")
        else:
            args.append(scalar(part))
    return Ref(match["name"].strip(), tuple(args), options, text)


def parse_task(text: str) -> tuple[Ref, Ref]:
    """``protocol[...]@dataset[...]`` as two refs; the dataset may be a path-like URI.

    Raises `PlanError` when there is no ``@``.
    """
    protocol, at, dataset = text.partition("@")
    if not at or not protocol.strip() or not dataset.strip():
        raise PlanError(f"cannot read the task {text!r}: expected PROTOCOL@DATASET, e.g. linear@digits")
    return parse(protocol), parse(dataset)


def split_scheme(name: str) -> tuple[str, str] | None:
    """``timm:resnet50`` as ``("timm:", "resnet50")``; None for a plain name."""
    match = _SCHEME.match(name)
    return (match["scheme"], match["rest"]) if match else None


def split_query(rest: str) -> tuple[str, dict[str, Any]]:
    """``path?arch=resnet50&format=moco`` as the path and its options."""
    source, _, query = rest.partition("?")
    return source, {key: scalar(value) for key, value in parse_qsl(query, keep_blank_values=True)}
