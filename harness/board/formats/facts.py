"""Reading what a board's records hold as JSON, which may have been edited by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def at(facts: Mapping[str, Any], *path: str) -> Any:
    """The value of nested names; None where there is none."""
    value: Any = facts
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
