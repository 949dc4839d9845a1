"""Analyses: named functions of a whole board."""

from __future__ import annotations

from typing import Any

from harness.analyses import Analysis, analysis
from harness.plots import Figure


def test_an_analysis_is_a_named_function_of_a_board() -> None:
    @analysis("spread")
    def spread(board: Any) -> list[dict[str, Any]]:
        """How far apart the models are.

        In points."""
        return [{"range": max(board) - min(board)}]

    assert isinstance(spread, Analysis)
    assert spread.name == "spread"
    assert spread.__doc__ == "How far apart the models are.\n\nIn points."
    assert spread([3, 1, 2]) == [{"range": 2}]


def test_an_analysis_may_draw() -> None:
    @analysis("plain")
    def plain(board: Any) -> list[dict[str, Any]]:
        """Nothing to see."""
        return []

    @analysis("drawn", figures=lambda board: {"all": Figure(f"<svg>{board}</svg>", b"", [])})
    def drawn(board: Any) -> list[dict[str, Any]]:
        """Something to see."""
        return []

    assert plain.figures is None
    assert drawn.figures is not None
    assert drawn.figures(3) == {"all": Figure("<svg>3</svg>", b"", [])}  # type: ignore[arg-type]
