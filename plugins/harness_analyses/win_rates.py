"""How often is one model better than another? The share of tasks, model by model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import analysis
from harness.numerics import omnibus
from harness.plots import heatmap
from harness_analyses.common import PAIRED, oriented
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board

MOST = 60
"""Models that the figure shows, the best."""


def draw(board: Board) -> Figures:
    """Models against models, in the order of the board: how often the row's is better than the column's."""
    values, columns = oriented(board)
    if not columns or values.shape[1] < 2:
        return {}
    rows = board.ranked[:MOST]
    names = [labels(board)[row.model] for row in rows]
    paradigms = [row.paradigm for row in rows]
    about = f"{values.shape[1]} models{f', the first {MOST} of them' if values.shape[1] > MOST else ''}"
    return {
        "win_rates": heatmap(
            100 * omnibus.win_rates(values[:, : len(rows)]), names, names, f"{board.title}: win rates",
            label="columns where the row's model is better, %", low=0, high=100, row_groups=paradigms,
            column_groups=paradigms, subtitle=f"{about}, {len(columns)} columns; ties count half",
        )
    }  # fmt: skip


@analysis("win_rates", figures=draw)
def win_rates(board: Board) -> list[dict[str, Any]]:
    """How often each model is better than each other one, over the ranked columns.

    One row for each ordered pair of ranked models, in the order of the board: `win_rate` is the share of columns, in
    percent, where the model's score is better than its partner's; ties count half. Nobody's noise is considered: half
    of the wins of one model over its twin are chance. Of more than 200 models, the first 200 have rows.
    """
    values, columns = oriented(board)
    if not columns or values.shape[1] < 2:
        return []
    names = [row.model for row in board.ranked[:PAIRED]]
    rates = 100 * omnibus.win_rates(values[:, : len(names)])
    return [
        {"model": a, "partner": b, "win_rate": float(rates[i, j]), "columns": len(columns)}
        for i, a in enumerate(names)
        for j, b in enumerate(names) if i != j
    ]  # fmt: skip
