"""Near and far targets."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import numpy as np
import pytest
from drawings import texts

import harness_papers.ericsson2021 as paper
from harness.board import Board, build
from harness.errors import HarnessError
from harness.records import Record, ScoreData
from harness.testing import check_analysis
from harness_analyses.near_far import near_far

TOP1 = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
ECE = {"name": "ece", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": False}
DATASETS = {"birds": True, "dogs": True, "xrays": False, "imagenet": True}


def record(model: str, dataset: str, value: float, half: float | None = 1.0, paradigm: str = "contrastive",
           metric: dict[str, Any] = TOP1, protocol: str = "linear") -> Record:  # fmt: skip
    low, high = (None, None) if half is None else (value - half, value + half)
    return Record(
        status="done", model=model, task=f"{protocol}@{dataset}", metric=metric, primary=metric is TOP1,
        key=f"{model}{dataset}{metric['name']}{protocol}", scores=(ScoreData(value=value, low=low, high=high, n=100),),
        card={"paradigm": paradigm}, dataset={"near": DATASETS.get(dataset)},
    )  # fmt: skip


def group(names: str, paradigm: str, far: list[float]) -> list[Record]:
    """Models that score 80 on birds and 90 on dogs, and `far` on X-rays."""
    return [
        record(f"{names}{i}", dataset, value, paradigm=paradigm)
        for i, last in enumerate(far)
        for dataset, value in (("birds", 80.0), ("dogs", 90.0), ("xrays", last), ("imagenet", 99.0))
    ]


def rows(records: list[Record]) -> dict[str, dict[str, Any]]:
    return {row["of"]: row for row in near_far(build(records, columns="all"))}


def test_a_models_gap_and_its_interval() -> None:
    made = [record("m", "birds", 80.0, 1.0), record("m", "dogs", 90.0, 2.0), record("m", "xrays", 60.0, 3.0)]
    row = rows([*made, record("m", "imagenet", 5.0)])["m"]
    assert (row["protocol"], row["quantity"], row["unit"], row["models"]) == ("linear", "accuracy", "%", 1)
    assert (row["near"], row["far"], row["gap"]) == (85.0, 60.0, 25.0)
    assert (row["near_datasets"], row["far_datasets"]) == (2, 1)
    half = np.sqrt((1.0**2 + 2.0**2) / 4 + 3.0**2)
    assert row["gap_ci"] == pytest.approx([25 - half, 25 + half])


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Simulated accuracies over 400, 300 and 200 images."""
    random, truth = np.random.default_rng(0), {"birds": 0.8, "dogs": 0.9, "xrays": 0.6}
    sizes, held = {"birds": 400, "dogs": 300, "xrays": 200}, 0
    for _ in range(300):
        made = []
        for dataset, p in truth.items():
            value = 100 * random.binomial(sizes[dataset], p) / sizes[dataset]
            made.append(record("m", dataset, value, 1.96 * np.sqrt(value * (100 - value) / sizes[dataset])))
        low, high = rows(made)["m"]["gap_ci"]
        held += low <= 25 <= high
    assert 0.92 <= held / 300 <= 0.98


def test_groups_and_their_difference() -> None:
    ours, theirs = [50.0, 55.0, 60.0, 65.0, 70.0], [40.0, 42.0, 44.0, 46.0]
    found = rows(group("ssl", "clustering", ours) + group("sup", "supervised", theirs))
    assert found["self-supervised"]["gap"] == pytest.approx(85 - fmean(ours))
    assert found["supervised"]["gap"] == pytest.approx(85 - fmean(theirs))
    difference = found["self-supervised − supervised"]
    assert difference["gap"] == pytest.approx(fmean(theirs) - fmean(ours))
    assert (difference["models"], difference["near"]) == (9, 0.0)
    spread = np.sqrt(np.var(ours) / 5 + np.var(theirs) / 4)
    low, high = difference["gap_ci"]
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    low, high = found["self-supervised"]["gap_ci"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(np.var(ours) / 5), rel=0.1)


def test_groups_are_resampled_apart() -> None:
    """Drawn alike, two groups of the same gaps would have no difference at all."""
    gaps = [50.0, 55.0, 60.0, 65.0, 70.0]
    low, high = rows(group("a", "masked", gaps) + group("b", "supervised", gaps))["self-supervised − supervised"][
        "gap_ci"
    ]
    assert low < -5 < 5 < high


def test_a_small_group_is_not_resampled() -> None:
    ours = [50.0, 55.0, 60.0, 65.0, 70.0]
    found = rows(group("ssl", "clustering", ours) + group("sup", "supervised", [40.0]))
    assert found["supervised"]["gap_ci"] is None
    low, high = found["self-supervised"]["gap_ci"]
    assert found["self-supervised − supervised"]["gap_ci"] == pytest.approx([low - 45, high - 45])
    few = rows(group("ssl", "clustering", ours[:3]) + group("sup", "supervised", [40.0]))
    assert few["self-supervised − supervised"]["gap_ci"] is None


def test_models_of_neither_kind_stand_alone() -> None:
    made = group("random", "none", [50.0]) + group("clip", "image-text", [55.0]) + group("mine", "unknown", [60.0])
    assert set(rows(made)) == {"random0", "clip0", "mine0"}


def test_calibration_and_every_other_metric_have_their_gaps() -> None:
    made = group("ssl", "clustering", [50.0])
    made += [record("ssl0", d, v, metric=ECE) for d, v in (("birds", 2.0), ("dogs", 4.0), ("xrays", 9.0))]
    found = {row["quantity"]: row for row in near_far(build(made, columns="all")) if row["of"] == "ssl0"}
    assert set(found) == {"accuracy", "ece"}
    assert (found["ece"]["near"], found["ece"]["far"], found["ece"]["gap"]) == (3.0, 9.0, -6.0)


def test_a_model_that_lacks_a_dataset_is_left_out() -> None:
    made = group("ssl", "clustering", [50.0, 60.0])
    assert set(rows([*made, record("new", "birds", 80.0), record("new", "xrays", 40.0)])) == {
        "self-supervised", "ssl0", "ssl1",
    }  # fmt: skip


def test_scores_without_intervals_have_gaps_without() -> None:
    made = [record("m", "birds", 80.0, None), record("m", "xrays", 60.0)]
    assert rows(made)["m"]["gap"] == 20.0
    assert rows(made)["m"]["gap_ci"] is None


def test_protocols_stay_apart() -> None:
    made = [*group("ssl", "clustering", [50.0]), record("ssl0", "birds", 70.0, protocol="knn")]
    assert {row["protocol"] for row in near_far(build(made, columns="all"))} == {"linear"}


def test_a_board_without_far_targets_says_what_is_missing() -> None:
    with pytest.raises(HarnessError, match=r"no protocol has a score on both a near and a far dataset .*harness show"):
        near_far(build([record("m", "birds", 80.0), record("m", "dogs", 80.0)], columns="all"))
    assert near_far(build([], columns="all")) == []


def published() -> Board:
    return build(paper.records(), columns="all")


def test_on_the_published_figures_supervision_loses_more() -> None:
    """Section 4.2 of Ericsson et al. 2021: supervised few-shot wins near ImageNet, and loses far from it."""
    found = {(row["protocol"], row["of"]): row for row in near_far(published()) if row["quantity"] == "accuracy"}
    row = found["fewshot[5w20s,view=squash]", "self-supervised − supervised"]
    assert (row["models"], row["near_datasets"], row["far_datasets"]) == (14, 9, 5)
    assert row["gap_ci"][1] < 0
    byol = found["fewshot[5w20s,view=squash]", "resnet50-byol"]
    assert byol["far"] == pytest.approx(fmean([87.56, 96.07, 89.62, 53.76, 30.71]))


def test_it_draws_near_against_far() -> None:
    assert near_far.figures is not None
    board = published()
    figure = near_far.figures(board)["fewshot,5w20s,view=squash_accuracy"]
    assert "accuracy, %, mean over 9 near datasets" in texts(figure)
    (byol,) = (row for row in figure.rows if row["label"] == "BYOL")
    row = next(r for r in near_far(board) if r["of"] == "resnet50-byol" and r["protocol"].startswith("fewshot[5w20s"))
    assert (byol["x"], byol["y"]) == (row["near"], row["far"])


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(near_far)} == {"passed"}
