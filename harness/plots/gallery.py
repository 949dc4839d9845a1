"""Galleries: images in rows and columns, such as one image after another and the models beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import HarnessError
from harness.plots.figure import Figure, Sheet, drawing, hatched, width, wrapped
from harness.plots.style import SEQUENTIAL, SMALL, SOFT, TEXT

WIDEST, LARGEST, SMALLEST = 8.0, 1.4, 0.7  # inches: all columns, and the sides of a cell
GAP, LINE = 0.06, TEXT / 72 * 1.25
OPACITY = 0.5  # of a map over its image
SIDE = 160  # pixels that an image is brought to at least under a map, so that the map is smooth
ROW = 1.3  # inches of a row's name, beyond which it is broken

Grid = Sequence[Sequence[ArrayLike | None]]


@drawing()
def gallery(
    images: Grid, rows: Sequence[str], columns: Sequence[str], title: str, *, overlays: Grid | None = None,
    captions: Sequence[Sequence[str]] | None = None, subtitle: str = "",
) -> Figure:  # fmt: skip
    """Images in a grid, each maybe under a map and over a caption.

    Args:
        images: R rows of C, each uint8 (H, W, 3); None leaves its cell hatched.
        rows, columns: the R and C names; "" for none.
        overlays: R rows of C maps (h, w), or None: drawn over the image as a translucent colour map, enlarged
            bilinearly, each from its own least value (dark) to its greatest (bright); nan is left clear.
        captions: R rows of C short texts.

    Its rows are `row`, `column`, `caption`, and the least and the greatest value of the map, `map_low` and `map_high`.
    Raises `HarnessError` for sizes that do not fit and images that are not uint8 (H, W, 3).
    """
    r, c = len(rows), len(columns)
    for what, grid in (("images", images), ("overlays", overlays), ("captions", captions)):
        if grid is not None and (not r * c or [len(line) for line in grid] != [c] * r):
            raise HarnessError(f"gallery {title!r}: {what} are no {r} rows of {c}")
    side = min(LARGEST, max(SMALLEST, WIDEST / c - GAP))
    texts = [[wrapped(text, side, SMALL) if text else [] for text in line] for line in captions or [[""] * c] * r]
    feet = [max(len(lines) for lines in line) * LINE + GAP for line in texts]
    sheet = Sheet(c * (side + GAP) - GAP, r * side + sum(feet) - GAP)
    top, told = sheet.up, []
    for i in range(r):
        for j in range(c):
            left = j * (side + GAP)
            found = _cell(sheet, (left, top - side, side), images[i][j], overlays[i][j] if overlays else None, title)
            for k, text in enumerate(texts[i][j]):
                down = top - side - 0.03 - k * LINE
                sheet.text(left + side / 2, down, text, size=SMALL, color=SOFT, ha="center", va="top")
            told.append({"row": rows[i], "column": columns[j], "caption": captions[i][j] if captions else "", **found})
        _row_name(sheet, rows[i], top - side / 2)
        top -= side + feet[i]
    sheet.header(title, subtitle, {}, above=_column_names(sheet, columns, side))
    return sheet.finish(title, told)


def _cell(
    sheet: Sheet, place: tuple[float, float, float], image: ArrayLike | None, overlay: ArrayLike | None, title: str
) -> dict[str, Any]:
    """Draw one image, and say what its map ranges over."""
    left, bottom, side = place
    axes = sheet.axes(left, bottom, side, side)
    if image is None:
        from matplotlib.patches import Rectangle

        axes.add_patch(Rectangle((0, 0), 1, 1, **hatched()))
        axes.set_axis_off()
        return {"map_low": None, "map_high": None}
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise HarnessError(f"gallery {title!r}: an image must be uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}")
    found = None if overlay is None else np.asarray(overlay, np.float64)
    axes.imshow(pixels if found is None else overlaid(pixels, found))
    axes.set_axis_off()
    finite = np.empty(0) if found is None else found[np.isfinite(found)]
    return {"map_low": float(finite.min()) if finite.size else None,
            "map_high": float(finite.max()) if finite.size else None}  # fmt: skip


def overlaid(image: NDArray[np.uint8], overlay: NDArray[np.float64]) -> NDArray[np.uint8]:
    """An image (H, W, 3) under a map (h, w), bilinear, in colours from the map's least to its greatest value."""
    from matplotlib import colormaps

    times = -(-SIDE // max(image.shape[:2])) if max(image.shape[:2]) < SIDE else 1
    large = image.repeat(times, 0).repeat(times, 1)
    seen = np.isfinite(overlay)
    low, high = (overlay[seen].min(), overlay[seen].max()) if seen.any() else (0.0, 0.0)
    share = np.where(seen, (overlay - low) / ((high - low) or 1.0), 0.0)
    opacity = OPACITY * bilinear(seen.astype(np.float64), *large.shape[:2])[..., None]
    colour = 255 * colormaps[SEQUENTIAL](bilinear(share, *large.shape[:2]))[..., :3]
    mixed: NDArray[np.uint8] = np.rint((1 - opacity) * large + opacity * colour).astype(np.uint8)
    return mixed


def bilinear(values: NDArray[np.float64], up: int, across: int) -> NDArray[np.float64]:
    """A map (h, w) brought to (up, across), pixel centres aligned at the borders' halves."""
    for axis, n in enumerate((up, across)):
        m = values.shape[axis]
        at = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
        first = np.minimum(at.astype(int), max(m - 2, 0))
        share = np.expand_dims(at - first, 1 - axis)
        values = (1 - share) * values.take(first, axis) + share * values.take(np.minimum(first + 1, m - 1), axis)
    return values


def _row_name(sheet: Sheet, name: str, middle: float) -> None:
    lines = wrapped(name, ROW) if name else []
    for k, text in enumerate(lines):
        sheet.text(-0.1, middle + ((len(lines) - 1) / 2 - k) * LINE, text, ha="right", va="center_baseline")


def _column_names(sheet: Sheet, columns: Sequence[str], side: float) -> float:
    """Draw the columns' names above them; returns how much room they take."""
    longest = max(width(part, TEXT) for name in columns for part in name.replace("-", "- ").split() or [""])
    size = TEXT * max(0.7, min(1.0, side / max(longest, side)))
    broken = [wrapped(name, side, size) if name else [] for name in columns]
    for j, lines in enumerate(broken):
        for k, text in enumerate(reversed(lines)):
            sheet.text(j * (side + GAP) + side / 2, sheet.up + 0.05 + k * LINE, text, ha="center", size=size)
    return max(len(lines) for lines in broken) * LINE
