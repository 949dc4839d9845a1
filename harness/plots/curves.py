"""Curves: over layers, or over the strength of a transform, with their intervals as bands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.plots.axes import Axis, draw_axis, span
from harness.plots.figure import Figure, Sheet, clear, drawing, marker, width
from harness.plots.style import FAINT, PLAIN, TEXT, Style, paradigm_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.analyses import Rows

ACROSS, UP = 5.6, 4.0
LINE = TEXT / 72 * 1.3  # inches between labels
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (7, 2)), (0, (3, 1, 1, 1, 1, 1)))
MANY = 30  # values, beyond which a curve has no marks


@dataclass(frozen=True)
class Curve:
    """A curve through (x, y), already on their axes' scales, with the ends of y's intervals; nan where there is none.

    `group` decides colour and marker; curves of one group differ in their dashes.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    group: str = ""

    @property
    def last(self) -> tuple[float, float] | None:
        """The point furthest right."""
        return max(((x, y) for x, y in zip(self.x, self.y, strict=True) if math.isfinite(x + y)), default=None)


@drawing()
def curves(
    series: Sequence[Curve], x: Axis, y: Axis, title: str, *, subtitle: str = "", groups: Iterable[str] = ()
) -> Figure:
    """Curves, each labelled at its right end.

    Args:
        series: where none has a group, each takes a colour of its own.
        x: with `names`, those stand at 0, 1, 2…
        groups: all that other plots have, so that each has its colour in all of them.

    Its rows are `curve`, `group`, `x`, `y`, `low`, `high`, in original units. Raises `HarnessError` for a curve whose
    lengths differ.
    """
    for curve in series:
        if len({len(part) for part in (curve.x, curve.y, curve.low, curve.high) if part is not None}) > 1:
            raise HarnessError(f"curves {title!r}: x, y, low and high of {curve.label!r} differ in length")
    up = max(UP, 1.1 * LINE * len(series))
    sheet, styles = Sheet(ACROSS, up), _styles(series, groups)
    axes = sheet.axes(0, 0, ACROSS, up)
    xs = [v for curve in series for v in curve.x] + ([0.0, len(x.names) - 1.0] if x.names else [])
    ys = [v for c in series for part in (c.y, c.low, c.high) if part is not None for v in part]
    ends = span(xs, 0.03), span(ys)
    draw_axis(axes, "x", x, ends[0], ACROSS)
    draw_axis(axes, "y", y, ends[1], up)
    _tilt(axes, x)
    for curve, (style, dash) in zip(series, styles, strict=True):
        _curve(axes, curve, style, dash)
    _labels(sheet, series, styles, ends)
    explained = {
        c.group: style for c, (style, _) in sorted(zip(series, styles, strict=True), key=lambda cs: cs[0].group)
    }
    sheet.header(title, subtitle, explained)
    return sheet.finish(title, [row for curve in series for row in _rows(curve, x, y)])


def _styles(series: Sequence[Curve], groups: Iterable[str]) -> list[tuple[Style, Any]]:
    """A style and a dash for each curve."""
    if not any(curve.group for curve in series):
        own = paradigm_style(curve.label for curve in series)
        return [(own.get(curve.label, PLAIN), "-") for curve in series]
    of, seen = paradigm_style({*groups, *(curve.group for curve in series)}), Counter[str]()
    found: list[tuple[Style, Any]] = []
    for curve in series:
        found.append((of[curve.group], DASHES[seen[curve.group] % len(DASHES)]))
        seen[curve.group] += 1
    return found


def _curve(axes: Axes, curve: Curve, style: Style, dash: Any) -> None:
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.x, curve.low, curve.high, color=style.colour, alpha=0.15, linewidth=0)
    marks = marker(style, 5) if len(curve.x) <= MANY else {}
    look = {"color": style.colour, "linestyle": dash, "linewidth": 1.4, **marks}
    axes.plot(curve.x, curve.y, **look)


def _tilt(axes: Axes, x: Axis) -> None:
    """Turn names that would run into one another upright, and leave out those that still would."""
    names = clear(x.names)
    room = ACROSS / max(len(names), 1)
    if names and max(width(name, TEXT) for name in names) > room:
        axes.xaxis.set_tick_params(rotation=90)
        every = math.ceil(LINE / room)
        axes.set_xticks(range(0, len(names), every), names[::every])


def _labels(
    sheet: Sheet, series: Sequence[Curve], styles: Sequence[tuple[Style, Any]],
    ends: tuple[tuple[float, float], tuple[float, float]],
) -> None:  # fmt: skip
    """The curves' names at the right, one below the other, each with a line to its end."""
    (left, right), (bottom, top) = ends
    places = {}
    for i, curve in enumerate(series):
        if curve.last is not None:
            x, y = curve.last
            places[i] = (ACROSS * (x - left) / (right - left), sheet.up * (y - bottom) / (top - bottom))
    order = sorted(range(len(series)), key=lambda i: places[i][1] if i in places else -1.0)
    heights = apart([places[i][1] if i in places else 0.0 for i in order], LINE, sheet.up)
    for i, up in zip(order, heights, strict=True):
        (style, dash), text = styles[i], clear([series[i].label])[0]
        if i in places:
            x, y = places[i]
            sheet.line([x + 0.05, ACROSS + 0.04, ACROSS + 0.16], [y, y, up], color=FAINT, linewidth=0.7)
        sheet.line([ACROSS + 0.2, ACROSS + 0.52], [up, up], color=style.colour, linestyle=dash, linewidth=1.2)
        sheet.mark(ACROSS + 0.36, up, style, size=5)
        sheet.text(ACROSS + 0.6, up, text if i in places else f"{text} (no value)", va="center_baseline")


def apart(heights: Sequence[float], least: float, top: float) -> list[float]:
    """Rising numbers moved as little (in squares) as keeps each `least` from the next, and all within 0 and `top`."""
    groups: list[tuple[float, int]] = []  # of numbers that touch: the sum of where their first would stand, how many
    for at, height in enumerate(heights):
        total, many = height - at * least, 1
        while groups and groups[-1][0] / groups[-1][1] > total / many:
            before = groups.pop()
            total, many = total + before[0], many + before[1]
        groups.append((total, many))
    starts = [total / many for total, many in groups for _ in range(many)]
    most = top - (len(heights) - 1) * least
    return [max(0.0, min(start, most)) + at * least for at, start in enumerate(starts)]


def _rows(curve: Curve, x: Axis, y: Axis) -> Rows:
    nothing = [math.nan] * len(curve.x)
    low, high = (nothing if part is None else part for part in (curve.low, curve.high))
    return [
        {"curve": curve.label, "group": curve.group, "x": x.original(at),
         **{name: y.original(v) for name, v in zip(("y", "low", "high"), values, strict=True)}}
        for at, *values in zip(curve.x, curve.y, low, high, strict=True)
    ]  # fmt: skip
