"""What figures call the models of a board."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.board import Board


def labels(board: Board) -> dict[str, str]:
    """Each model's method where no other model has it, else its name."""
    methods = {row.model: str(row.card.get("method") or "") for row in board.rows}
    often = Counter(methods.values())
    return {model: method if method and often[method] == 1 else model for model, method in methods.items()}
