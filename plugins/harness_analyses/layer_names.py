"""Layers on a board: which variants of scores name them, and which is deeper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.evidence import Grams
from harness.tasks import EMBEDDING
from harness_analyses.common import first_of

if TYPE_CHECKING:
    from harness.board import Board

RESIDUAL = ".residual"
VIEW = "#"  # between a layer's name and the number of a view


def parity(layer: str, layers: Sequence[str]) -> str:
    """``odd`` for a residual branch before its addition, ``even`` for others; "" in a model without residual taps.

    Grigg et al. 2021 (2110.00528) look at the two apart, as they behave differently.
    """
    if not any(name.endswith(RESIDUAL) for name in layers):
        return ""
    return "odd" if layer.endswith(RESIDUAL) else "even"


def by_depth(board: Board, task: str, layers: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Each model's layers, shallow to deep.

    Args:
        layers: by model, in the order of the board's columns. Records have the deepest first, and columns keep the
            order of the record that names them first: of a model that shares layers with another and has some more,
            the stored evidence tells the order, or failing that the names' numbers.
    """
    found = {}
    for model, names in layers.items():
        others = [set(other) for key, other in layers.items() if key != model]
        mixed = any(other != set(names) and (other & set(names)) - {EMBEDDING} for other in others)
        told = _stored(board, model, task) if mixed else names[::-1]
        if set(names) <= set(told):
            found[model] = [name for name in told if name in set(names)]
        else:
            found[model] = _natural(names)
    return found


def _stored(board: Board, model: str, task: str) -> Sequence[str]:
    """The layers as the evidence has them, shallow to deep; none where it is not on this machine."""
    first = first_of(board, model, task)
    if first is None:
        return ()
    return first.layers if isinstance(first, Grams) else list(board.evidence(model, task) or ())[::-1]


def _natural(names: Sequence[str]) -> list[str]:
    """By what stands before the first number, as ``layer``, the last to turn up first; then by the numbers.

    A residual branch comes before the block of its name, the embedding last.
    """
    stems = list(dict.fromkeys(map(_stem, names)))[::-1]

    def depth(name: str) -> tuple[bool, int, list[int], bool]:
        numbers = [int(digits) for digits in re.findall(r"\d+", name)]
        return name == EMBEDDING, stems.index(_stem(name)), numbers, not name.endswith(RESIDUAL)

    return sorted(names, key=depth)


def _stem(name: str) -> str:
    return re.split(r"\d", name, maxsplit=1)[0]
