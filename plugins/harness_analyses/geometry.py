"""Are models alike in the geometry of their features? After Cosentino et al. 2022 (2209.08622).

The paper's formulas and statistics could not be established: all definitions here are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness import analysis
from harness.numerics.permanova import Permanova, permanova
from harness.plots import Axis, Point, dendrogram, heatmap, scatter
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Column, Row
    from harness.plots import Figure

METRICS = ("nnk_neighbours", "nnk_diameter", "nnk_affinity")
SHAPES = ("mean", "sd")
UNKNOWN = ("none", "unknown")
FEWEST = 3
"""Models whose distances mean something: two are always as far apart as can be."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Geometry:
    """The manifold graph metrics (MGMs) of the models that have all of them.

    Attributes:
        columns: K, those where some model has a score.
        rows: of the N models, by name.
        values: (N, K)
        lacking: by model that has some of them only, one that it lacks.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    values: Floats
    lacking: dict[str, str]

    @cached_property
    def varying(self) -> list[int]:
        """The columns that differ between models."""
        far = np.ptp(self.values, 0) > 1e-12 * np.abs(self.values).max(0) if len(self.rows) else []
        return [int(i) for i in np.flatnonzero(far)]

    @cached_property
    def z(self) -> Floats:
        """The varying columns in standard deviations (over the N models) from the mean, (N, V)."""
        varying = self.values[:, self.varying]
        found: Floats = (varying - varying.mean(0)) / varying.std(0)
        return found

    @cached_property
    def distances(self) -> Floats:
        """Euclidean, between the models' z, (N, N)."""
        found: Floats = np.sqrt(np.square(self.z[:, None] - self.z[None]).sum(2))
        return found

    @property
    def models(self) -> list[str]:
        return [row.model for row in self.rows]

    @property
    def names(self) -> list[str]:
        """Short, of the varying columns."""
        several = len({c.dataset for c in self.columns}) > 1
        return [_short(self.columns[i], several) for i in self.varying]

    @property
    def reason(self) -> str:
        """Why the models can't be compared; empty if they can."""
        if not self.columns:
            return "no model has MGMs: add tasks such as nnk@DATASET with their metrics"
        if len(self.rows) < FEWEST:
            return f"{len(self.rows)} models have all MGMs, {FEWEST} are needed"
        return "" if self.varying else "no MGM differs between the models"


def draw(board: Board) -> Figures:
    """The dendrogram of the models, their z-scored MGMs, their distances and their first two principal components."""
    found = of_models(board)
    if found.reason:
        return {}
    from scipy.cluster.hierarchy import leaves_list

    called, merges = labels(board), linkage(found)
    order = leaves_list(merges)
    names, groups = [called[m] for m in found.models], [row.paradigm for row in found.rows]
    about = f"{len(names)} models, {len(found.names)} MGMs, each z-scored over the models"
    sorted_names, sorted_groups = [names[i] for i in order], [groups[i] for i in order]
    most = float(np.abs(found.z).max())
    return {
        "dendrogram": dendrogram(
            merges, names, groups, "Models by the geometry of their features", subtitle=f"{about}; {_said(found)}",
            label="Euclidean distance of z-scores (average linkage)",
        ),
        "MGMs": heatmap(
            found.z[order], sorted_names, found.names, "Manifold graph metrics", subtitle=about, label="z-score",
            low=-most, high=most, row_groups=sorted_groups,
        ),
        "distances": heatmap(
            found.distances[np.ix_(order, order)], sorted_names, sorted_names, "Distances between models",
            subtitle=about, label="Euclidean distance of z-scores", low=0.0, row_groups=sorted_groups,
            column_groups=sorted_groups,
        ),
        "principal_components": _components(found, called, about),
    }  # fmt: skip


@analysis("geometry", figures=draw)
def geometry(board: Board) -> list[dict[str, Any]]:
    """Models by the geometry of their features, and whether the pretraining paradigm explains it; our definition.

    After Cosentino et al. 2022, whose own statistics could not be established. The manifold graph metrics (MGMs) of a
    model are the mean and the standard deviation over points of `nnk_neighbours`, `nnk_diameter` and `nnk_affinity` of
    every task that has them (their quartiles add little). Each is z-scored over the models that have all of them; an
    MGM that is the same for all counts for nothing. Distances are Euclidean.

    The first row, ``paradigm``, is a permutational analysis of variance (Anderson 2001) of the distances by pretraining
    paradigm, without models of no or unknown paradigm: `pseudo_f`, `r2` (the share of the squared distances between
    paradigms; about (paradigms - 1) / (models - 1) by chance), and `p`, exact where all labellings, at most 9999, were
    looked at. It also answers to paradigms that differ in spread alone.

    Every other row is a model: its `nearest` other model and their `distance`, then its z-scored MGMs. `reason` says
    why there is None.
    """
    found = of_models(board)
    rows = [_row("paradigm", found, **_tested(found))]
    for row in board.rows:
        if row.model in found.lacking:
            rows.append(_row(row.model, found, paradigm=row.paradigm, reason=f"lacks {found.lacking[row.model]}"))
        elif row.model in found.models:
            at = found.models.index(row.model)
            rows.append(_row(row.model, found, paradigm=row.paradigm, **_placed(found, at)))
    return rows


def of_models(board: Board) -> Geometry:
    """The models' MGMs."""
    at = [
        i for i, c in enumerate(board.columns)
        if c.metric in METRICS and c.variant in SHAPES and any(row.entries[i].status == "done" for row in board.rows)
    ]  # fmt: skip
    rows, lacking = [], {}
    for row in sorted(board.rows, key=lambda row: row.model) if at else ():
        missing = [i for i in at if row.entries[i].status != "done"]
        if not missing:
            rows.append(row)
        elif len(missing) < len(at):
            lacking[row.model] = board.columns[missing[0]].name
    values = np.array([[row.entries[i].value for i in at] for row in rows], np.float64).reshape(len(rows), len(at))
    return Geometry(tuple(board.columns[i] for i in at), tuple(rows), values, lacking)


def linkage(found: Geometry) -> Floats:
    """The average-linkage tree of the models, (N - 1, 4), as SciPy has it."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    merges: Floats = hierarchy.linkage(squareform(found.distances, checks=False), "average", optimal_ordering=True)
    return merges


def by_paradigm(found: Geometry) -> Permanova | str:
    """Whether the paradigm explains the distances, or why that can't be said."""
    known = [i for i, row in enumerate(found.rows) if row.paradigm not in UNKNOWN]
    groups = [found.rows[i].paradigm for i in known]
    if found.reason:
        return found.reason
    if not 1 < len(set(groups)) < len(groups):
        return f"it takes two paradigms, and two models of one: {len(groups)} models of {len(set(groups))}"
    within = found.distances[np.ix_(known, known)]
    return permanova(within, groups) if within.any() else "the models of known paradigm have the same MGMs"


def _tested(found: Geometry) -> dict[str, Any]:
    test = by_paradigm(found)
    if isinstance(test, str):
        return {"reason": test}
    f = test.f if math.isfinite(test.f) else None
    models = sum(row.paradigm not in UNKNOWN for row in found.rows)
    return {
        "models": models, "pseudo_f": f, "r2": test.r2, "p": test.p, "permutations": test.permutations,
        "exact": test.exact, "reason": "" if f is not None else "pseudo_f is infinite: no paradigm has any spread",
    }  # fmt: skip


def _placed(found: Geometry, at: int) -> dict[str, Any]:
    """A model's nearest other and its z-scores."""
    if found.reason:
        return {"reason": found.reason}
    apart = found.distances[at].copy()
    apart[at] = math.inf
    nearest = int(apart.argmin())
    z = {found.columns[i].name: float(v) for i, v in zip(found.varying, found.z[at], strict=True)}
    return {"nearest": found.models[nearest], "distance": float(apart[nearest]), **z}


def _row(of: str, found: Geometry, **given: Any) -> dict[str, Any]:
    row = dict.fromkeys(("of", "paradigm", "models", "pseudo_f", "r2", "p", "permutations", "exact"))
    row |= dict.fromkeys(("nearest", "distance")) | {"reason": ""} | dict.fromkeys(c.name for c in found.columns)
    return {**row, "of": of, **given}


def _short(column: Column, dataset: bool) -> str:
    """``diameter sd, simclr[50]``; with the dataset where there are several."""
    given = column.protocol.partition("[")[2].removesuffix("]") or "semantic"
    where = f"{given}@{column.dataset}" if dataset else given
    return f"{column.metric.removeprefix('nnk_')} {column.variant}, {where}"


def _said(found: Geometry) -> str:
    """The test in words."""
    test = by_paradigm(found)
    if isinstance(test, str):
        return f"paradigm not tested: {test}"
    how = "exact" if test.exact else f"{test.permutations} permutations"
    return f"paradigm explains {100 * test.r2:.0f} % of the squared distances, p = {test.p:.2g} ({how})"


def _components(found: Geometry, called: Mapping[str, str], about: str) -> Figure:
    """The models on the first two principal components of their MGMs; each axis names the MGM that weighs most."""
    u, size, loadings = np.linalg.svd(found.z, full_matrices=False)
    axes, places = [], []
    for i in range(min(2, len(size))):
        heaviest = int(np.abs(loadings[i]).argmax())
        share = 100 * size[i] ** 2 / np.square(size).sum()
        axes.append(Axis(f"component {i + 1}, {share:.0f} % of the variance; most in {found.names[heaviest]}"))
        places.append(np.sign(loadings[i, heaviest]) * size[i] * u[:, i])  # so that more of that MGM is further on
    if len(axes) == 1:
        axes, places = [*axes, Axis("there is one MGM")], [*places, np.zeros(len(u))]
    points = [
        Point(called[row.model], float(x), float(y), row.paradigm)
        for row, x, y in zip(found.rows, *places, strict=True)
    ]
    about = f"{about}; principal components"
    return scatter(points, axes[0], axes[1], "Models by their MGMs", subtitle=about, line=False)
