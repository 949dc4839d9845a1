"""Correlation with ImageNet top-1: on the published figures it says what the paper says."""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawings import texts
from scipy import stats
from scipy.special import logit

import harness_papers.ericsson2021 as paper
from harness.board import Board, build
from harness.records import Record, ScoreData
from harness.testing import check_analysis
from harness_analyses.imagenet import imagenet_correlation

KEYS = ["column", "setting", "n", "pearson", "pearson_ci", "spearman", "spearman_ci", "left_out"]
LINEAR = "linear[mode=protocol,view=whole]"
PRINTED = {  # the last row of Table 9, and the number of decimals of the column above it
    f"{LINEAR}@kornblith-mean ece": (-0.77, 2),
    f"{LINEAR}@kornblith-mean ece_temperature_crossfit": (-0.59, 2),
    "finetune@kornblith-mean ece": (-0.90, 2),
    "finetune@kornblith-mean ece_temperature_crossfit": (-0.59, 2),
    "inversion@ericsson15 lpips_alex": (-0.51, 2),
    "inversion@ericsson15 lpips_vgg": (-0.69, 2),
    "inversion@ericsson15 lpips_squeeze": (-0.57, 2),
    "inversion@ericsson15 colour_mse_red": (-0.56, 0),
    "inversion@ericsson15 colour_mse_green": (-0.11, 0),
    "inversion@ericsson15 colour_mse_blue": (-0.22, 0),
    "occlusion@ericsson15 attentive_diffusion": (0.09, 2),
}


@functools.cache
def published() -> Board:
    return build(paper.records(), columns="all")


@functools.cache
def rows() -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["column"], row["setting"]): row for row in imagenet_correlation(published())}


def of_column(name: str) -> dict[str, Any]:
    return next(row for (column, _), row in rows().items() if column == name)


def scores(name: str) -> tuple[np.ndarray, np.ndarray]:
    """ImageNet top-1 and a column, over the models, as printed."""
    board = published()
    models = [row.model for row in board.rows]
    x, y = (np.array([board.entry(m, c).value for m in models], float) for c in (f"{LINEAR}@imagenet top1", name))
    return x, y


@pytest.mark.parametrize("name", PRINTED)
def test_table_9_is_reproduced_within_the_rounding_of_its_inputs(name: str) -> None:
    """As far off as Pearson's r moves when each printed number is anything that rounds to it."""
    printed, decimals = PRINTED[name]
    column = next(c for c in published().columns if c.name == name)
    high = column.bounds[1]
    x, y = scores(name)
    random = np.random.default_rng(0)
    half = 0.5 * 10.0**-decimals
    moved = [
        stats.pearsonr(
            logit((x + random.uniform(-0.005, 0.005, 14)) / 100),
            (lambda v: v if high is None else logit(v / high))(y + random.uniform(-half, half, 14)),
        ).statistic
        for _ in range(1000)
    ]
    row = of_column(name)
    assert row["n"] == 14
    assert min(moved) <= row["pearson"] <= max(moved)
    assert min(moved) - 0.005 <= printed <= max(moved) + 0.005
    assert max(moved) - min(moved) < 0.08
    if "lpips" not in name:  # whose inputs have two digits only
        assert row["pearson"] == pytest.approx(printed, abs=0.006)


def test_a_setting_is_the_mean_of_logits() -> None:
    """Recomputed from the table itself, with SciPy."""
    lines = Path(paper.FOLDER / "table1.csv").read_text().splitlines()[1:]
    table = [row for row in csv.DictReader(lines) if row["protocol"] == "linear"]
    names = [name for name in table[0] if name not in ("model", "imagenet_top1", "protocol", "avg")]
    x = logit([float(row["imagenet_top1"]) / 100 for row in table])
    y = logit([[float(row[name]) / 100 for name in names] for row in table]).mean(1)
    row = rows()["average", f"{LINEAR} kornblith"]
    assert row["pearson"] == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert row["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert list(row) == KEYS


def test_the_settings_are_those_of_figure_1() -> None:
    """Highest for many-shot recognition, less for few-shot, detection and dense prediction."""
    r = {setting: row["pearson"] for (column, setting), row in rows().items() if column == "average"}
    few = {c: [r[f"fewshot[5w{s}s,view=squash] {c}"] for s in (5, 20, 50)] for c in ("kornblith", "cd-fsl")}
    assert r[f"{LINEAR} kornblith"] > 0.9
    assert r["finetune kornblith"] > 0.8
    assert min(few["kornblith"]) > max(few["cd-fsl"]) > 0.5
    assert r["detection[frozen]"] > 0.7 > r["normals"] > r["segmentation"] > 0
    assert r["detection[frozen]"] == of_column("detection[frozen]@voc2007 ap50")["pearson"]
    assert r["normals"] == of_column("normals@nyuv2 within_11.25")["pearson"]
    assert r["segmentation"] == of_column("segmentation@ade20k miou")["pearson"]
    assert not [setting for setting in r if "imagenet" in setting or "inversion" in setting]


def test_angular_errors_are_negated_and_bare() -> None:
    x, y = scores("normals@nyuv2 mean_angular_error")
    expected = stats.pearsonr(logit(x / 100), -y).statistic
    assert of_column("normals@nyuv2 mean_angular_error")["pearson"] == pytest.approx(expected, abs=1e-12)
    assert expected > 0


def test_intervals_hold_the_coefficients() -> None:
    for row in rows().values():
        for name in ("pearson", "spearman"):
            low, high = row[f"{name}_ci"]
            assert -1 <= low <= row[name] <= high <= 1


def record(model: str, task: str, value: float, n: int = 100, **fields: Any) -> Record:
    metric = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
    given = {"status": "done", "primary": True, "key": model + task} | fields
    return Record(model=model, task=task, metric=metric, scores=(ScoreData(value=value, n=n),), **given)


def card(top1: float | None) -> dict[str, Any]:
    return {} if top1 is None else {"reported": {"imagenet_top1": top1}}


def test_models_without_imagenet_are_left_out_and_counted() -> None:
    tops = [60.0, 65.0, 70.0, 75.0, None, None]
    made = [record(f"m{i}", "knn@digits", 50.0 + i, card=card(top)) for i, top in enumerate(tops)]
    average, single = imagenet_correlation(build(made, columns="all"))
    for row in (average, single):
        assert (row["setting"], row["n"], row["left_out"]) == ("knn", 4, 2)
    x, y = logit([0.6, 0.65, 0.7, 0.75]), logit([0.5, 0.51, 0.52, 0.53])
    assert single["pearson"] == pytest.approx(stats.pearsonr(x, y).statistic)
    assert average["pearson"] == pytest.approx(single["pearson"])


def test_a_score_on_imagenet_goes_before_the_cards() -> None:
    tops = [60.0, 65.0, 70.0, 76.0]
    made = [record(f"m{i}", "knn@digits", 50.0 + i**2, card=card(99.0 - i)) for i in range(4)]
    made += [record(f"m{i}", "linear@imagenet", top) for i, top in enumerate(tops)]
    made += [record("m0", "knn@imagenet", 10.0)]
    found = {row["column"]: row for row in imagenet_correlation(build(made, columns="all"))}
    assert "linear@imagenet top1" not in found  # it has more scores than knn@imagenet
    expected = stats.pearsonr(logit(np.array(tops) / 100), logit([0.5, 0.51, 0.54, 0.59])).statistic
    assert found["knn@digits top1"]["pearson"] == pytest.approx(expected)


def test_a_perfect_score_is_half_an_image_off() -> None:
    values, tops = [90.0, 95.0, 99.0, 100.0], [60.0, 65.0, 70.0, 75.0]
    made = [
        record(f"m{i}", "knn@digits", v, n=50, card=card(t)) for i, (v, t) in enumerate(zip(values, tops, strict=True))
    ]
    row = imagenet_correlation(build(made, columns="all"))[1]
    expected = stats.pearsonr(logit(np.array(tops) / 100), logit([0.9, 0.95, 0.99, 0.99])).statistic
    assert row["pearson"] == pytest.approx(expected)
    assert row["spearman"] < 1  # 99 % of 50 images is half an image off as well


def test_an_average_takes_only_models_with_every_dataset() -> None:
    about = {"collection": "mine"}
    made = [
        record(f"m{i}", f"knn@d{d}", 50.0 + i * (d + 1), card=card(60.0 + i), dataset=about)
        for i in range(6) for d in range(3) if (i, d) != (0, 2)
    ]  # fmt: skip
    average = imagenet_correlation(build(made, columns="all"))[0]
    assert (average["column"], average["setting"], average["n"], average["left_out"]) == ("average", "knn mine", 5, 0)


def test_too_few_models_and_no_variance_give_none() -> None:
    few = [record(f"m{i}", "knn@digits", 50.0 + i, card=card(60.0 + i)) for i in range(3)]
    same = [record(f"m{i}", "knn@digits", 50.0, card=card(60.0 + i)) for i in range(6)]
    for made, n in ((few, 3), (same, 6)):
        for row in imagenet_correlation(build(made, columns="all")):
            assert (row["n"], row["pearson"], row["pearson_ci"], row["spearman"]) == (n, None, None, None)
    assert imagenet_correlation(build([], columns="all")) == []


def test_it_draws_every_correlation() -> None:
    assert imagenet_correlation.figures is not None
    some = [r for r in paper.records() if r.task.startswith(LINEAR) and r.primary]
    board = build(some, columns="all")
    drawn = imagenet_correlation.figures(board)
    assert len(drawn) == len(imagenet_correlation(board)) > 10
    figure = drawn["average_linear,mode=protocol,view=whole_kornblith"]
    said = texts(figure)
    assert f"{LINEAR} kornblith: r = 0.93" in said
    assert {"SimCLR v2", "Supervised"} <= set(said)
    assert any(text.endswith("95 % intervals; 14 models") for text in said)
    assert "reported" not in said  # all are: nothing to tell apart
    (byol,) = (row for row in drawn["linear,mode=protocol,view=whole@cifar10_top1"].rows if row["label"] == "BYOL")
    assert (byol["x"], byol["y"]) == pytest.approx((74.3, 93.26))
    assert byol["group"] == "non-contrastive"


def test_a_measured_model_is_told_from_reported_ones() -> None:
    mine = record("mine", f"{LINEAR}@cifar10", 90.0, card=card(70.0), dataset={"collection": "kornblith"})
    tasks = (f"{LINEAR}@cifar10", f"{LINEAR}@imagenet")
    board = build([*(r for r in paper.records() if r.task in tasks), mine], columns="all")
    assert imagenet_correlation.figures is not None
    figure = imagenet_correlation.figures(board)["linear,mode=protocol,view=whole@cifar10_top1"]
    assert [row["label"] for row in figure.rows if not row["hollow"]] == ["mine"]
    assert len(figure.rows) == 15
    assert "reported" in texts(figure)  # says what hollow means
    row = next(r for r in imagenet_correlation(board) if r["column"] == f"{LINEAR}@cifar10 top1")
    assert row["n"] == 15


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(imagenet_correlation)} == {"passed"}
