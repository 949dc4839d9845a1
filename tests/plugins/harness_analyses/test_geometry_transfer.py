"""Transfer predicted from geometry."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest
from drawings import texts
from manifold_boards import TOP1, board, mgm, score
from scipy.special import logit
from scipy.stats import kstest, spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.board import Board, build
from harness.numerics.leave_one_out import STRENGTHS, Predicted
from harness.testing import check_analysis
from harness_analyses.geometry_transfer import geometry_transfer, predicted, predictors, transfers

RMSE = {**TOP1, "name": "rmse", "unit": "", "bounds": [0, None], "higher_is_better": False}
DESCRIPTION = {**TOP1, "name": "cka_class", "higher_is_better": None}


@functools.cache
def planted() -> Board:
    return board()


@functools.cache
def planted_rows() -> dict[tuple[str, str], dict[str, Any]]:
    return rows(planted())


def rows(made: Board) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["column"], row["predictor"]): row for row in geometry_transfer(made)}


def expected(made: Board, names: list[str], column: str) -> np.ndarray:
    """Ridge's predictions by scikit-learn, each model from the others."""
    x = np.array([[made.entry(row.model, name).value for name in names] for row in made.rows], float)
    y = logit([float(made.entry(row.model, column).value or 0) / 100 for row in made.rows])
    ridge = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS * len(names)))
    return np.stack([y, cross_val_predict(ridge, x, y, cv=LeaveOneOut())])


def test_planted_transfer_is_predicted_better_than_by_imagenet() -> None:
    found = planted_rows()
    assert len(found) == 9  # birds, cars and their average, by three predictors
    for column in ("average", "linear@birds top1", "linear@cars top1"):
        ridge, top1 = found[column, "ridge"], found[column, "imagenet_top1"]
        assert (ridge["n"], ridge["features"], ridge["permutations"], ridge["reason"]) == (14, 12, 999, "")
        assert ridge["r2"] > 0.85 > 0.3 > top1["r2"]
        assert ridge["p"] <= 0.003 < 0.05 < top1["p"]
        assert (top1["features"], found[column, "tree"]["permutations"]) == (1, 199)
    assert {row["setting"] for row in found.values()} == {"linear kornblith"}


def test_ridge_is_scikit_learns() -> None:
    made = board(9, planted=False, seed=5)
    names = [c.name for c in made.columns if c.metric.startswith("nnk") and c.variant in ("mean", "sd")]
    y, ours = expected(made, names, "linear@birds top1")
    others = (y.sum() - y) / 8
    each = next(each for each in transfers(made) if each.column == "linear@birds top1")
    models, found = predicted(each, next(predictors(made)))
    assert isinstance(found, Predicted)
    assert found.r2 == pytest.approx(1 - np.square(y - ours).sum() / np.square(y - others).sum())
    assert found.spearman == pytest.approx(spearmanr(y, ours).statistic)
    by_model = {row.model: value for row, value in zip(made.rows, ours, strict=True)}
    assert dict(zip(models, found.values, strict=True)) == pytest.approx(by_model)


def test_what_geometry_does_not_tell_is_not_predicted() -> None:
    found = []
    for seed in range(20):
        made = board(10, planted=False, seed=seed)
        _, result = predicted(next(transfers(made)), next(predictors(made)))
        assert isinstance(result, Predicted)
        found.append(result)
    assert kstest([each.p for each in found], "uniform").pvalue > 0.01
    assert np.median([each.r2 for each in found]) < 0.1


def test_imagenet_that_decides_is_the_better_predictor() -> None:
    random = np.random.default_rng(0)
    made = []
    for i in range(10):
        top1 = 60.0 + 2 * random.random() + i
        made += mgm(f"m{i}", random.normal(size=6).tolist(), reported={"imagenet_top1": top1})
        made.append(score(f"m{i}", "knn@birds", top1 - 20))
    found = rows(build(made, columns="all"))
    assert found["knn@birds top1", "imagenet_top1"]["r2"] > 0.9 > 0.5 > found["knn@birds top1", "ridge"]["r2"]
    assert found["knn@birds top1", "imagenet_top1"]["spearman"] > 0.9


def test_without_imagenet_there_is_no_baseline() -> None:
    row = rows(board(6, top1=False))["linear@birds top1", "imagenet_top1"]
    assert (row["n"], row["r2"], row["p"], row["left_out"]) == (0, None, None, 6)
    assert row["reason"] == "0 models have the score, MGMs and ImageNet top-1; 5 are needed"


@pytest.mark.parametrize("models", [0, 1, 3, 4])
def test_too_few_models_have_a_reason(models: int) -> None:
    made = board(models)
    found = geometry_transfer(made)
    assert len(found) == (9 if models else 0)
    for row in found:
        assert (row["n"], row["r2"], row["spearman"], row["p"], row["permutations"]) == (models, *[None] * 4)
        assert row["reason"].startswith(f"{models} models have the score")
    assert geometry_transfer.figures is not None
    assert geometry_transfer.figures(made) == {}


def test_models_without_mgms_are_left_out_and_counted() -> None:
    made = [r for i in range(6) for r in mgm(f"m{i}", [float(i), 2.0, i**0.5, 4.0, 1 / (i + 1), 6.0])]
    made += [score(f"m{i}", "knn@birds", 50.0 + i) for i in range(8)]
    found = rows(build(made, columns="all"))
    assert {(row["n"], row["left_out"]) for row in found.values()} == {(6, 2), (0, 8)}
    assert found["knn@birds top1", "ridge"]["r2"] > 0.5


def test_equal_scores_have_a_reason() -> None:
    made = [r for i in range(6) for r in [*mgm(f"m{i}", [float(i), 2, 3, 4, 5, 6]), score(f"m{i}", "knn@birds", 50.0)]]
    row = rows(build(made, columns="all"))["knn@birds top1", "ridge"]
    assert (row["n"], row["r2"], row["reason"]) == (6, None, "all models have the same score")


def test_only_transfer_is_predicted() -> None:
    """Neither ImageNet, nor a description, nor what ranks no model; a setting of one dataset has no average."""
    made = [r for i in range(3) for r in mgm(f"m{i}", [1, 2, 3, 4, 5, 6.0 + i])]
    for i in range(3):
        for task, metric in (
            ("linear@imagenet", TOP1), ("knn@imagenet", TOP1), ("embed[layer4]@birds", TOP1),
            ("views[simclr[50]]@birds", TOP1), ("grams@birds", DESCRIPTION), ("ridge@faces", RMSE),
            ("fewshot[5w20s]@birds", TOP1),
        ):  # fmt: skip
            made.append(score(f"m{i}", task, 50.0 + i, metric))
    made += [score("m0", "knn@birds", 50.0), score("m0", "knn@birds", 1.0, {**TOP1, "name": "ece"}).model_copy(
        update={"primary": False})]  # fmt: skip
    found = [each.column for each in transfers(build(made, columns="all"))]
    assert found == ["fewshot[5w20s]@birds top1", "knn@birds top1", "ridge@faces rmse"]


def test_it_draws_predicted_against_true() -> None:
    assert geometry_transfer.figures is not None
    made = planted()
    drawn = geometry_transfer.figures(made)
    assert list(drawn) == ["average_linear_kornblith", "linear@birds_top1", "linear@cars_top1"]
    figure, row = drawn["linear@birds_top1"], planted_rows()["linear@birds top1", "ridge"]
    said = " ".join(texts(figure))
    assert "true top1, % (logit scale)" in said
    assert f"R² {row['r2']:.2f}, Spearman {row['spearman']:.2f}, p = {row['p']:.2g}" in said
    for point in figure.rows:
        assert point["x"] == pytest.approx(made.entry(point["label"], "linear@birds top1").value)
    x, y = (logit([point[at] / 100 for point in figure.rows]) for at in "xy")
    others = (x.sum() - x) / 13
    assert 1 - np.square(x - y).sum() / np.square(x - others).sum() == pytest.approx(row["r2"])


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(geometry_transfer)} == {"passed"}
    json.dumps([*planted_rows().values()], allow_nan=False)
