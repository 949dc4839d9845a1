"""Scatter plots as self-contained SVG, light and dark: where things go. The template says how they look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from harness.board.placement import Box, place

if TYPE_CHECKING:
    from jinja2 import Template

WIDTH, HEIGHT = 760, 560
LEFT, TOP, RIGHT, BOTTOM = FRAME = Box(74, 104, 736, 496)
GAP = 40.0  # least pixels between ticks
SHAPES = 6
"""Colours with a shape each in the template; further groups start over."""


class Scale(NamedTuple):
    """From original units to where a number stands on an axis, and back."""

    to: Callable[[float], float]
    back: Callable[[float], float]


LINEAR = Scale(lambda v: v, lambda v: v)


def logit(low: float, high: float) -> Scale:
    """The scale of log((v - low) / (high - v))."""
    return Scale(
        lambda v: math.log((v - low) / (high - v)),
        lambda at: low + (high - low) / (1 + math.exp(-at)),
    )


@dataclass(frozen=True)
class Axis:
    """What an axis says, and how original units stand on it."""

    label: str
    scale: Scale = LINEAR


@dataclass(frozen=True)
class Point:
    """A labelled point: `x`, `y` already on their axes' scales; `group` decides colour and shape."""

    label: str
    x: float
    y: float
    group: str = ""
    hollow: bool = False


def scatter(
    points: Sequence[Point], x: Axis, y: Axis, title: str, *, subtitle: str = "", hollow: str = "",
    groups: Iterable[str] = (),
) -> str:  # fmt: skip
    """A scatter plot with every point labelled and the least-squares line, as SVG.

    Args:
        points: two at least.
        hollow: what a hollow mark means.
        groups: all that other plots have, so that each has its colour in all of them.
    """
    across = _pixels([p.x for p in points], LEFT, RIGHT)
    up = _pixels([p.y for p in points], BOTTOM, TOP)
    shapes = {name: i % SHAPES for i, name in enumerate(sorted({*groups, *(p.group for p in points)}))}
    places = [(across(p.x), up(p.y)) for p in points]
    labels = place([p.label for p in points], places, FRAME)
    marks = [
        {"point": p, "x": cx, "y": cy, "shape": shapes[p.group], "label": label}
        for p, (cx, cy), label in zip(points, places, labels, strict=True)
    ]
    return _template().render(
        title=title, subtitle=subtitle, hollow=hollow if any(p.hollow for p in points) else "", x=x, y=y, marks=marks,
        width=WIDTH, height=HEIGHT, left=LEFT, right=RIGHT, top=TOP, bottom=BOTTOM,
        groups=[(name, at) for name, at in shapes.items() if any(p.group == name for p in points)], line=_line(places),
        xticks=_ticks(x.scale, across, LEFT, RIGHT), yticks=_ticks(y.scale, up, BOTTOM, TOP),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("harness.board", "templates")
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    made.filters["px"] = lambda v: f"{v:.1f}"
    return made.get_template("scatter.svg.j2")


class Pixels(NamedTuple):
    """An axis in pixels: ``pixels(at)``, and ``at(pixel)`` back."""

    first: float
    slope: float
    start: float

    def __call__(self, at: float) -> float:
        return self.start + (at - self.first) * self.slope

    def at(self, pixel: float) -> float:
        return self.first + (pixel - self.start) / self.slope


def _pixels(values: Sequence[float], start: float, end: float) -> Pixels:
    """The axis that has all values, with a margin of 7 %."""
    low, high = min(values), max(values)
    margin = 0.07 * (high - low) or 0.5
    return Pixels(low - margin, (end - start) / (high - low + 2 * margin), start)


def _ticks(scale: Scale, axis: Pixels, start: float, end: float) -> list[tuple[float, str]]:
    """Ticks at round numbers of the original units: the finest step that has room, finer only where an end is bare."""
    low, high = (scale.back(axis.at(pixel)) for pixel in (start, end))
    exponent = math.floor(math.log10(high - low))
    found: dict[float, float] = {}
    for step in (m * 10.0**e for e in range(exponent, exponent - 3, -1) for m in (5, 2, 1)):
        numbers = [round(k * step, 10) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
        at = {v: axis(scale.to(v)) for v in numbers}
        if all(abs(at[b] - at[a]) >= GAP for a, b in pairwise(numbers)):
            found = at
        for first, bare in ((True, start), (False, end)):
            nearest = (min if first else max)(found, default=high)
            beyond = [v for v in numbers if (v < nearest if first else v > nearest) and abs(at[v] - bare) < GAP]
            if found and abs(found[nearest] - bare) > 2.5 * GAP and beyond:
                found[beyond[-1 if first else 0]] = at[beyond[-1 if first else 0]]
    return [(pixel, f"{v:g}".replace("-", "−")) for v, pixel in sorted(found.items())]


def _line(places: Sequence[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    """The least-squares line between the outermost points, in pixels; None where all stand above one another."""
    n = len(places)
    mx, my = sum(x for x, _ in places) / n, sum(y for _, y in places) / n
    spread = sum((x - mx) ** 2 for x, _ in places)
    if spread == 0:
        return None
    slope = sum((x - mx) * (y - my) for x, y in places) / spread
    ends = min(x for x, _ in places), max(x for x, _ in places)
    return (ends[0], my + slope * (ends[0] - mx), ends[1], my + slope * (ends[1] - mx))
