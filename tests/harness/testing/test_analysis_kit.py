"""Each planted fault fails its own check, and no other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from harness.analyses import Analysis, analysis
from harness.board import Board
from harness.plots import Figure
from harness.testing import check_analysis


def declare(compute: Any) -> Analysis:
    compute.__doc__ = compute.__doc__ or "Planted."
    return analysis("planted")(compute)


def the_fault(planted: Analysis, check: str) -> str:
    found = {f.check: f.message for f in check_analysis(planted) if f.status == "failed"}
    assert list(found) == [check], found
    return found[check]


def ranks(board: Board) -> list[dict[str, Any]]:
    """Each model's average rank."""
    return [{"model": row.model, "rank": row.average_rank} for row in board.rows]


def test_a_sound_analysis_passes_every_check() -> None:
    assert {f.status for f in check_analysis(declare(ranks))} == {"passed"}


def test_rows_that_are_no_plain_values() -> None:
    check = "rows of plain values"
    assert "plain finite values" in the_fault(declare(lambda board: [{"x": np.float64("nan")}]), check)
    assert "list of dicts" in the_fault(declare(lambda board: {"x": 1}), check)
    assert "share their columns" in the_fault(declare(lambda board: [{"x": 1}, {"y": 1}]), check)


def test_randomness() -> None:
    counter = itertools.count()
    assert "seed what is random" in the_fault(declare(lambda board: [{"x": next(counter)}]), "deterministic")


def test_small_boards() -> None:
    first = declare(lambda board: [{"best": board.rows[0].model}])
    assert "a board of 0 models raised IndexError" in the_fault(first, "small boards")


def test_figures() -> None:
    counter = itertools.count()
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><title>{}</title></svg>'
    png = b"\x89PNG\r\n\x1a\n"

    def drawn(figures: Any) -> Analysis:
        return Analysis("planted", ranks, "Planted.", figures)

    def one(svg: str, png: bytes = png, rows: Any = ({"x": 1},)) -> Any:
        return drawn(lambda board: {"a": Figure(svg, png, list(rows))})

    assert {f.status for f in check_analysis(one(svg))} == {"passed"}
    assert "no XML" in the_fault(one("<svg><g></svg>"), "figures")
    assert "no SVG with its namespace" in the_fault(one("<svg/>"), "figures")
    assert "no harness.plots.Figure" in the_fault(drawn(lambda board: {"a": svg}), "figures")
    assert "has no PNG" in the_fault(one(svg, b"GIF89a"), "figures")
    assert "rows of the figure 'a' must hold plain" in the_fault(one(svg, rows=[{"x": float("nan")}]), "figures")
    random = drawn(lambda board: {"a": Figure(svg.format(next(counter)), png, [])})
    assert "seed what is random" in the_fault(random, "figures")
    first = drawn(lambda board: {board.rows[0].model: Figure(svg, png, [])})
    assert "a board of 0 models raised IndexError" in the_fault(first, "small boards")


def test_no_documentation() -> None:
    assert "no documentation" in the_fault(Analysis("planted", ranks), "documented")
