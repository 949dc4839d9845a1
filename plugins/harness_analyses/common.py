"""What analyses of pairs, layers and stored evidence have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.plots.style import PARADIGMS

if TYPE_CHECKING:
    from harness.board import Board, Column
    from harness.evidence import Evidence

IN_FILES = str.maketrans({" ": "_", "[": ",", "]": "", "*": "all"})
_ORDER = {name: at for at, name in enumerate(PARADIGMS)}


def paradigms(board: Board) -> dict[str, str]:
    """Each model's pretraining paradigm, those of one paradigm side by side, then by name.

    Models that only pairs tell of stand last, without one.
    """
    known = {row.model: row.paradigm for row in board.rows}
    others = {m: "" for pair in board.pairs for m in (pair.model, pair.partner) if m not in known}

    def place(item: tuple[str, str]) -> tuple[int, str, str]:
        return (_ORDER.get(item[1], len(_ORDER)), item[1], item[0])

    return dict(sorted((known | others).items(), key=place))


PAIRED = 200
"""Models of which every two get a row, the best: a thousand would have a million."""


def oriented(board: Board) -> tuple[NDArray[np.float64], list[Column]]:
    """The scores of the ranked models in the T ranked columns, (T, M), so that higher is better; and those columns."""
    counted = [(i, column) for i, column in enumerate(board.columns) if column.ranked]
    scores = [[row.entries[i].value for row in board.ranked] for i, _ in counted]
    signs = [[1.0 if column.higher_is_better else -1.0] for _, column in counted]
    values = np.array(scores, np.float64).reshape(len(counted), len(board.ranked))
    return values * np.array(signs).reshape(-1, 1), [column for _, column in counted]


def tasks_with(board: Board, kind: type[Evidence]) -> list[str]:
    """The tasks whose evidence is of this kind and on this machine, for some model at least."""
    found = []
    for task in dict.fromkeys(each.task for each in (*board.columns, *board.pairs)):
        stored = next(filter(None, (board.evidence(model, task) for model in paradigms(board))), None)
        if stored and isinstance(next(iter(stored.values())), kind):
            found.append(task)
    return found


def figure_name(*parts: str) -> str:
    """What a figure is of, as a name that is a file's too: ``cka_grams@d``, ``views,hue,layers=all@d_top1``."""
    return "_".join(filter(None, parts)).translate(IN_FILES)


def first_of(board: Board, model: str, task: str) -> Evidence | None:
    """A model's stored evidence of a task, of several variants the primary one."""
    stored = board.evidence(model, task)
    return next(iter(stored.values())) if stored else None


def mean(values: Sequence[float | None]) -> float | None:
    """Over seeds; None where one has none."""
    given = [v for v in values if v is not None]
    return math.fsum(given) / len(given) if given and len(given) == len(values) else None


def bars(values: Iterable[float | None]) -> list[float]:
    """Ends of intervals as curves take them, with nan for none."""
    return [math.nan if v is None else v for v in values]
