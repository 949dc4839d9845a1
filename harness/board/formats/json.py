"""A board as JSON: everything it holds."""

from __future__ import annotations

import json

from harness.board.table import Board


def render(board: Board) -> str:
    """Strict JSON: no NaN, no infinity."""
    return json.dumps(board.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
