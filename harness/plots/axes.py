"""Axes: how original units stand on them, and where their ticks are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GAP = 0.4  # least inches between ticks


class Scale(NamedTuple):
    """From original units to where a number stands on an axis, and back."""

    to: Callable[[float], float]
    back: Callable[[float], float]


LINEAR = Scale(lambda v: v, lambda v: v)
LOG = Scale(math.log10, lambda at: 10.0**at)


def logit(low: float, high: float) -> Scale:
    """The scale of log((v - low) / (high - v))."""
    return Scale(
        lambda v: math.log((v - low) / (high - v)),
        lambda at: low + (high - low) / (1 + math.exp(-at)),
    )


@dataclass(frozen=True)
class Axis:
    """What an axis says, and how original units stand on it; `names` are what stands at 0, 1, 2… instead of numbers."""

    label: str
    scale: Scale = LINEAR
    names: tuple[str, ...] = ()

    def original(self, at: float) -> Any:
        """What stands at a place of the axis: a name, or a number in original units, None where it is not finite."""
        if not math.isfinite(at):
            return None
        named = self.names and at == int(at) and 0 <= at < len(self.names)
        return self.names[int(at)] if named else float(self.scale.back(at))


def span(values: Iterable[float], margin: float = 0.07) -> tuple[float, float]:
    """The ends of an axis that has all finite values, with a margin as a share of their range."""
    finite = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = min(finite), max(finite)
    room = margin * (high - low) or max(0.5, 1e-9 * abs(low))
    return low - room, high + room


def ticks(scale: Scale, ends: tuple[float, float], inches: float) -> list[tuple[float, str]]:
    """Ticks at round numbers of the original units: the finest step that has room, finer only where an end is bare.

    Args:
        ends: of the axis, on its scale.
        inches: its length.
    """
    low, high = map(scale.back, ends)
    if not high > low:  # beyond what the scale tells apart
        return []
    gap = GAP / inches * (ends[1] - ends[0])
    if scale is LOG and (decades := _decades(ends, gap)):
        return decades
    exponent = math.floor(math.log10(high - low))
    found: dict[float, float] = {}
    for step in (m * 10.0**e for e in range(exponent, exponent - 3, -1) for m in (5, 2, 1)):
        numbers = [_rounded(k, step) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
        at = {v: scale.to(v) for v in numbers}
        if all(abs(at[b] - at[a]) >= gap for a, b in pairwise(numbers)):
            found = at
        for first, bare in ((True, ends[0]), (False, ends[1])):
            nearest = (min if first else max)(found, default=high)
            beyond = [v for v in numbers if (v < nearest if first else v > nearest) and abs(at[v] - bare) < gap]
            if found and abs(found[nearest] - bare) > 2.5 * gap and beyond:
                found[beyond[-1 if first else 0]] = at[beyond[-1 if first else 0]]
    return [(at, f"{v:g}".replace("-", "−")) for v, at in sorted(found.items())]


def _decades(ends: tuple[float, float], gap: float) -> list[tuple[float, str]]:
    """Powers of ten, those that have room, with 2 and 5 or 3 times each where these have; none for less than two."""
    powers = range(math.floor(ends[0]), math.ceil(ends[1]) + 1)
    for digits, every in (((1, 2, 5), 1), ((1, 3), 1), *(((1,), n) for n in range(1, len(powers)))):
        numbers = [digit * 10.0**e for e in powers[::every] for digit in digits]
        shown = [(at, v) for v in numbers if ends[0] <= (at := math.log10(v)) <= ends[1]]
        if all(b[0] - a[0] >= gap for a, b in pairwise(shown)):
            return [(at, f"{v:g}") for at, v in shown] if len(shown) > 1 else []
    return []


def _rounded(times: int, step: float) -> float:
    """A multiple of a step, without the noise of its last digits."""
    return round(times * step, 2 - math.floor(math.log10(step)))


def draw_axis(axes: Axes, which: str, axis: Axis, ends: tuple[float, float], inches: float) -> None:
    """Set the limits, the ticks, the grid and the label of the axis `which`, "x" or "y"."""
    drawn = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)
    places: Sequence[tuple[float, str]] = list(enumerate(axis.names)) if axis.names else ticks(axis.scale, ends, inches)
    drawn.set_ticks([at for at, _ in places], [text for _, text in places])
    drawn.grid(True)
    drawn.set_label_text(axis.label)
