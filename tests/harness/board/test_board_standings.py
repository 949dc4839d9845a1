from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from harness.board import Board, build
from harness.draws import Draws
from harness.records import Record
from harness.suite import Ranking

Make = Callable[..., Record]
TASKS = [f"linear@d{i}" for i in range(8)]


def drawn(value: float, shared: np.ndarray, own: np.ndarray) -> Draws | None:
    return Draws.of(value + shared + own)


@pytest.fixture
def board(make: Make) -> Callable[..., Board]:
    """Boards of models with these true gaps, whose errors are shared between models but for `own`."""

    def made(
        means: dict[str, float], *, tasks: int = 2, own: float = 0.1, draws: bool = True, **fields: object
    ) -> Board:
        rng, records = np.random.default_rng(0), []
        for task in TASKS[:tasks]:
            shared = rng.normal(0, 2.0, 500)
            shift = rng.normal(0, 3.0)
            for model, mean in means.items():
                noise = rng.normal(0, own, 500)
                value = mean + shift
                records.append(make(model, task, value, draws=drawn(value, shared, noise) if draws else None))
        return build(records, **fields)  # type: ignore[arg-type]

    return made


def standing(board: Board) -> list[tuple[str, int | None, int | None]]:
    return [(row.model, row.standing.best, row.standing.worst) for row in board.rows if row.standing]


def test_models_are_compared_in_pairs_so_that_what_they_share_does_not_blur_them(board: Callable[..., Board]) -> None:
    found = board({"a": 80.0, "b": 79.0, "c": 78.95, "d": 60.0})
    assert standing(found) == [("a", 1, 1), ("b", 2, 3), ("c", 2, 3), ("d", 4, 4)]
    assert found.ties == ((1, 2),)
    assert found.rule.over == "images"
    first = found.rows[0].standing
    assert first is not None
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.score < first.high
    assert first.high - first.low > 2, "each score alone is far less sure than the difference"


def test_unshared_noise_of_that_size_ties_them(board: Callable[..., Board]) -> None:
    found = board({"a": 80.0, "b": 79.0, "c": 78.95, "d": 60.0}, own=2.0)
    assert standing(found) == [("a", 1, 3), ("b", 1, 3), ("c", 1, 3), ("d", 4, 4)]
    assert found.ties == ((0, 2),)


def test_without_draws_five_tasks_are_what_is_compared_over(board: Callable[..., Board]) -> None:
    means = {"a": 80.0, "b": 70.0}
    few = board(means, draws=False, tasks=4)
    assert (few.rule.over, few.ties, standing(few)) == ("", (), [("a", None, None), ("b", None, None)])
    assert "4 sets of images are too few" in few.rule.text
    many = board(means, draws=False, tasks=8)
    assert many.rule.over == "tasks"
    assert board(means, tasks=8, ranking=Ranking(over="tasks")).rule.over == "tasks"
    assert board(means, draws=False, tasks=8, ranking=Ranking(over="images")).rule.over == ""


def test_one_model_is_compared_with_nobody(board: Callable[..., Board]) -> None:
    found = board({"a": 80.0})
    assert (found.rule.over, standing(found)) == ("", [("a", None, None)])
    assert "there is one model" in found.rule.text


def test_scores_are_put_on_one_scale_by_bounds_and_direction(make: Make) -> None:
    records = [make(m, "linear@a", v) for m, v in (("x", 90.0), ("y", 70.0))]
    records += [
        make(m, "linear@b", v, metric="err", better="lower", primary=True) for m, v in (("x", 30.0), ("y", 20.0))
    ]
    found = build(records)
    assert {row.model: row.standing and row.standing.score for row in found.rows} == {
        "x": pytest.approx((90 + 70) / 2), "y": pytest.approx((70 + 80) / 2)
    }  # fmt: skip


def test_groups_count_once_and_by_weight(make: Make) -> None:
    values = {"linear@a": (100.0, 0.0), "knn@a": (100.0, 0.0), "linear@b": (0.0, 100.0)}
    records = [make(m, t, v) for t, vs in values.items() for m, v in zip("xy", vs, strict=True)]

    def scores(**fields: object) -> dict[str, float]:
        rows = build(records, ranking=Ranking(**fields)).rows  # type: ignore[arg-type]
        return {row.model: round(row.standing.score, 3) for row in rows if row.standing}

    assert scores() == {"x": 50.0, "y": 50.0}
    assert scores(weights={"b": 3}) == {"x": 25.0, "y": 75.0}
    assert scores(group="none") == {"x": 66.667, "y": 33.333}
    assert scores(group="none", weights={"linear@b top1": 8}) == {"x": 20.0, "y": 80.0}
    assert scores(group="protocol") == {"x": 75.0, "y": 25.0}
    assert scores(by="rank", group="none") == {"x": 1.333, "y": 1.667}
    rows = build(records, ranking=Ranking(weights={"b": 3})).rows
    assert {row.model: row.average_rank for row in rows} == {"x": 1.75, "y": 1.25}, "weighed alike"


def test_the_mean_logit_favours_what_is_nearly_perfect(make: Make) -> None:
    values = {"linear@a": (99.9, 95.0), "linear@b": (50.0, 56.0)}
    records = [make(m, t, v) for t, vs in values.items() for m, v in zip("xy", vs, strict=True)]
    assert [row.model for row in build(records).rows] == ["y", "x"]
    found = build(records, ranking=Ranking(by="logit"))
    assert [row.model for row in found.rows] == ["x", "y"]
    logits = np.log(np.array([0.999, 0.5]) / (1 - np.array([0.999, 0.5]))).mean()
    assert found.rows[0].standing is not None
    assert found.rows[0].standing.score == pytest.approx(100 / (1 + np.exp(-logits)))


def test_an_unbounded_metric_is_ranked_by_ranks(make: Make) -> None:
    described = {"name": "nll", "version": 1, "unit": "nats", "bounds": [0, None], "higher_is_better": False}
    records = [make(m, "linear@a", v).model_copy(update={"metric": described}) for m, v in (("x", 0.5), ("y", 0.2))]
    found = build(records)
    assert [(row.model, row.standing and row.standing.score) for row in found.rows] == [("y", 1.0), ("x", 2.0)]
    assert found.rule.by == "rank"
    assert "nll has no bounds" in found.rule.text


def test_required_columns_decide_who_is_ranked(make: Make) -> None:
    records = [make(m, t, v) for m, v in (("x", 90.0), ("y", 80.0)) for t in ("linear@a", "linear@b")]
    records += [make("z", "linear@a", 99.0), make("x", "linear@a", 1.0, metric="ece", better="lower")]
    found = build(records)
    assert [row.model for row in found.ranked] == ["x", "y"]
    assert [row.model for row in found.unranked] == ["z"]
    found = build(records, ranking=Ranking(require=("linear@a top1",)))
    assert [row.model for row in found.ranked] == ["z", "x", "y"]
    found = build(records, ranking=Ranking(require=("* ece",)))
    assert [row.model for row in found.ranked] == ["x"]
    assert [c.name for c in found.columns if c.ranked] == ["linear@a ece"]
    found = build(records, ranking=Ranking(require=("linear@c",)))
    assert not found.ranked
    assert "no column with a score fits 'linear@c'" in found.rule.text


def test_draws_over_seeds_are_averaged(make: Make) -> None:
    base = np.linspace(-1, 1, 100)
    records = [
        make("a", "linear@a", v, seed=s, draws=Draws.of(v + base * k)) for s, (v, k) in enumerate([(80, 1), (90, 3)])
    ]
    entry = build(records).rows[0].entries[0]
    assert entry.draws is not None
    np.testing.assert_allclose(entry.draws.values(), 85 + 2 * base, atol=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"by": "rank", "over": "images"}, "over tasks only"),
        ({"weights": {"a": 0}}, "positive number"),
        ({"weights": {"a": float("inf")}}, "positive number"),
        ({"by": "median"}, "score"),
        ({"order": "x"}, "order"),
    ],
)
def test_a_ranking_that_cannot_be_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Ranking.model_validate(fields)


def test_a_required_task_counts_by_its_primary_metric_and_a_name_counts_any(make: Make) -> None:
    """Not by all metrics of the task: one without bounds would turn the whole order into one by ranks."""
    unbounded = {"name": "nll", "version": 1, "unit": "nats", "bounds": [0, None], "higher_is_better": False}
    records = [make(m, t, v) for m, v in (("x", 90.0), ("y", 80.0)) for t in ("linear@a", "linear@b", "knn@a")]
    others = [
        make(r.model, r.task, 0.5, primary=False, key="nll").model_copy(update={"metric": unbounded}) for r in records
    ]

    def counting(*require: str) -> tuple[list[str], str]:
        found = build([*records, *others], ranking=Ranking(require=require))
        return [c.name for c in found.columns if c.ranked], found.rule.by

    assert counting("linear@*") == (["linear@a top1", "linear@b top1"], "score")
    assert counting("*@a") == (["knn@a top1", "linear@a top1"], "score")
    assert counting("* nll")[1] == "rank"
    assert counting("linear@a", "knn@a nll")[0] == ["knn@a nll", "linear@a top1"]


def test_a_weight_that_fits_nothing_is_told(make: Make) -> None:
    records = [make(m, t, 80.0) for m in "xy" for t in ("linear@a", "linear@b")]
    text = build(records, ranking=Ranking(group="dataset", weights={"a": 2, "digitz": 3})).rule.text
    assert "weighed a 2." in text
    assert "Weights that fit no dataset: digitz." in text
    assert "Weights that fit no column: a." in build(records, ranking=Ranking(group="none", weights={"a": 2})).rule.text


def test_one_dataset_is_too_few(make: Make) -> None:
    assert "and one set of images is too few" in build([make(m, "linear@a", 80.0) for m in "xy"]).rule.text


def test_models_with_other_images_are_as_good_as_unpaired() -> None:
    """A column may hold scores of a part of the images: comparisons then find too little rather than too much."""
    from harness.numerics.bootstrap import weights
    from harness.numerics.ranking import over_images

    share = {n: torch.cat(list(weights(n, 300))).numpy() / n for n in (400, 200)}
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(300):
        hard = rng.normal(size=400)
        hits = [100.0 * (hard[:n] + rng.normal(size=n) < 0.5) for n in (400, 200)]
        drawn = np.stack([share[len(own)] @ own for own in hits], 1)
        wrong += bool(over_images([own.mean() for own in hits], drawn).above.any())
    assert wrong <= 24  # of 300: 8 %
