"""Dendrograms: what is merged with what, at which distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import HarnessError
from harness.plots.axes import Axis, draw_axis, span
from harness.plots.figure import Figure, Sheet, clear, drawing
from harness.plots.style import SOFT, paradigm_style

if TYPE_CHECKING:
    from harness.analyses import Rows

ACROSS, LEAF = 4.6, 0.22  # inches, and of a leaf


@drawing()
def dendrogram(
    linkage: ArrayLike, labels: Sequence[str], groups: Sequence[str], title: str, *, subtitle: str = "",
    label: str = "distance",
) -> Figure:  # fmt: skip
    """A tree of merges, its leaves at the right, each marked by its group; a branch of one group has its colour.

    Args:
        linkage: (L - 1, 4), as ``scipy.cluster.hierarchy.linkage`` gives it.
        labels, groups: of the L leaves; such as models and their pretraining paradigms.
        label: what the distance is.

    Its rows are the merges in their order: `merge`, `first`, `second` (a leaf's label, or ``#`` and a merge's number),
    `distance`, `leaves`. Raises `HarnessError` for sizes that do not fit.
    """
    merges = np.asarray(linkage, np.float64).reshape(-1, 4)
    n = len(labels)
    if n == 0 or len(groups) != n or len(merges) != n - 1:
        raise HarnessError(f"dendrogram {title!r}: {len(merges)} merges, {n} labels, {len(groups)} groups do not fit")
    styles = paradigm_style(groups)
    order = _order(merges, n)
    sheet = Sheet(ACROSS, max(n * LEAF, 1.0))
    axes = sheet.axes(0, 0, ACROSS, sheet.up)
    right, left = min([0.0, *merges[:, 2]]), span([0.0, *merges[:, 2]], 0.04)[1]
    draw_axis(axes, "x", Axis(label), (right, left), ACROSS)
    axes.invert_xaxis()
    axes.set_ylim(-0.5, n - 0.5)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    for x, y, group in branches(merges, order, groups):
        colour = SOFT if group is None else styles[group].colour
        axes.plot(x, y, color=colour, linewidth=1.3, solid_joinstyle="miter", zorder=2)
    at = sheet.across * (left / (left - right))
    for place, leaf in enumerate(order):
        up = sheet.up * (place + 0.5) / n
        sheet.mark(at, up, styles[groups[leaf]])
        sheet.text(ACROSS + 0.12, up, clear([labels[leaf]])[0], va="center_baseline")
    sheet.header(title, subtitle, styles)
    return sheet.finish(title, _rows(merges, labels))


def _order(merges: NDArray[np.float64], n: int) -> list[int]:
    """The leaves from the bottom to the top."""
    from scipy.cluster.hierarchy import leaves_list

    return [int(i) for i in leaves_list(merges)][::-1] if n > 1 else [0]


def branches(
    merges: NDArray[np.float64], order: Sequence[int], groups: Sequence[str]
) -> list[tuple[list[float], list[float], str | None]]:
    """For each merge its bracket's four corners (distances, heights in leaves), and the group of all its leaves."""
    n = len(order)
    height = {leaf: float(at) for at, leaf in enumerate(order)}
    distance = dict.fromkeys(range(n), 0.0)
    group: dict[int, str | None] = dict(enumerate(groups))
    found = []
    for made, (one, other, at, _) in enumerate(merges, start=n):
        a, b = int(one), int(other)
        height[made], distance[made] = (height[a] + height[b]) / 2, float(at)
        group[made] = group[a] if group[a] == group[b] else None
        corners = [distance[a], float(at), float(at), distance[b]], [height[a], height[a], height[b], height[b]]
        found.append((*corners, group[made]))
    return found


def _rows(merges: NDArray[np.float64], labels: Sequence[str]) -> Rows:
    n = len(labels)

    def name(of: float) -> str:
        return labels[int(of)] if of < n else f"#{int(of) - n + 1}"

    return [
        {"merge": f"#{i}", "first": name(a), "second": name(b), "distance": float(at), "leaves": int(leaves)}
        for i, (a, b, at, leaves) in enumerate(merges, start=1)
    ]
