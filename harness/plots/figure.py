"""What every figure is made on: a sheet with a header, measured in inches, rendered the same every time."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.board.numbers import one_line
from harness.plots.style import FAINT, RC, SIZES, SMALL, SOFT, TEXT, TITLE, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

    from harness.analyses import Rows

DPI = 200
BLANK = "////"
"""The hatch of what has no value."""
NARROWEST = 4.5  # inches of a header
_LOCK = threading.RLock()  # Matplotlib's settings are the process's


@dataclass(frozen=True)
class Figure:
    """A picture, twice, and the numbers drawn."""

    svg: str
    png: bytes
    rows: Rows


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in our style whatever the user's Matplotlib is set to, one figure at a time; also a decorator."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with _LOCK, rc_context():
        rcdefaults()
        rcParams.update(RC)
        yield


def width(text: str, size: float = TEXT) -> float:
    """How wide a text is, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0]) / 72


def wrapped(text: str, inches: float, size: float = TEXT) -> list[str]:
    """A text in lines that are no wider."""
    from textwrap import wrap

    whole = one_line(text)
    across = width(whole, size)
    most = max(1, int(len(whole) * inches / across)) if across > inches else len(whole)
    lines = wrap(whole, most) if across > inches else [whole]
    while most > 1 and max(width(line, size) for line in lines) > inches:
        most -= 1
        lines = wrap(whole, most)
    return lines


def clear(texts: Sequence[str]) -> list[str]:
    """Names as they can be drawn: on one line each."""
    return [one_line(text) for text in texts]


class Sheet:
    """A figure in the making. Places are in inches from the lower left corner of its body; what is beyond still shows.

    Args:
        across, up: the size of the body.
    """

    def __init__(self, across: float, up: float) -> None:
        from matplotlib.figure import Figure as Drawn
        from matplotlib.transforms import Affine2D

        self.across, self.up = across, up
        self.drawn = Drawn(figsize=(across, up))
        self.inches: Transform = Affine2D().scale(1 / across, 1 / up) + self.drawn.transFigure

    def axes(self, left: float, bottom: float, across: float, up: float) -> Axes:
        """Axes in a rectangle of the body."""
        return self.drawn.add_axes((left / self.across, bottom / self.up, across / self.across, up / self.up))

    def text(self, x: float, y: float, text: str, **look: Any) -> Text:
        """A line of text."""
        return self.drawn.text(x, y, one_line(text), transform=self.inches, **look)

    def mark(self, x: float, y: float, style: Style, *, hollow: bool = False, size: float = 6) -> None:
        """One mark."""
        self.line([x], [y], linestyle="none", **marker(style, size, hollow))

    def line(self, x: Sequence[float], y: Sequence[float], **look: Any) -> None:
        """A line, or marks."""
        from matplotlib.lines import Line2D

        self.drawn.add_artist(Line2D(x, y, transform=self.inches, **look))

    def header(
        self, title: str, subtitle: str, groups: Mapping[str, Style], *, hollow: str = "", blank: str = "",
        above: float = 0.0,
    ) -> None:  # fmt: skip
        """Title, subtitle and legend above the body.

        Args:
            groups: those to explain; a single one without a name needs no legend.
            hollow, blank: what a hollow mark and a hatched cell mean, where there are any.
            above: inches to leave free above the body.
        """
        across, y = max(self.across, NARROWEST), self.up + above + 0.14
        for line in reversed(list(self._legend(groups, hollow, blank, across))):
            x = 0.08
            for kind, text in line:
                self._key(kind, x, y + 0.05)
                self.text(x + 0.1, y, text, color=SOFT, size=SMALL + 1)
                x += 0.3 + width(text, SMALL + 1)
            y += 0.21
        for texts, size, look in ((subtitle, TEXT, {"color": SOFT}), (title, TITLE, {"weight": "bold"})):
            y += 0.03
            for row in reversed(wrapped(texts, across * (0.93 if size == TITLE else 1), size) if texts else []):
                self.text(0, y, row, size=size, **look)
                y += size / 72 * 1.35

    def _legend(
        self, groups: Mapping[str, Style], hollow: str, blank: str, across: float
    ) -> Iterator[list[tuple[Style | str, str]]]:
        """The entries, line by line."""
        entries: list[tuple[Style | str, str]] = [(style, one_line(name)) for name, style in groups.items() if name]
        entries += [(kind, one_line(text)) for kind, text in (("hollow", hollow), ("blank", blank)) if text]
        line: list[tuple[Style | str, str]] = []
        used = 0.0
        for entry in entries:
            wide = 0.3 + width(entry[1], SMALL + 1)
            if line and used + wide > across:
                yield line
                line, used = [], 0.0
            line.append(entry)
            used += wide
        if line:
            yield line

    def _key(self, kind: Style | str, x: float, y: float) -> None:
        if isinstance(kind, Style):
            self.mark(x, y, kind)
        elif kind == "hollow":
            self.mark(x, y, Style(SOFT, "o"), hollow=True)
        else:
            from matplotlib.patches import Rectangle

            self.drawn.add_artist(Rectangle((x - 0.06, y - 0.055), 0.12, 0.11, transform=self.inches, **hatched()))

    def finish(self, title: str, rows: Rows) -> Figure:
        """The figure as SVG, with its text as text, and as PNG."""
        svg, png = io.StringIO(), io.BytesIO()
        about = {"Title": one_line(title), "Creator": None, "Date": None}
        look: dict[str, Any] = {"bbox_inches": self.drawn.get_tightbbox().padded(0.12), "dpi": DPI}
        self.drawn.savefig(svg, format="svg", metadata=about, **look)
        self.drawn.savefig(png, format="png", metadata={"Software": None}, **look)
        return Figure(svg.getvalue(), png.getvalue(), rows)


def marker(style: Style, size: float = 6, hollow: bool = False) -> dict[str, Any]:
    """How Matplotlib's lines draw the marks of a group, all about as large to the eye."""
    edge = {"markerfacecolor": "white", "markeredgecolor": style.colour, "markeredgewidth": 1.4}
    full = {"markerfacecolor": style.colour, "markeredgecolor": "white", "markeredgewidth": 0.5}
    return {"marker": style.marker, "markersize": size * SIZES.get(style.marker, 1.0), **(edge if hollow else full)}


def hatched() -> dict[str, Any]:
    """How Matplotlib's patches draw what has no value."""
    return {"facecolor": "#f6f7f9", "edgecolor": FAINT, "hatch": BLANK, "linewidth": 0.0}
