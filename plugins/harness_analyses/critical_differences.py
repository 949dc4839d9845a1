"""Which models differ over all tasks? Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, 2006."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from harness import analysis
from harness.board.standings import scaled
from harness.errors import UndefinedError
from harness.numerics.omnibus import Friedman, Nemenyi, friedman, nemenyi, wilcoxon_holm
from harness.numerics.ranking import FEWEST, tie_runs
from harness.plots import rank_diagram
from harness_analyses.common import PAIRED, oriented
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board

ALPHA = 0.05
MOST = 60
"""Models that a figure shows, the best."""


@dataclass(frozen=True)
class Tests:
    """Of M models, the best average rank first.

    Attributes:
        wilcoxon: (M, M) p-values.
        columns, datasets: how many columns were averaged, to how many datasets.
    """

    models: list[str]
    friedman: Friedman
    nemenyi: Nemenyi
    wilcoxon: NDArray[np.float64]
    columns: int
    datasets: int

    def runs(self, p: NDArray[np.float64]) -> list[tuple[int, int]]:
        """Positions of models without evidence between them at 5 %."""
        return tie_runs((p < ALPHA) & np.triu(np.ones_like(p, bool), 1), range(len(p)))


def draw(board: Board) -> Figures:
    """Two critical-difference diagrams: by Nemenyi's test, and by Wilcoxon's with Holm's correction."""
    found = tests(board)
    if found is None:
        return {}
    called, paradigms = labels(board), {row.model: row.paradigm for row in board.rows}
    shown = found.models[:MOST]
    about = f"{len(found.models)} models, {found.columns} columns on {found.datasets} datasets; Friedman {_p(found)}"
    if len(shown) < len(found.models):
        about += f"; the first {MOST} are shown"
    about += "; models that share no bar differ at 5 %"
    drawn: Figures = {}
    for name, p, difference in (
        ("Nemenyi", found.nemenyi.p, found.nemenyi.critical_difference),
        ("Wilcoxon-Holm", found.wilcoxon, None),
    ):
        runs = [(first, min(last, len(shown) - 1)) for first, last in found.runs(p) if first < len(shown) - 1]
        drawn[name] = rank_diagram(
            found.friedman.ranks[: len(shown)].tolist(), [called[m] for m in shown], [paradigms[m] for m in shown],
            runs, f"{board.title}: average ranks, {name}", subtitle=about, difference=difference,
        )  # fmt: skip
    return drawn


@analysis("critical_differences", figures=draw)
def critical_differences(board: Board) -> list[dict[str, Any]]:
    """Which models differ over all ranked columns: Friedman, Nemenyi and Wilcoxon-Holm tests (Demšar 2006).

    One row for each pair of ranked models, the better average rank first. `nemenyi` and `wilcoxon` are p-values, each
    corrected for the number of pairs; `friedman` that of all models alike and `critical_difference` the difference of
    average ranks that is significant at 5 % in Nemenyi's test, the same in every row.

    A dataset is one sample, however many columns it has: they are averaged, on 0 to 100 by their metrics' bounds, or as
    ranks where one has none. What Nemenyi finds of two models depends on the others, what Wilcoxon finds does not
    (Benavoli et al. 2016).

    No rows for fewer than three ranked models or six datasets, and where all models tie. Of more than 200
    models, the first 200 have rows.
    """
    found = tests(board)
    if found is None:
        return []
    ranks = found.friedman.ranks
    return [
        {
            "model": a, "partner": b, "average_rank": float(ranks[i]), "partner_rank": float(ranks[j]),
            "difference": float(ranks[j] - ranks[i]), "critical_difference": found.nemenyi.critical_difference,
            "nemenyi": float(found.nemenyi.p[i, j]), "wilcoxon": float(found.wilcoxon[i, j]),
            "friedman": found.friedman.p, "datasets": found.datasets,
        }
        for i, a in enumerate(found.models[:PAIRED])
        for j, b in enumerate(found.models[:PAIRED]) if i < j
    ]  # fmt: skip


def tests(board: Board) -> Tests | None:
    """The tests; None where they are undefined, or too few datasets for Wilcoxon's to find anything at 5 %."""
    columns = [column for column in board.columns if column.ranked]
    values, datasets = by_dataset(board)
    if len(datasets) < FEWEST:
        return None
    try:
        first = friedman(values)
    except UndefinedError:
        return None
    order = np.argsort(first.ranks, kind="stable")
    second, p = nemenyi(values[:, order]), wilcoxon_holm(values[:, order])
    models = [board.ranked[i].model for i in order]
    return Tests(models, first._replace(ranks=first.ranks[order]), second, p, len(columns), len(datasets))


def by_dataset(board: Board) -> tuple[NDArray[np.float64], list[str]]:
    """The ranked models' scores on each of D datasets, (D, M), higher is better; and the datasets, by their images."""
    values, columns = oriented(board)
    bounded = all(None not in column.bounds for column in columns)
    on_one_scale = [
        scaled(row if column.higher_is_better else -row, column, "score") if bounded else -rankdata(-row)
        for row, column in zip(values, columns, strict=True)
    ]
    images = [column.dataset.partition("[")[0] for column in columns]
    datasets = list(dict.fromkeys(images))
    means = [
        np.mean([row for row, own in zip(on_one_scale, images, strict=True) if own == name], axis=0)
        for name in datasets
    ]
    found = np.round(np.array(means).reshape(len(datasets), len(board.ranked)), 9)  # means that rounding parts are tied
    return found, datasets


def _p(found: Tests) -> str:
    p = found.friedman.p
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"
