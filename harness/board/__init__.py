"""The board: records as a ranked table, and its renderings."""

from __future__ import annotations

from harness.board.assemble import build
from harness.board.formats import write
from harness.board.table import Board, Column, Entry, Pair, Row

__all__ = ["Board", "Column", "Entry", "Pair", "Row", "build", "write"]
