"""What does quality cost? The board's score against size, computation and time, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from harness import analysis
from harness.plots import LOG, Axis, Point, scatter
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Cost, Row

SCORES = {"score": "score, 0 to 100", "logit": "score, 0 to 100 (mean of logits)", "rank": "average rank, negated"}
NAMED = 30
"""Models up to which a figure names all; of more, those on the front."""


class Kind(NamedTuple):
    """A kind of cost: its name, its unit, and how it is read."""

    name: str
    unit: str
    of: Callable[[Cost], float | None]


KINDS = (
    Kind("parameters", "millions", lambda cost: _scaled(cost.parameters, 1e6)),
    Kind("computation", "GFLOPs an image", lambda cost: _scaled(cost.flops, 1e9)),
    Kind("inference", "ms an image", lambda cost: 1000 / cost.images_per_second if cost.images_per_second else None),
    Kind("evaluation", "seconds", lambda cost: _scaled(cost.seconds, 1)),
)


class Offer(NamedTuple):
    """A model at its cost; whether no other gives as much for less."""

    row: Row
    cost: float
    score: float
    front: bool


def draw(board: Board) -> Figures:
    """A scatter plot for each kind of cost in which models differ, with the front as a stair."""
    called = labels(board)
    paradigms = [row.paradigm for row in board.ranked]
    shown: Figures = {}
    for kind in KINDS:
        if found := offers(board, kind):
            points = [
                Point(called[o.row.model] if o.front or len(found) <= NAMED else "", LOG.to(o.cost), o.score,
                      o.row.paradigm) for o in found
            ]  # fmt: skip
            axes = Axis(f"{kind.name}, {kind.unit} (logarithmic)", LOG), Axis(SCORES[board.rule.by])
            front = sorted({(p.x, p.y) for p, o in zip(points, found, strict=True) if o.front})
            about = f"{len(found)} models; the line is the best score that the cost buys"
            about += ", those on it are named" if len(found) > NAMED else ""
            shown[kind.name] = scatter(
                points, *axes, f"{board.title}: score against {kind.name}", subtitle=about, groups=paradigms,
                line=False, steps=front,
            )  # fmt: skip
    return shown


@analysis("cost_quality", figures=draw)
def cost_quality(board: Board) -> list[dict[str, Any]]:
    """What quality costs: each ranked model's score on the board against every cost that is known of it.

    Costs are ``parameters`` (millions) and ``computation`` (GFLOPs of one image) of the encoder, ``inference``
    (milliseconds an image in the encoder's pass) and ``evaluation`` (seconds of all its measured cells). `front` says
    whether no model has a score as good for less, or a better one for as much (the Pareto front). `score` is what the
    board is ordered by, average ranks negated.

    Times compare only where machine and settings were the same. No rows of a cost in which no models differ.
    """
    return [
        {
            "cost": kind.name, "unit": kind.unit, "model": o.row.model, "paradigm": o.row.paradigm, "value": o.cost,
            "score": o.score, "front": o.front,
        }
        for kind in KINDS
        for o in offers(board, kind)
    ]  # fmt: skip


def offers(board: Board, kind: Kind) -> list[Offer]:
    """The ranked models whose cost is known, the cheapest first; none where all cost the same."""
    sign = -1.0 if board.rule.by == "rank" else 1.0
    known = [
        (cost, sign * row.standing.score, row)
        for row in board.ranked
        if row.standing is not None and (cost := kind.of(row.cost)) is not None and cost > 0
    ]
    if len({cost for cost, _, _ in known}) < 2:
        return []
    known.sort(key=lambda offer: (offer[0], -offer[1], offer[2].model))
    fronts = pareto((cost, score) for cost, score, _ in known)
    return [Offer(row, cost, score, on) for (cost, score, row), on in zip(known, fronts, strict=True)]


def pareto(offers: Iterable[tuple[float, float]]) -> list[bool]:
    """Whether each (cost, score) is on the front, in order of rising cost and, of one cost, falling score.

    Equals are on it together.
    """
    found: list[bool] = []
    best: tuple[float, float] | None = None
    for cost, score in offers:
        on = best is None or score > best[1] or (cost, score) == best
        best = (cost, score) if on else best
        found.append(on)
    return found


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
