"""Analyses: board-level plugins that read the whole table of scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from harness.board import Board
    from harness.plots import Figure

Rows = list[dict[str, Any]]
Figures: TypeAlias = "dict[str, Figure]"


@dataclass(frozen=True)
class Analysis:
    """A named function of a board that returns rows of plain values, and maybe another that draws them.

    Attributes:
        figures: gives `harness.plots.Figure`s by name; None for an analysis without pictures.
    """

    name: str
    compute: Callable[[Board], Rows]
    __doc__: str | None = None
    figures: Callable[[Board], Figures] | None = None

    def __call__(self, board: Board) -> Rows:
        return self.compute(board)


def analysis(
    name: str, *, figures: Callable[[Board], Figures] | None = None
) -> Callable[[Callable[[Board], Rows]], Analysis]:
    """Declare an analysis: ``@analysis("spread")`` on a function of a `Board` that returns rows; see `Analysis`."""

    def decorate(compute: Callable[[Board], Rows]) -> Analysis:
        return Analysis(name, compute, inspect.getdoc(compute), figures)

    return decorate
