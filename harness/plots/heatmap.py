"""Heatmaps: a number for every row and column, as of models against models or layers against layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import HarnessError
from harness.plots.figure import Figure, Sheet, clear, drawing, hatched, width, wrapped
from harness.plots.style import SEQUENTIAL, SMALL, TEXT, Style, paradigm_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.analyses import Rows

LARGEST, CELL = 6.0, 0.42  # inches of the longer side, and of a cell at most
FEW = 16  # rows or columns whose numbers are written in
LINE = SMALL / 72 * 1.25  # inches between tick labels
BAR = 0.16


@drawing()
def heatmap(
    matrix: ArrayLike, rows: Sequence[str], columns: Sequence[str], title: str, *, label: str = "",
    low: float | None = None, high: float | None = None, annotate: bool | None = None, subtitle: str = "",
    row_groups: Sequence[str] = (), column_groups: Sequence[str] = (), origin: Literal["upper", "lower"] = "upper",
) -> Figure:  # fmt: skip
    """A matrix of numbers as colours, in square cells; what is not finite is hatched.

    Args:
        matrix: (R, C).
        rows, columns: the R and C names; where there is too little room, only every n-th is written.
        label: what the numbers are, with their unit.
        low, high: ends of the colour scale; the least and the greatest number where not given.
        annotate: whether the numbers are written in; where not given, up to 16 rows and columns.
        row_groups, column_groups: a group for each row or column, such as a model's pretraining paradigm, marked.
        origin: "lower" has the first row at the bottom: layers against layers, shallow at the lower left.

    Its rows are `row`, `column`, `value`. Raises `HarnessError` for sizes that do not fit.
    """
    values = np.asarray(matrix, np.float64)
    _check(title, values, rows, columns, row_groups, column_groups)
    r, c = values.shape
    side = min(CELL, LARGEST / max(r, c))
    sheet = Sheet(c * side, r * side)
    axes = sheet.axes(0, 0, c * side, r * side)
    scale = _ends(values, low, high)
    _cells(sheet, axes, values, scale, origin)
    if annotate or (annotate is None and max(r, c) <= FEW):
        _numbers(axes, values, scale, side)
    styles = paradigm_style({*row_groups, *column_groups})
    ups = [side * (i + 0.5 if origin == "lower" else r - i - 0.5) for i in range(r)]
    _names(sheet, "row", rows, [styles[g] for g in row_groups], ups, side)
    _names(sheet, "column", columns, [styles[g] for g in column_groups], [side * (j + 0.5) for j in range(c)], side)
    _bar(sheet, scale, label)
    blank = "" if np.isfinite(values).all() else "no value"
    sheet.header(title, subtitle, styles, blank=blank)
    return sheet.finish(title, _rows(values, rows, columns))


def _check(
    title: str, values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], *groups: Sequence[str]
) -> None:
    if values.ndim != 2 or not values.size:
        raise HarnessError(f"heatmap {title!r}: a matrix (R, C) of at least one number, got {values.shape}")
    sizes = [len(rows), len(columns)]
    marked = [len(g) or n for g, n in zip(groups, values.shape, strict=True)]
    if sizes != list(values.shape) or marked != list(values.shape):
        raise HarnessError(f"heatmap {title!r}: {values.shape} numbers, {sizes} names, groups for {marked}")


def _ends(values: NDArray[np.float64], low: float | None, high: float | None) -> tuple[float, float]:
    """Of the colour scale, a little apart at least."""
    finite = values[np.isfinite(values)]
    least = low if low is not None else float(finite.min(initial=math.inf)) if finite.size else 0.0
    most = high if high is not None else float(finite.max(initial=-math.inf)) if finite.size else 1.0
    return (least, most) if most > least else (least - 0.5, least + 0.5)


def _cells(
    sheet: Sheet, axes: Axes, values: NDArray[np.float64], scale: tuple[float, float], origin: Literal["upper", "lower"]
) -> None:
    r, c = values.shape
    axes.set_facecolor("white")
    axes.imshow(np.ma.masked_invalid(values), cmap=SEQUENTIAL, vmin=scale[0], vmax=scale[1], origin=origin,
                aspect="auto", interpolation="nearest", zorder=1)  # fmt: skip
    from matplotlib.patches import Rectangle

    if not np.isfinite(values).all():
        axes.add_patch(Rectangle((-0.5, -0.5), c, r, zorder=0, **hatched()))
    axes.set_xticks([])
    axes.set_yticks([])


def _numbers(axes: Axes, values: NDArray[np.float64], scale: tuple[float, float], side: float) -> None:
    """The numbers, as large as their cells let them be, light on dark."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    texts = {(i, j): written(float(v), float(np.nanmax(np.abs(values)))) for (i, j), v in np.ndenumerate(values)
             if math.isfinite(v)}  # fmt: skip
    widest = max((width(t, 1.0) for t in texts.values()), default=1.0)
    size = min(SMALL, 0.86 * side / widest)
    colours = colormaps[SEQUENTIAL](Normalize(*scale)(values))
    for (i, j), text in texts.items():
        light = float(np.dot(colours[i, j, :3], (0.299, 0.587, 0.114)))
        axes.text(j, i, text, ha="center", va="center", size=size, color="white" if light < 0.45 else "black")


def written(value: float, most: float) -> str:
    """A number with as many decimals as the greatest of the matrix leaves room for."""
    decimals = 2 if most < 10 else 1 if most < 100 else 0
    return (f"{value:.{decimals}f}" if most < 1e5 else f"{value:.1e}").replace("-", "−")


def _names(
    sheet: Sheet, kind: str, names: Sequence[str], styles: Sequence[Style], at: Sequence[float], side: float
) -> None:
    """The names of the rows, or of the columns, every n-th where cells are narrower than a line; and their marks."""
    every = max(1, math.ceil(LINE / side - 1e-9))
    size = min(TEXT, max(SMALL, 72 * side / 1.5))
    marks = min(6.0, 60 * side)
    beyond = -0.17 if styles else -0.06
    for i, style in enumerate(styles):
        sheet.mark(*((-0.09, at[i]) if kind == "row" else (at[i], -0.09)), style, size=marks)
    for i, name in enumerate(clear(names)):
        if i % every == 0:
            if kind == "row":
                sheet.text(beyond, at[i], name, ha="right", va="center_baseline", size=size)
            else:
                sheet.text(at[i], beyond, name, ha="center", va="top", size=size, rotation=90)


def _bar(sheet: Sheet, scale: tuple[float, float], label: str) -> None:
    """The colour scale, at the right; its label in lines no longer than it."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    up = max(sheet.up, 1.0, *map(width, label.split()))
    axes = sheet.axes(sheet.across + 0.2, sheet.up - up, BAR, up)
    colours, lines = ScalarMappable(Normalize(*scale), SEQUENTIAL), wrapped(label, up)
    bar = sheet.drawn.colorbar(colours, cax=axes, label="\n".join(lines))
    bar.outline.set_visible(False)


def _rows(values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]) -> Rows:
    return [
        {"row": rows[i], "column": columns[j], "value": float(v) if math.isfinite(v) else None}
        for (i, j), v in np.ndenumerate(values)
    ]
