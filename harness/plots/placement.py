"""Where the labels of a plot go, in pixels of a hundredth of an inch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEIGHT = 14.5  # of a label


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area shared with another."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


class Label(NamedTuple):
    """Where a label stands, and whether a line must lead there."""

    box: Box
    leader: bool


def place(
    widths: Sequence[float], points: Sequence[tuple[float, float]], frame: Box, lines: Sequence[Box] = ()
) -> list[Label]:
    """A place in the frame for each label, near its point and, where there is room, clear of labels, points and lines.

    Lines are thin boxes. In three rounds each label in turn takes the cheapest of its places, those of crowded points
    first.
    """
    inside = Box(frame.left + 3, frame.top + 3, frame.right - 3, frame.bottom - 3)
    marks = [Box(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    crowd = [sum(math.dist(a, b) < 60 for b in points) for a in points]
    order = sorted(range(len(widths)), key=lambda i: (-crowd[i], i))
    chosen: dict[int, Label] = {}
    for i in order * 3:
        taken = [*marks, *lines, *(label.box for j, label in chosen.items() if j != i)]
        least = math.inf
        for near, label in _around(widths[i], *points[i]):
            outside = label.box.overlap(label.box) - label.box.overlap(inside)
            touched = [area for box in taken if (area := label.box.overlap(box))]
            cost = near + 4 * outside + 3 * sum(touched) + 60 * len(touched)
            if cost < least:
                least, chosen[i] = cost, label
            if least <= near:  # the further ones cost more
                break
    return [chosen[i] for i in range(len(widths))]


def _around(width: float, x: float, y: float) -> Iterator[tuple[float, Label]]:
    """The places a label may take around its point, the nearest first, each with what its distance costs."""
    for ring, radius in enumerate((10, 20, 32, 46, 62, 80, 100)):
        for rank, turn in enumerate((0, 15, 1, 8, 9, 7, 14, 2, 12, 4, 13, 3, 10, 6, 11, 5)):  # right and left first
            dx, dy = math.cos(turn * math.pi / 8), math.sin(turn * math.pi / 8)
            cx, cy = x + dx * (radius + width / 2 * abs(dx)), y + dy * (radius + HEIGHT / 2)
            box = Box(cx - width / 2, cy - HEIGHT / 2, cx + width / 2, cy + HEIGHT / 2)
            yield 25.0 * ring + rank / 4, Label(box, ring > 0)
