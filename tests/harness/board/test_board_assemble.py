from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from harness.board import Board, build
from harness.records import Record

Make = Callable[..., Record]
LINEAR, KNN = "linear@digits top1", "knn@digits top1"


def notes(board: Board) -> str:
    return "\n".join(board.footnotes)


def test_models_are_ordered_by_their_mean_score_and_have_an_average_rank(make: Make) -> None:
    scores = {"a": (90.0, 70.0), "b": (80.0, 60.0), "c": (85.0, 80.0)}
    board = build(
        make(m, t, v) for m, vs in scores.items() for t, v in zip(("linear@digits", "knn@digits"), vs, strict=True)
    )
    assert [(row.model, row.average_rank) for row in board.rows] == [("c", 1.5), ("a", 1.5), ("b", 3.0)]
    assert [row.standing and row.standing.score for row in board.rows] == pytest.approx([82.5, 80.0, 70.0])
    assert board.entry("a", LINEAR).rank == 1
    assert board.entry("a", KNN).rank == 2
    assert [board.entry(m, KNN).place for m in "abc"] == [2, None, 1]


def test_where_lower_is_better_the_least_is_best(make: Make) -> None:
    board = build(
        make(m, "linear@digits", v, metric="nll", better="lower", unit="nats")
        for m, v in zip("ab", (0.5, 0.2), strict=True)
    )
    assert [row.model for row in board.rows] == ["b", "a"]
    assert board.entry("b", "linear@digits nll").place == 1


def test_ties_share_rank_and_place(make: Make) -> None:
    board = build(
        [make("a", "linear@digits", 90.0), make("b", "linear@digits", 90.0), make("c", "linear@digits", 80.0)]
    )
    assert [row.average_rank for row in board.rows] == [1.5, 1.5, 3.0]
    assert [row.entries[0].place for row in board.rows] == [1, 1, 2]


@pytest.mark.parametrize("status", ["failed", "missing"])
def test_a_model_without_a_score_is_listed_apart_and_takes_no_rank_from_others(make: Make, status: str) -> None:
    records = [make(m, t, v) for m, v in (("a", 70.0), ("b", 80.0)) for t in ("linear@digits", "knn@digits")]
    records.append(make("c", "linear@digits", 99.0))
    if status == "failed":
        records.append(make("c", "knn@digits", reason="CUDA out of memory"))
    board = build(records)
    assert [(row.model, row.average_rank) for row in board.rows] == [("b", 1.0), ("a", 2.0), ("c", None)]
    entry = board.entry("c", KNN)
    assert (entry.status, entry.value) == (status, None)
    assert board.entry("c", LINEAR).place == 1, "the best score is the best, ranked or not"
    assert board.counts[status] == 1
    assert "because a score is missing: c" in notes(board)
    assert ("CUDA out of memory" in notes(board)) == (status == "failed")


def test_a_task_that_failed_for_all_counts_for_no_rank(make: Make) -> None:
    records = [make(m, "linear@digits", v) for m, v in (("a", 70.0), ("b", 80.0))]
    board = build(records + [make(m, "knn@digits", reason="no such layer") for m in "ab"])
    assert [row.average_rank for row in board.rows] == [1.0, 2.0]
    assert {c.name: c.ranked for c in board.columns} == {LINEAR: True, KNN: False}
    assert f"{KNN}: no model has a score" in notes(board)
    assert "in one column" in board.rule.text


def test_a_row_knows_what_its_model_costs(make: Make) -> None:
    def provenance(task: float, metric: float, **cost: float) -> dict:
        return {
            "seconds": {"passes": 10.0, "task": task, "metric": metric},
            "peak_memory": {"process": 9, "device": 5},
            "cost": cost,
        }

    board = build([
        make("a", "linear@digits", 90.0, provenance=provenance(3.0, 1.0), finished=2e9),
        make("a", "linear@digits", 0.1, metric="ece", provenance=provenance(3.0, 2.0), card={"parameters": 9}),
        make("a", "knn@digits", 80.0, provenance=provenance(4.0, 0.5, flops=7, parameters=11, images_per_second=2.5)),
        make("b", "knn@digits", 80.0, kind="reported", card={"parameters": 9}),
    ])  # fmt: skip
    assert {row.model: tuple(row.cost) for row in board.rows} == {
        "a": (pytest.approx(10 + 3 + 4 + 3.5), 2.5, 5, 11, 7),
        "b": (None, None, None, 9, None),
    }


def test_the_primary_board_shows_primary_metrics_only(make: Make) -> None:
    records = [make("a", "linear@digits", 90.0), make("a", "linear@digits", 1.0, metric="ece", better="lower")]
    assert [c.metric for c in build(records).columns] == ["top1"]
    board = build(records, columns="all")
    assert [(c.metric, c.ranked) for c in board.columns] == [("top1", True), ("ece", False)]


def test_average_ranks_are_the_same_whatever_columns_are_shown(make: Make) -> None:
    records = [make(m, "linear@digits", v) for m, v in zip("ab", (90.0, 80.0), strict=True)]
    records += [
        make(m, "linear@digits", v, metric="ece", better="lower") for m, v in zip("ab", (9.0, 1.0), strict=True)
    ]
    for columns in ("primary", "all"):
        assert [(r.model, r.average_rank) for r in build(records, columns=columns).rows] == [("a", 1.0), ("b", 2.0)]


def test_without_a_primary_metric_all_count(make: Make) -> None:
    board = build(make("a", "linear@digits", 1.0, metric=m) for m in ("ece", "nll"))
    assert [(c.metric, c.ranked) for c in board.columns] == [("ece", True), ("nll", True)]


def test_the_first_variant_is_the_primary_one(make: Make) -> None:
    records = [
        make(m, "knn@digits", variants={"k=20": 80.0, "k=1": v}) for m, v in zip("ab", (70.0, 75.0), strict=True)
    ]
    assert [c.name for c in build(records).columns] == ["knn@digits top1[k=20]"]
    assert [(c.variant, c.ranked) for c in build(records, columns="all").columns] == [("k=20", True), ("k=1", False)]


def test_a_failed_cell_shows_under_every_variant(make: Make) -> None:
    records = [make("a", "knn@digits", variants={"k=20": 80.0, "k=1": 70.0}), make("b", "knn@digits", reason="NaN")]
    board = build(records, columns="all")
    assert [e.status for e in board.rows[1].entries] == ["failed", "failed"]
    assert "b failed in 2 columns (knn@digits top1[k=20], knn@digits top1[k=1]): NaN" in notes(board)


def test_pairs_stay_out(make: Make) -> None:
    records = [make("a", "embed@digits", 0.5, metric="cka", partner="b"), make("a", "linear@digits", 90.0)]
    board = build(records, columns="all")
    assert [c.name for c in board.columns] == [LINEAR]
    assert board.counts["pairs"] == 1
    assert "1 record of pairs of models" in notes(board)


def test_skips_are_told_and_make_no_column(make: Make) -> None:
    skip = make("a", "map@digits", status="skipped", key="", reason="has no boxes")
    records = [make("a", "linear@digits", 90.0), skip]
    board = build(records)
    assert [c.name for c in board.columns] == [LINEAR]
    assert "map@digits top1 skipped: has no boxes" in notes(board)
    mixed = build([*records, make("b", "linear@digits", 80.0), make("b", "map@digits", 50.0)])
    assert mixed.entry("a", "map@digits top1").status == "skipped"
    assert mixed.rows[-1].model == "a"


def test_what_no_model_has_a_value_for_is_told_with_its_reason(make: Make) -> None:
    def undefined(model: str, metric: str, reason: str) -> Record:
        return make(model, "nnk@digits", metric=metric, status="skipped", key="k", reason=reason)

    records = [undefined(m, f"m{i}", "two points") for m in "ab" for i in range(5)] + [undefined("a", "z", "no map")]
    board = build([make("a", "linear@digits", 90.0), *records])
    assert "nnk@digits m0, m1, m2, … undefined: two points" in board.footnotes
    assert "nnk@digits z undefined: no map" in board.footnotes
    assert "do not apply" not in notes(board)
    apart = [make("a", "map@digits", metric=f"m{i}", status="skipped", key="", reason="no boxes") for i in range(3)]
    assert "3 pairs of a task and a metric do not apply" in notes(build([*records, *apart]))


def test_a_note_that_columns_share_is_one_line(make: Make) -> None:
    limited = [make("a", f"knn@{d}", 90.0, limit=50) for d in ("digits", "scenes", "x", "y")]
    said = "made with --limit 50: at most that many images of each split"
    assert f"all columns: {said}" in build(limited).footnotes
    board = build([*limited, make("a", "linear@digits", 90.0)])
    assert f"4 columns (knn@digits top1, knn@scenes top1, knn@x top1, …): {said}" in board.footnotes
    assert f"knn@digits top1: {said}" in build(limited[:1]).footnotes


def test_descriptions_alone_rank_nobody_and_the_board_says_so(make: Make) -> None:
    records = [make(m, "embed@digits", 9.0, metric="rankme", better=None) for m in "ab"]
    said = "Nobody is ranked: these metrics describe, and none of their values is better than another."
    assert said in build(records).footnotes
    assert "a score is missing" not in notes(build(records))
    assert said not in build([*records, make("a", "linear@digits", 90.0)]).footnotes
    assert "a score is missing: b" in notes(build([*records, make("a", "linear@digits", 90.0)]))


def test_columns_are_grouped_by_dataset(make: Make) -> None:
    board = build(make("a", t, 90.0) for t in ("knn@scenes", "linear@digits", "linear@scenes", "knn@digits"))
    assert [c.dataset for c in board.columns] == ["digits", "digits", "scenes", "scenes"]


def test_rows_carry_the_newest_card(make: Make) -> None:
    old, new = {"paradigm": "pretext"}, {"paradigm": "contrastive", "method": "SimCLR"}
    board = build([make("a", "linear@digits", 1.0, card=new, finished=2e9), make("a", "knn@digits", 1.0, card=old)])
    assert (board.rows[0].paradigm, board.rows[0].card) == ("contrastive", new)
    assert build([make("a", "linear@digits", 1.0)]).rows[0].paradigm == "unknown"


def test_the_order_of_the_records_does_not_matter(make: Make) -> None:
    records = [make(m, t, 80.0 + i, seed=s) for i, m in enumerate("cab") for t in ("x@d", "y@d") for s in (0, 1)]
    assert build(records) == build(records[::-1])


def test_no_records_make_an_empty_board() -> None:
    board = build([])
    assert (board.rows, board.columns, board.date, board.counts["models"]) == ((), (), "", 0)


def test_the_board_is_frozen(make: Make) -> None:
    board = build([make("a", "linear@digits", 90.0)])
    with pytest.raises(dataclasses.FrozenInstanceError):
        board.title = "other"  # type: ignore[misc]


def test_an_entry_off_the_board_is_a_key_error(make: Make) -> None:
    with pytest.raises(KeyError):
        build([make("a", "linear@digits", 90.0)]).entry("a", "linear@scenes top1")


def test_what_was_paid_twice_for_one_cell_counts_once(make: Make) -> None:
    def cost(*passes: float) -> float | None:
        made = [{"seconds": {"passes": p, "task": 3.0, "metric": 2.0}} for p in passes]
        records = [make("a", "linear@digits", 50.0, finished=1e9 + i, provenance=p) for i, p in enumerate(made)]
        return build(records).rows[0].cost.seconds

    assert (cost(10.0), cost(10.0, 10.0), cost(10.0, 11.0)) == (15.0, 15.0, 16.0)


def test_pairs_of_two_versions_never_mix(make: Make) -> None:
    old, new = (
        make("a", "grams@digits", v, metric="cka", partner=p, version=n) for v, p, n in ((0.5, "b", 1), (0.7, "c", 2))
    )
    assert [(p.partner, p.value) for p in build([old, new]).pairs] == [("c", 0.7)]
