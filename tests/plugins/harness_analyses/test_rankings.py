"""Critical differences, win rates, and what quality costs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import scikit_posthocs
from drawings import texts
from scipy import stats

from harness.board import Board, build
from harness.numerics.omnibus import nemenyi, wilcoxon_holm
from harness.plots import Figure
from harness.records import Record, ScoreData, slug
from harness.testing import check_analysis
from harness_analyses import cost_quality as costs
from harness_analyses import critical_differences as differences
from harness_analyses import win_rates as rates
from harness_analyses.common import figure_name
from harness_analyses.cost_quality import cost_quality, pareto
from harness_analyses.critical_differences import critical_differences
from harness_analyses.win_rates import win_rates

TOP1 = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
ERROR = {**TOP1, "name": "error", "higher_is_better": False}
ALL = (critical_differences, win_rates, cost_quality)


def board(values: np.ndarray, costs: dict[str, dict[str, float]] | None = None, lower: bool = False) -> Board:
    """Models ``m0``, ``m1``… of values (T, M); with `lower`, the second half of the tasks has errors instead."""
    records = []
    for (t, m), value in np.ndenumerate(values):
        metric, score = (ERROR, 100 - value) if lower and t >= len(values) // 2 else (TOP1, value)
        records.append(
            Record(
                status="done", model=f"m{m}", task=f"linear@d{t}", metric=metric, primary=True, finished=1.7e9,
                scores=(ScoreData(value=float(score), n=500),), card={"paradigm": ("masked", "supervised")[m % 2]},
                provenance={"cost": (costs or {}).get(f"m{m}", {})},
            )
        )  # fmt: skip
    return build(records, columns="all", title="A board")


def scores(tasks: int = 12, models: int = 6, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    noise = random.normal(0, 4, (tasks, 1)) + random.normal(0, 2, (tasks, models))
    return 60 + noise - 3 * np.arange(models)


def figures(analysis: Any, made: Board) -> dict[str, Figure]:
    return analysis.figures(made)


def test_critical_differences_are_those_of_scikit_posthocs() -> None:
    values = scores()
    p = scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy()
    rows = critical_differences(board(values))
    assert len(rows) == 15
    for row in rows:
        i, j = int(row["model"][1:]), int(row["partner"][1:])
        assert row["nemenyi"] == pytest.approx(p[i, j], abs=1e-8)
        assert row["wilcoxon"] == pytest.approx(wilcoxon_holm(values)[i, j])
        assert row["difference"] == pytest.approx(row["partner_rank"] - row["average_rank"])
        assert row["difference"] >= 0
        assert row["friedman"] == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    assert {row["critical_difference"] for row in rows} == {nemenyi(values).critical_difference}


def test_errors_count_the_other_way() -> None:
    for analysis in (critical_differences, win_rates):
        plain, turned = analysis(board(scores())), analysis(board(scores(), lower=True))
        for a, b in zip(plain, turned, strict=True):
            assert a == pytest.approx(b)


def test_the_diagrams_have_the_bars_of_their_tests() -> None:
    values = scores()
    drawn = figures(critical_differences, board(values))
    assert list(drawn) == ["Nemenyi", "Wilcoxon-Holm"]
    said = texts(drawn["Nemenyi"])
    assert f"critical difference {nemenyi(values).critical_difference:.2f}" in said
    assert any("6 models, 12 columns on 12 datasets; Friedman p < 0.0001" in text for text in said)
    assert not any("critical difference" in text for text in texts(drawn["Wilcoxon-Holm"]))
    for figure, p in zip(drawn.values(), (nemenyi(values).p, wilcoxon_holm(values)), strict=True):
        bars = {row["label"]: set(row["bars"]) for row in figure.rows}
        order = [int(row["label"][1:]) for row in figure.rows]
        for at, i in enumerate(order):
            for j in order[at + 1 :]:
                if p[i, j] >= 0.05:
                    assert bars[f"m{i}"] & bars[f"m{j}"]
        assert not bars["m0"] & bars["m5"]


def test_of_many_models_the_best_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "MOST", 4)
    monkeypatch.setattr(rates, "MOST", 4)
    made = board(scores())
    for figure in figures(critical_differences, made).values():
        assert [row["label"] for row in figure.rows] == ["m0", "m1", "m2", "m3"]
        assert "the first 4 are shown" in " ".join(texts(figure))
    (figure,) = figures(win_rates, made).values()
    assert {row["row"] for row in figure.rows} == {row.model for row in made.ranked[:4]}
    assert len(critical_differences(made)) == 15


def test_of_many_models_the_best_have_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    made = board(scores())
    every = {analysis: analysis(made) for analysis in (critical_differences, win_rates)}
    for module in ("critical_differences", "win_rates"):
        monkeypatch.setattr(f"harness_analyses.{module}.PAIRED", 4)
    for analysis, rows in every.items():
        names = list(dict.fromkeys(row["model"] for row in rows))[:4]
        kept = [row for row in rows if {row["model"], row["partner"]} <= set(names)]
        assert len(kept) == (6 if analysis is critical_differences else 12)
        assert analysis(made) == kept


def test_models_that_tie_and_boards_too_small_have_no_rows() -> None:
    for values in (np.full((6, 4), 50.0), scores(6, 2), scores(1, 5), scores(5, 5)):
        assert critical_differences(board(values)) == []
        assert figures(critical_differences, board(values)) == {}
    assert len(critical_differences(board(scores(6, 3)))) == 3


def test_figures_have_the_names_of_their_files() -> None:
    made = board(scores(), PRICES)
    names = [name for analysis in ALL for name in figures(analysis, made)]
    assert names == ["Nemenyi", "Wilcoxon-Holm", "win_rates", "parameters", "inference"]
    parts = ("top1 of", "", "views[hue,layers=*]@scenes[colour]")
    assert figure_name(*parts) == "top1_of_views,hue,layers=all@scenes,colour"
    assert [slug(name) for name in (*names, figure_name(*parts))] == [*names, figure_name(*parts)]


def test_win_rates_by_hand() -> None:
    made = board(np.array([[50.0, 40], [60, 70], [30, 30], [9, 1]]))
    assert win_rates(made) == [
        {"model": "m0", "partner": "m1", "win_rate": 62.5, "columns": 4},
        {"model": "m1", "partner": "m0", "win_rate": 37.5, "columns": 4},
    ]
    (figure,) = figures(win_rates, made).values()
    assert [row["value"] for row in figure.rows] == [50, 62.5, 37.5, 50]
    assert win_rates(board(scores(4, 1))) == []


PRICES = {
    "m0": {"parameters": 90e6, "images_per_second": 100.0},
    "m1": {"parameters": 300e6, "images_per_second": 50.0},
    "m2": {"parameters": 5e6, "images_per_second": 400.0},
    "m3": {"parameters": 22e6},
}


def test_costs_and_their_front() -> None:
    """m0 is best and so hides m1, which is larger; m3 is better than m2 and larger."""
    values = np.tile([80.0, 70, 50, 60], (3, 1))
    rows = {(row["cost"], row["model"]): row for row in cost_quality(board(values, PRICES))}
    assert {model for (cost, model), row in rows.items() if cost == "parameters" and row["front"]} == {"m0", "m2", "m3"}
    assert {model for cost, model in rows if cost == "inference"} == {"m0", "m1", "m2"}
    assert rows["parameters", "m0"]["value"] == 90
    assert rows["inference", "m0"]["value"] == 10
    assert rows["parameters", "m2"]["score"] == pytest.approx(50)
    assert {cost for cost, _ in rows} == {"parameters", "inference"}


def test_the_front_is_drawn_as_a_stair_over_decades() -> None:
    drawn = figures(cost_quality, board(np.tile([80.0, 70, 50, 60], (3, 1)), PRICES))
    assert list(drawn) == ["parameters", "inference"]
    said = texts(drawn["parameters"])
    assert {"m0", "m1", "m2", "m3", "10", "100", "parameters, millions (logarithmic)"} <= set(said)
    assert {row["label"]: row["x"] for row in drawn["parameters"].rows}["m1"] == pytest.approx(300)


def test_of_many_models_those_on_the_front_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "NAMED", 3)
    drawn = figures(cost_quality, board(np.tile([80.0, 70, 50, 60], (3, 1)), PRICES))
    assert "m1" not in texts(drawn["parameters"])
    assert {"m0", "m2", "m3"} <= set(texts(drawn["parameters"]))


def test_ranks_are_negated_so_that_more_is_better() -> None:
    unbounded = {**TOP1, "bounds": [0, None]}
    records = [
        Record(status="done", model=f"m{m}", task="linear@d", metric=unbounded, primary=True,
               scores=(ScoreData(value=50.0 + m, n=9),), provenance={"cost": {"parameters": 1e6 * (m + 1)}})
        for m in range(3)
    ]  # fmt: skip
    made = build(records, columns="all")
    assert made.rule.by == "rank"
    assert [(row["score"], row["front"]) for row in cost_quality(made)] == [(-3, True), (-2, True), (-1, True)]


def test_one_cost_for_all_tells_nothing() -> None:
    made = board(scores(3, 4), {f"m{m}": {"parameters": 23e6, "flops": (4 + m) * 1e9} for m in range(4)})
    assert {row["cost"] for row in cost_quality(made)} == {"computation"}
    assert list(figures(cost_quality, made)) == ["computation"]
    alone = board(scores(3, 1), {"m0": {"parameters": 23e6}})
    assert (cost_quality(alone), figures(cost_quality, alone)) == ([], {})


def test_the_front_against_its_definition() -> None:
    random = np.random.default_rng(0)
    offers = [(float(c), float(s)) for c, s in random.integers(0, 6, (60, 2))]
    offers.sort(key=lambda offer: (offer[0], -offer[1]))
    dominated = [any((c <= a and s > b) or (c < a and s >= b) for c, s in offers) for a, b in offers]
    assert pareto(offers) == [not beaten for beaten in dominated]


@pytest.mark.parametrize("analysis", ALL, ids=lambda a: a.name)
def test_they_conform(analysis: Any) -> None:
    assert {finding.status for finding in check_analysis(analysis)} == {"passed"}
    json.dumps(analysis(board(scores(), PRICES)), allow_nan=False)


def of_tasks(values: dict[str, tuple[float, ...]], **metric: Any) -> Board:
    """Models ``m0``, ``m1``… by their scores in each task."""
    return build(
        [
            Record(status="done", model=f"m{m}", task=task, metric=TOP1 | metric, primary=True, finished=1.7e9,
                   scores=(ScoreData(value=float(score), n=500),))
            for task, scores in values.items() for m, score in enumerate(scores)
        ],
        columns="all",
    )  # fmt: skip


def by_dataset(made: Board) -> tuple[np.ndarray, list[str]]:
    """The scores on each dataset, the models by name."""
    values, datasets = differences.by_dataset(made)
    return values[:, np.argsort([row.model for row in made.ranked])], datasets


def test_columns_of_one_datasets_images_are_one_sample() -> None:
    """Five columns of the same images say no more than their mean does."""
    once = scores(6, 4)
    again = {f"{p}@d{t}": tuple(row + shift) for t, row in enumerate(once) for p, shift in (("knn", -3), ("linear", 3))}
    plain = critical_differences(board(once))
    assert [row | {"datasets": 6} for row in critical_differences(of_tasks(again))] == [pytest.approx(r) for r in plain]
    copies = {f"linear@scenes[{kind}]": tuple(once[0]) for kind in ("colour", "shape", "size", "count", "light")}
    assert critical_differences(of_tasks(copies)) == [], "one dataset is no sample of datasets"
    two = {**copies, "linear@digits": tuple(once[1])}
    assert critical_differences(of_tasks(two)) == [], "nor are two"
    values, datasets = by_dataset(of_tasks(two))
    assert datasets == ["digits", "scenes"]
    np.testing.assert_allclose(values, once[[1, 0]], atol=1e-9)


def test_means_that_only_rounding_parts_are_tied() -> None:
    """0.1 and 0.2 have another mean than 0 and 0.3 in binary."""
    tasks = {f"{p}@d{t}": own for t in range(6) for p, own in (("knn", (0.1, 0.0, 9.0)), ("linear", (0.2, 0.3, 9.0)))}
    values, _ = by_dataset(of_tasks(tasks))
    np.testing.assert_array_equal(values[:, 0], values[:, 1])
    found = differences.tests(of_tasks(tasks))
    assert found is not None
    assert found.friedman.ranks.tolist() == [1, 2.5, 2.5]


def test_without_bounds_columns_are_averaged_as_ranks() -> None:
    tasks = {"knn@a": (1.0, 2.0, 3.0), "linear@a": (100.0, 5000.0, 200.0), "knn@b": (3.0, 2.0, 1.0)}
    values, datasets = by_dataset(of_tasks(tasks, bounds=[0, None]))
    assert datasets == ["a", "b"]
    np.testing.assert_array_equal(values, [[-3, -1.5, -1.5], [-1, -2, -3]])
    lower, _ = by_dataset(of_tasks(tasks, bounds=[0, None], higher_is_better=False))
    np.testing.assert_array_equal(lower, [[-1, -2.5, -2.5], [-3, -2, -1]])
