"""JSON from outside, read so that every reader finds the same in it and every number of it can be shown."""

from __future__ import annotations

import json
import math
from typing import Any

WHOLE = 2**53
"""Beyond it not every reader tells two whole numbers apart."""
FAR = 1e100
DEPTH = 50


def read_json(data: bytes) -> Any:
    """A JSON value.

    Raises `ValueError` or `RecursionError` for what is no JSON, a field that is there twice, a number that is not
    finite or too large, and what is nested too deeply.
    """
    value = json.loads(
        data, parse_constant=_constant, parse_float=_float, parse_int=_int, object_pairs_hook=_once
    )  # fmt: skip
    _shallow(value)
    return value


def _constant(text: str) -> Any:
    raise ValueError(f"it holds {text}, which is no number")


def _float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"it holds {text[:20]}, which is no finite number")
    if abs(value) > FAR:
        raise ValueError(f"it holds {text[:20]}, which is beyond {FAR:g}")
    return value


def _int(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > WHOLE:
        raise ValueError(f"it holds a whole number of {len(text):,} digits, {text[:20]}…: at most 2**53 is read")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its field {ascii(twice)[:60]} is there twice")
    return found


def _shallow(value: Any) -> None:
    level, depth = [value], 0
    while level:
        if depth > DEPTH:
            raise ValueError(f"it is nested more than {DEPTH} deep")
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level, depth = [part for some in parts for part in some], depth + 1
