"""Does the geometry of features predict transfer? After Cosentino et al. 2022 (2209.08622).

The paper's regressor and statistics could not be established: the definitions here are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness import analysis
from harness.numerics.leave_one_out import Predict, Predicted, by_ridge, by_tree, leave_one_out
from harness.plots import Axis, Point, scatter
from harness_analyses.common import figure_name
from harness_analyses.geometry import METRICS, of_models
from harness_analyses.imagenet import Series, imagenet_top1, series
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from harness.analyses import Figures
    from harness.board import Board, Column

FEWEST = 5
"""Models to predict one from the others."""
PERMUTATIONS, FEWER = 999, 199
"""Of scores over models; a tree takes longer to fit."""
SOURCE = "imagenet"
DESCRIPTIVE = frozenset({
    "attribute", "consistency", "detail", "embed", "grams", "inversion", "layers", "nnk", "occlude", "occlusion",
    "reconstruct", "views",
})  # fmt: skip
"""Protocols that describe a representation, and are no transfer; `inversion` and `occlusion` of published figures."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictor:
    """What predicts, from which features of which models.

    Attributes:
        features: by model.
        needed: what a model must have to be predicted.
    """

    name: str
    features: Mapping[str, Floats]
    predict: Predict
    permutations: int
    needed: str


def draw(board: Board) -> Figures:
    """For each setting and column: what ridge predicts of each model from the others, against the truth."""
    called, paradigms = labels(board), {row.model: row.paradigm for row in board.rows}
    ridge = next(predictors(board))
    shown: Figures = {}
    for each in transfers(board):
        models, found = predicted(each, ridge)
        if isinstance(found, str):
            continue
        name = f"average {each.setting}" if each.column == "average" else each.column
        points = [
            Point(called[m], each.values[m], float(v), paradigms[m]) for m, v in zip(models, found.values, strict=True)
        ]
        x, y = (Axis(f"{which} {each.label}", each.scale) for which in ("true", "predicted"))
        said = f"ridge on MGMs, each of {len(models)} models from the others: {_said(found)}"
        shown[figure_name(name)] = scatter(
            points, x, y, f"{name} from geometry", subtitle=said, groups=paradigms.values(), line=False
        )  # fmt: skip
    return shown


@analysis("geometry_transfer", figures=draw)
def geometry_transfer(board: Board) -> list[dict[str, Any]]:
    """How well a model's transfer is predicted from its geometry, by the other models; our definition.

    After Cosentino et al. 2022, whose own regressor could not be established. Features are the manifold graph metrics
    that the analysis ``geometry`` takes; targets are the ranked columns of tasks that transfer, without those on
    ImageNet, and their average over each setting's datasets, as the analysis ``imagenet_correlation`` has them (logits
    of bounded scores). Every model is predicted from all others:

    - ``ridge``: all MGMs, z-scored; the L2 strength, of 0.01 to 1000 (in steps of a factor of the root of 10) times the
      number of features, is chosen by leave-one-out within the others.
    - ``tree``: all MGMs, a regression tree of depth 2, seeded.
    - ``imagenet_top1``: the baseline, the same ridge regression on the logit of ImageNet top-1 alone, of the models
      with MGMs that have it. Where some have not, ``ridge_with_top1`` is ``ridge`` on these models, to compare with it.

    `r2` is 1 - SSE / SST with SST about the mean of the other models, so that predicting that mean is 0 and worse is
    negative; `spearman` is of predicted and true, and negative where predictions are close to that mean. `p` is how
    often scores permuted over the models are predicted with an R² as large, everything fitted anew: of 999
    permutations, 199 for the tree; it is not corrected for the number of rows. `left_out` counts models with the score
    but without features. `reason` says why there is None.
    """
    rows = []
    predicting = list(predictors(board))
    for each in transfers(board):
        for predictor in predicting:
            models, found = predicted(each, predictor)
            rows.append(
                {
                    "column": each.column, "setting": each.setting, "predictor": predictor.name,
                    "n": len(models), "features": len(next(iter(predictor.features.values()), ())),
                    **_scores(found, predictor.permutations), "left_out": len(each.values) - len(models),
                    "reason": found if isinstance(found, str) else "",
                }
            )  # fmt: skip
    return rows


def predictors(board: Board) -> Iterator[Predictor]:
    """Ridge and tree on the MGMs, and ridge on ImageNet top-1 of the models that have MGMs."""
    found = of_models(board)
    mgms = dict(zip(found.models, found.values, strict=True))
    top1 = {m: np.array([v]) for m, v in imagenet_top1(board).items() if m in mgms}
    yield Predictor("ridge", mgms, by_ridge, PERMUTATIONS, "the score and MGMs")
    yield Predictor("tree", mgms, by_tree, FEWER, "the score and MGMs")
    yield Predictor("imagenet_top1", top1, by_ridge, PERMUTATIONS, "the score, MGMs and ImageNet top-1")
    if 0 < len(top1) < len(mgms):
        both = {model: mgms[model] for model in top1}
        yield Predictor("ridge_with_top1", both, by_ridge, PERMUTATIONS, "the score, MGMs and ImageNet top-1")


def transfers(board: Board) -> Iterator[Series]:
    """What is predicted: the averages of settings with several datasets, and every column that is transfer."""
    at = [i for i, c in enumerate(board.columns) if _transfer(c)]
    kept = replace(
        board, columns=tuple(board.columns[i] for i in at),
        rows=tuple(replace(row, entries=tuple(row.entries[i] for i in at)) for row in board.rows),
    )  # fmt: skip
    found = list(series(kept))
    single = [each.values for each in found if each.column != "average"]
    yield from (each for each in found if each.column != "average" or each.values not in single)


def predicted(each: Series, predictor: Predictor) -> tuple[list[str], Predicted | str]:
    """The models with a score and features, and what is predicted of each, or why nothing is."""
    models = sorted(model for model in each.values if model in predictor.features)
    if len(models) < FEWEST:
        return models, f"{len(models)} models have {predictor.needed}; {FEWEST} are needed"
    y = np.array([each.values[m] for m in models], np.float64)
    if np.ptp(y) == 0:
        return models, "all models have the same score"
    x = np.array([predictor.features[m] for m in models], np.float64)
    return models, leave_one_out(x, y, predictor.predict, predictor.permutations)


def _transfer(column: Column) -> bool:
    descriptive = column.metric in METRICS or column.protocol.partition("[")[0] in DESCRIPTIVE
    return column.ranked and column.higher_is_better is not None and column.dataset != SOURCE and not descriptive


def _scores(found: Predicted | str, permutations: int) -> dict[str, float | None]:
    if isinstance(found, str):
        return {"r2": None, "spearman": None, "p": None, "permutations": None}
    return {"r2": found.r2, "spearman": found.spearman, "p": found.p, "permutations": permutations}


def _said(found: Predicted) -> str:
    """The numbers in words."""
    rank = "" if found.spearman is None else f", Spearman {found.spearman:.2f}"
    return f"R² {found.r2:.2f}{rank}, p = {found.p:.2g}".replace("-", "−")
