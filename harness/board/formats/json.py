"""A board as JSON: everything it holds."""

from __future__ import annotations

import json
import math
from typing import Any

from harness.board.table import Board

TOLD = {"rows": ("card", "facts", "provenance"), "columns": ("dataset_card", "facts")}
"""What records tell in fields of their own, which may have been edited by hand."""


def render(board: Board) -> str:
    """Strict JSON: no NaN, no infinity; what a record tells of its model or dataset with such numbers has null there.

    Raises ValueError for a score that is none.
    """
    fields = board.to_dict()
    for part, names in TOLD.items():
        for each in fields[part]:
            each |= {name: _finite(each[name]) for name in names}
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
