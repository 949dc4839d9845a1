"""What stands between a model's name and its scores: its rank, what it is ranked by, and which models tie with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_lowercase
from typing import NamedTuple

from harness.board.numbers import mean_rank, rank, total
from harness.board.table import Board

MOST = 12
"""Ties of one model that are shown; more cannot be read, and the rank intervals say as much."""

ALIGNED = 8


class Tie(NamedTuple):
    """A run of ranked rows that the evidence does not tell apart.

    Attributes:
        first, last: places among the ranked rows, from 0.
        lane: where it is drawn, 0 for the first; runs of one lane do not touch.
    """

    first: int
    last: int
    lane: int


class Lead(NamedTuple):
    """One model's, as texts; see `harness.board.numbers`."""

    rank: str
    score: str
    half: str
    ties: str
    mean: str


class Leads(NamedTuple):
    """Those of all models.

    Attributes:
        of: by model.
        ranked: whether anybody is; if not, there is nothing to show.
        heading: of the score: what the order is by.
        lettered: whether ties are told.
        averaged: whether mean ranks say more than the score and the columns do.
        notes: what a reader must know of them that the board's footnotes do not tell.
    """

    of: dict[str, Lead]
    ranked: bool
    heading: str
    lettered: bool
    averaged: bool
    notes: tuple[str, ...]

    @property
    def headings(self) -> list[str]:
        """Of the columns that `cells` fills; none where nobody is ranked."""
        return ["Rank", self.heading, *(["Ties"] if self.lettered else [])] if self.ranked else []

    def cells(self, model: str) -> list[str]:
        """A model's rank, score and ties."""
        lead = self.of[model]
        texts = [lead.rank, f"{lead.score} {lead.half}".strip(), *([lead.ties] if self.lettered else [])]
        return texts if self.ranked else []


def leads(board: Board, blank: str = "") -> Leads:
    """The leads of a board.

    Args:
        blank: stands for the letters that a model lacks, in type of one width, so that each run is a column of its
            letter; by default, and where there are many, the letters close up.
    """
    by, runs = board.rule.by, lanes(board.ties)
    shown = drawable(runs) if len(runs) <= len(ascii_lowercase) else ()
    letters = dict(zip((row.model for row in board.ranked), _letters(shown, len(board.ranked), blank), strict=True))
    found = {
        row.model: Lead(
            rank(row.standing), *total(row.standing, by), letters.get(row.model, ""), mean_rank(row.average_rank)
        )
        for row in board.rows
    }
    heading = "Average rank" if by == "rank" else "Score"
    averaged = bool(board.ranked) and by != "rank" and sum(c.ranked for c in board.columns) > 1
    return Leads(found, bool(board.ranked), heading, bool(shown), averaged, tuple(_notes(board, runs, bool(shown))))


def lanes(ties: Sequence[tuple[int, int]]) -> tuple[Tie, ...]:
    """The runs from top to bottom, each in the first lane that is free."""
    ends: list[int] = []
    found = []
    for first, last in sorted(run for run in ties if run[1] > run[0]):
        lane = next((i for i, end in enumerate(ends) if end < first), len(ends))
        ends[lane : lane + 1] = [last]
        found.append(Tie(first, last, lane))
    return tuple(found)


def width(ties: Sequence[Tie]) -> int:
    """How many lanes there are."""
    return 1 + max((tie.lane for tie in ties), default=-1)


def drawable(ties: Sequence[Tie]) -> Sequence[Tie]:
    """The runs, or none of them where a model has more than can be read."""
    return ties if width(ties) <= MOST else ()


def _letters(ties: Sequence[Tie], rows: int, blank: str) -> list[str]:
    """Of each row, the letters of its runs: a compact letter display (Piepho, J. Comput. Graph. Stat. 2004)."""
    gap = blank if len(ties) <= ALIGNED else ""
    marks = [
        "".join(
            letter if tie.first <= row <= tie.last else gap for letter, tie in zip(ascii_lowercase, ties, strict=False)
        )
        for row in range(rows)
    ]
    return [text.rstrip(gap) if gap else text for text in marks]


def _notes(board: Board, ties: Sequence[Tie], lettered: bool) -> Iterator[str]:
    if lettered:
        yield "Models that share a letter are not told apart."
    elif ties:
        yield f"{len(ties)} runs of models are not told apart: too many to mark, but the rank intervals reflect them."
    if any(row.standing is not None and row.standing.best is None for row in board.rows):
        yield "A rank in brackets is the place by the numbers alone."
