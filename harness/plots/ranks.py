"""Critical-difference diagrams (Demšar, JMLR 2006): models on an axis of average ranks, with bars over ties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.plots.axes import Axis, draw_axis
from harness.plots.figure import Figure, Sheet, clear, drawing, width
from harness.plots.style import INK, SMALL, SOFT, paradigm_style

if TYPE_CHECKING:
    from harness.analyses import Rows

ACROSS, LINE, LANE = 5.6, 0.205, 0.085  # inches: the axis, from label to label, from bar to bar
ARM, NUMBER = 0.3, 0.48  # inches beyond the axis: to a label's line, and of its rank


@drawing()
def rank_diagram(
    ranks: Sequence[float], labels: Sequence[str], groups: Sequence[str], runs: Sequence[tuple[int, int]], title: str,
    *, subtitle: str = "", label: str = "average rank", difference: float | None = None,
) -> Figure:  # fmt: skip
    """Models by average rank, the best at the left; those without evidence between them share a bar.

    Args:
        ranks: of the M models, the best first; 1 is the best rank there is.
        labels, groups: their names, and such as pretraining paradigms, marked.
        runs: (first, last) positions of each bar, as `harness.numerics.ranking.tie_runs` gives them.
        difference: the critical difference, drawn to scale above the axis.

    Its rows are `label`, `group`, `rank`, and `bars`: the numbers of those that the model is in, from 1. Raises
    `HarnessError` for sizes that do not fit.
    """
    n = len(ranks)
    if n == 0 or not len(labels) == len(groups) == n or list(ranks) != sorted(ranks):
        raise HarnessError(f"rank diagram {title!r}: {n} ranks in order, {len(labels)} labels, {len(groups)} groups")
    low, high = math.floor(ranks[0]), max(math.ceil(ranks[-1]), math.floor(ranks[0]) + 1)
    at = [ACROSS * (rank - low) / (high - low) for rank in ranks]
    taken = lanes([(at[first], at[last]) for first, last in runs])
    bars = LANE * (1 + max(taken, default=-1)) + 0.14
    up = bars + LINE * math.ceil(n / 2)
    sheet = Sheet(ACROSS, up)
    styles = paradigm_style(groups)
    axes = sheet.axes(0, up - 0.001, ACROSS, 0.001)
    draw_axis(axes, "x", Axis(label), (low, high), ACROSS)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    for i, name in enumerate(clear(labels)):
        left, row = i < math.ceil(n / 2), min(i, n - 1 - i)
        end, height = -ARM if left else ACROSS + ARM, up - bars - LINE * (row + 0.5)
        sheet.line([at[i], at[i], end], [up, height, height], color=SOFT, linewidth=0.8, solid_joinstyle="miter")
        side, out = ("right", -1) if left else ("left", 1)
        sheet.mark(end, height, styles[groups[i]])
        sheet.text(end + out * 0.1, height, f"{ranks[i]:.2f}", ha=side, va="center_baseline", size=SMALL, color=SOFT)
        sheet.text(end + out * NUMBER, height, name, ha=side, va="center_baseline")
    for (first, last), lane in zip(runs, taken, strict=True):
        height = up - 0.12 - LANE * lane
        sheet.line([at[first] - 0.03, at[last] + 0.03], [height] * 2, color=INK, linewidth=2.6, solid_capstyle="butt")
    above = 0.42
    if difference is not None:
        above += 0.33
        _scale(sheet, up + 0.52, ACROSS * difference / (high - low), f"critical difference {difference:.2f}")
    sheet.header(title, subtitle, styles, above=above)
    return sheet.finish(title, _rows(ranks, labels, groups, runs))


def lanes(bars: Sequence[tuple[float, float]]) -> list[int]:
    """The lane of each bar (left, right): the first that is free there, so that no two bars touch."""
    ends: list[float] = []
    found = []
    for left, right in bars:
        lane = next((i for i, end in enumerate(ends) if end + 0.12 < left), len(ends))
        ends[lane:] = [right, *ends[lane + 1 :]]
        found.append(lane)
    return found


def _scale(sheet: Sheet, height: float, long: float, text: str) -> None:
    """A length at the left end of the axis, or as much of it as there is room for."""
    if long <= ACROSS:
        ends = [height - 0.04, height + 0.04]
        for across, along in (([0.0, long], [height, height]), ([0.0, 0.0], ends), ([long, long], ends)):
            sheet.line(across, along, color=INK, linewidth=1.2)
        beside = long + 0.08 + width(text, SMALL + 1) <= ACROSS
        place = (long + 0.08, height) if beside else (0.0, height + 0.12)
        sheet.text(*place, text, va="center_baseline", size=SMALL + 1, color=SOFT)
    else:
        sheet.text(0, height, f"{text}, more than the axis", va="center_baseline", size=SMALL + 1, color=SOFT)


def _rows(
    ranks: Sequence[float], labels: Sequence[str], groups: Sequence[str], runs: Sequence[tuple[int, int]]
) -> Rows:
    return [
        {
            "label": labels[i], "group": groups[i], "rank": float(rank),
            "bars": [bar for bar, (first, last) in enumerate(runs, start=1) if first <= i <= last],
        }
        for i, rank in enumerate(ranks)
    ]  # fmt: skip
