"""Choosing columns, sorting rows, costs, groups: what is shown changes, and no standing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.board import Board, build
from harness.board.grouping import grouped
from harness.board.table import Cost
from harness.board.views import ordered, pick, with_costs
from harness.draws import Draws
from harness.errors import HarnessError
from harness.records import Record

Make = Callable[..., Record]


@pytest.fixture
def board(make: Make) -> Board:
    """Models a, b and c in the order of their scores; d lacks one."""
    scores = {"a": (90.0, 5.0), "b": (80.0, 9.0), "c": (70.0, 1.0)}
    records = [make(m, "linear@digits", v) for m, (v, _) in scores.items()]
    records += [make(m, "linear@digits", e, metric="ece", better="lower") for m, (_, e) in scores.items()]
    records += [make(m, "knn@dtd", v - 10) for m, (v, _) in scores.items()]
    made = build([*records, make("d", "knn@dtd", 99.0)], title="t", columns="all")
    costs = {"a": Cost(3.0, 100.0, 2_000_000_000, 23_508_032, None), "b": Cost(1.0), "c": Cost(2.0, 300.0)}
    rows = tuple(replace(row, cost=costs.get(row.model, Cost())) for row in made.rows)
    return replace(made, rows=rows, ties=((0, 1),))


def models(board: Board) -> str:
    return "".join(row.model for row in board.rows)


def test_columns_are_chosen_by_name_task_or_metric(board: Board) -> None:
    chosen = {"top1": {"knn@dtd top1", "linear@digits top1"}, "*@dtd": {"knn@dtd top1"}}
    for pattern, names in (chosen | {"linear@digits ece": {"linear@digits ece"}}).items():
        found, expected = pick(board, [pattern]), [c.name for c in board.columns if c.name in names]
        assert [c.name for c in found.columns] == expected
        assert [len(row.entries) for row in found.rows] == [len(expected)] * 4
        assert found.entry("a", expected[0]) == board.entry("a", expected[0])
        assert [row.standing for row in found.rows] == [row.standing for row in board.rows]
        assert found.counts["columns"] == len(expected)
    assert pick(board, ["*@dtd"]).summary == "4 models · 1 column · 4 scores"
    with pytest.raises(HarnessError, match="no column fits 'linaer@digits'; did you mean 'linear@digits'"):
        pick(board, ["top1", "linaer@digits"])


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("score", "abcd"),
        ("rank", "abcd"),
        ("model", "abcd"),
        ("linear@digits ece", "cabd"),
        ("linear@digits", "abcd"),
        ("seconds", "bcad"),
        ("images_per_second", "cabd"),
        ("parameters", "abcd"),
        ("average_rank", "abcd"),
    ],
)
def test_rows_are_sorted_best_or_least_costly_first(board: Board, by: str, expected: str) -> None:
    assert models(ordered(board, by)) == expected


def test_another_order_tells_no_ties_and_says_so(board: Board) -> None:
    assert ordered(board, "score") is board
    found = ordered(board, "seconds", reverse=True)
    assert models(found) == "acbd", "the unranked stay below"
    assert (found.ties, found.footnotes[0]) == ((), "Rows are sorted by seconds, reversed.")
    assert models(ordered(board, "images_per_second", reverse=True)) == "acbd", "what has no value stays last"
    assert models(ordered(board, "score", reverse=True)) == "cbad"
    assert {row.model: row.standing for row in found.rows} == {row.model: row.standing for row in board.rows}


def test_an_unknown_order_names_the_nearest(board: Board) -> None:
    with pytest.raises(HarnessError, match="no column 'knn@dtdd' to sort by; did you mean 'knn@dtd'"):
        ordered(board, "knn@dtdd")


def test_costs_are_columns_in_readable_units_of_which_none_is_best(board: Board) -> None:
    found = with_costs(board)
    added = found.columns[len(board.columns) :]
    assert [c.heading for c in added] == ["time s", "peak memory GB", "images/s", "parameters M"], "FLOPs are unknown"
    assert [found.entry("a", c.name).value for c in added] == [3.0, 2.0, 100.0, 23.508032]
    assert [e.status for e in found.rows[3].entries[3:]] == ["missing"] * 4
    assert not [e for row in found.rows for e in row.entries[3:] if e.place or e.rank]
    assert found.counts == board.counts
    assert "23.5" in found.render("markdown")


def drawn(make: Make, values: dict[str, tuple[float, np.ndarray]], model: str, domain: str = "natural") -> list[Record]:
    return [
        make(model, task, value, draws=Draws.of(draws.tolist()), dataset={"domain": domain, "collection": ""})
        for task, (value, draws) in values.items()
    ]


def test_a_group_is_the_mean_of_its_columns_with_their_paired_interval(make: Make) -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1, 2000)
    records = drawn(make, {"linear@a": (80.0, 80 + shared), "knn@a": (60.0, 60 - shared)}, "m")
    records += drawn(make, {"linear@b": (50.0, 50 + 2 * shared)}, "m", "medical")
    board = build(records)
    found = grouped(board, "domain")
    assert sorted(c.name for c in found.columns) == ["domain@medical mean", "domain@natural mean"]
    natural, medical = (found.entry("m", f"domain@{name} mean") for name in ("natural", "medical"))
    assert natural.value == pytest.approx(70.0)
    assert (natural.low, natural.high) == (pytest.approx(70, abs=1e-3), pytest.approx(70, abs=1e-3)), "they cancel out"
    low, high = np.quantile(50 + 2 * shared, (0.025, 0.975))
    assert (medical.low, medical.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
    assert natural.note == "mean of 2 columns"
    assert (natural.n, medical.n) == (360, 360), "images of one dataset count once"
    assert (found.rows[0].standing, found.rule, found.ties) == (board.rows[0].standing, board.rule, board.ties)
    assert "the mean of the scores of a domain" in found.footnotes[0]
    assert [c.name for c in grouped(board, "collection").columns] == ["collection@none mean"]
    assert {c.name for c in grouped(board, "protocol").columns} == {"protocol@knn mean", "protocol@linear mean"}


def test_a_group_heeds_direction_and_bounds_and_says_what_it_lacks(make: Make) -> None:
    errors = [make(m, "linear@a", v, metric="err", better="lower", primary=True) for m, v in (("x", 10.0), ("y", 30.0))]
    board = build([*errors, make("x", "knn@a", 70.0, kind="reported"), make("y", "knn@a", reason="NaN loss")])
    found = grouped(board, "dataset")
    x, y = (next(r for r in found.rows if r.model == m).entries[0] for m in "xy")
    assert (x.value, x.low, x.place) == (pytest.approx((90 + 70) / 2), None, 1), "without draws there is no interval"
    assert (x.mark, x.kind, x.note) == ("‡", "reported", "mean of 2 columns (1 reported, 1 measured)")
    assert (y.status, y.note) == ("failed", "no score in knn@a top1")
    assert found.counts["failed"] == 1


def test_descriptions_are_in_no_group(make: Make) -> None:
    with pytest.raises(HarnessError, match="nothing to group by domain"):
        grouped(build([make("a", "linear@digits", 3.0, better=None)]), "domain")


def test_a_grouped_board_renders(make: Make) -> None:
    found = grouped(build([make("a", "linear@digits", 90.0), make("b", "linear@digits", 80.0)]), "dataset")
    assert re.search(r"dataset@digits<br>mean % ↑", found.render("markdown"))
    assert "The mean" not in found.columns[0].description
