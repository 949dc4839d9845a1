"""How figures look: colours that colour-blind readers tell apart (Okabe & Ito 2008), each with a marker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

INK, SOFT, FAINT, GRID = "#16202c", "#5d6b7a", "#b9c2cc", "#e3e7ec"
TITLE, TEXT, SMALL = 12.0, 9.0, 7.5
"""Sizes of the text in points."""
SEQUENTIAL = "viridis"
"""The colour map of matrices: perceptually uniform, dark is low."""


class Style(NamedTuple):
    """How the members of a group are drawn: a colour, and a marker of Matplotlib's."""

    colour: str
    marker: str


COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#C9B800")
MARKERS = "o^Dv*Psh<"
SIZES = {"D": 0.85, "*": 1.5, "^": 1.1, "v": 1.1, "P": 1.15, "X": 1.1, "p": 1.1, "h": 1.1}
"""What brings a marker to the size of a circle."""
PLAIN = Style("#37424f", "o")
PARADIGMS = {
    "contrastive": Style("#0072B2", "o"),
    "non-contrastive": Style("#E69F00", "^"),
    "clustering": Style("#009E73", "D"),
    "masked": Style("#CC79A7", "v"),
    "pretext": Style("#56B4E9", "*"),
    "image-text": Style("#D55E00", "P"),
    "supervised": Style("#000000", "s"),
    "none": Style("#6f6f6f", "X"),
    "unknown": Style("#b8b8b8", "p"),
}
"""The pretraining paradigms of the catalogues."""

RC: dict[Any, Any] = {
    "figure.dpi": 100, "savefig.facecolor": "white", "text.parse_math": False, "text.hinting": "no_hinting",
    "svg.fonttype": "none", "svg.hashsalt": "harness", "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"], "font.size": TEXT,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": FAINT, "axes.linewidth": 0.6,
    "axes.labelsize": TEXT, "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.6, "xtick.color": SOFT,
    "ytick.color": SOFT, "xtick.labelsize": SMALL + 0.5, "ytick.labelsize": SMALL + 0.5, "xtick.major.size": 0,
    "ytick.major.size": 0, "hatch.linewidth": 0.5, "axes.unicode_minus": True,
}  # fmt: skip


def paradigm_style(names: Iterable[str]) -> Mapping[str, Style]:
    """A colour and a marker for each name, sorted: the same for a pretraining paradigm in every figure.

    Other groups take what the paradigms leave over, in the order of their names; "" is the group of those without one.
    """
    names = sorted(set(names))
    taken = set(PARADIGMS.values()) if any(name in PARADIGMS for name in names) else set()
    others = (style for style in _combinations() if style not in taken)
    return {name: PLAIN if not name else PARADIGMS.get(name) or next(others) for name in names}


def _combinations() -> Iterator[Style]:
    """Colours with a marker each, then the colours again, each with the next marker."""
    for shift in count():
        for at, colour in enumerate(COLOURS):
            yield Style(colour, MARKERS[(at + shift) % len(MARKERS)])
