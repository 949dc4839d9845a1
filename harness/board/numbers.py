"""How the board writes numbers and names. Every renderer uses these."""

from __future__ import annotations

import math
import unicodedata

from harness.board.table import Entry, Standing

WORDS = {"failed": "failed", "missing": "—", "skipped": "skipped"}
"""What stands where there is no score."""
LONGEST = 120
"""Characters of a name in a table."""


def number(value: float, unit: str, decimals: int | None = None) -> str:
    """``93.4`` for percent; other units with three decimals, or as many as show three significant digits."""
    places = decimals_of(value, unit) if decimals is None else decimals
    if places is None:
        return f"{value:.2e}"
    return f"{round(value, places) + 0.0:.{places}f}"  # + 0.0 turns -0.0 into 0.0


def decimals_of(value: float, unit: str) -> int | None:
    """Digits after the point; None for a value so small that it takes an exponent."""
    size = abs(value)
    if unit == "%":
        return 1
    if size == 0 or 0.1 <= size < 10:
        return 3
    if size < 1e-4 or size >= 1e6:
        return None
    return max(0, 2 - math.floor(math.log10(size)))


def interval(entry: Entry, unit: str) -> str:
    """``±1.1``, half the width of the 95 % interval to the decimals of the value; empty where there is none."""
    if entry.value is None or entry.half is None:
        return ""
    return f"±{number(entry.half, unit, decimals_of(entry.value, unit))}"


def score(entry: Entry, unit: str) -> str:
    """The value without its interval, or the word that stands for it."""
    return WORDS[entry.status] if entry.value is None else number(entry.value, unit) + entry.mark


def rank(standing: Standing | None) -> str:
    """The 95 % interval of a rank, ``1–3``, or ``2`` where it is certain; a dash for a model that has none.

    Where nothing can be said of other images or tasks, ``(2)`` is the place by the score alone.
    """
    if standing is None:
        return "–"
    if standing.best is None:
        return f"({standing.rank})"
    return f"{standing.best}" if standing.best == standing.worst else f"{standing.best}–{standing.worst}"


def total(standing: Standing | None, by: str) -> tuple[str, str]:
    """What the order is by, and half the width of its interval: ``("87.4", "±1.2")``; either may be empty.

    Args:
        by: of the board's rule: average ranks have two decimals.
    """
    if standing is None:
        return "", ""
    places = 2 if by == "rank" else 1
    half = None if standing.low is None or standing.high is None else (standing.high - standing.low) / 2
    return number(standing.score, "", places), "" if half is None else f"±{number(half, '', places)}"


def many(n: int, noun: str) -> str:
    """``1 record``, ``2 records``."""
    return f"{n} {noun}{'s' * (n != 1)}"


def mean_rank(average: float | None) -> str:
    """An average rank with two decimals; empty without."""
    return "" if average is None else f"{average:.2f}"


def one_line(name: str) -> str:
    """A name that cannot break a line, a table or a terminal: control characters and line ends become spaces."""
    if not name.isprintable():
        name = "".join(" " if unicodedata.category(c) in _BREAKING else c for c in name)
    return " ".join(name.split())


def short(name: str) -> str:
    """A name on one line for tables: of a very long one, the beginning and the end."""
    plain = one_line(name)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 40]}…{plain[-39:]}"


_BREAKING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
