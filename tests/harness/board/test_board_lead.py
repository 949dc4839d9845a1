"""Ranks, scores and ties beside a model's name, in every rendering."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from harness.board import Board, build
from harness.board.lead import lanes, leads, width
from harness.board.table import Rule, Standing
from harness.board.terminal import table
from harness.records import Record

Make = Callable[..., Record]
RUNS = ((0, 2), (1, 3), (3, 4))


def standing_board(make: Make, ties: tuple[tuple[int, int], ...] = RUNS, models: int = 5, by: str = "score") -> Board:
    """Models m0, m1… with ranks of 1 to 3, the last certain, and one without a rank."""
    records = [make(f"m{i}", t, 90.0 - i) for i in range(models) for t in ("linear@digits", "knn@digits")]
    made = build([*records, make("x", "knn@digits", 50.0)], title="t")
    rows = tuple(
        replace(row, standing=Standing(row.standing.score, row.standing.score - 2, row.standing.score + 1, i + 1, 1, 3))
        if row.standing and i < models - 1
        else replace(row, standing=row.standing and Standing(3.25, 3.0, 3.5, models, models, models))
        for i, row in enumerate(made.rows)
    )
    return replace(made, rows=rows, ties=ties, rule=Rule(by, "images", "Ordered by hand."))


def test_letters_name_the_runs(make: Make) -> None:
    board = standing_board(make)
    found = leads(board)
    assert [found.of[f"m{i}"].ties for i in range(5)] == ["a", "ab", "ab", "bc", "c"]
    assert found.of["x"] == ("–", "", "", "", "")
    aligned = leads(board, "·").of
    assert [aligned[f"m{i}"].ties for i in range(5)] == ["a", "ab", "ab", "·bc", "··c"]
    assert found.headings == ["Rank", "Score", "Ties"]
    assert found.notes == ("Models that share a letter are not told apart.",)


def test_lanes_are_used_again_by_runs_that_do_not_touch() -> None:
    assert [tie.lane for tie in lanes(RUNS)] == [0, 1, 0]
    assert [tie.lane for tie in lanes([(0, 1), (1, 2), (2, 3), (3, 4)])] == [0, 1, 0, 1]
    assert (lanes([(2, 2)]), width(lanes([])), width(lanes(RUNS))) == ((), 0, 2), "a model ties with itself untold"


@pytest.mark.parametrize("ties", [tuple((i, i + 1) for i in range(27)), tuple((i, i + 13) for i in range(15))])
def test_too_many_ties_are_counted_only(make: Make, ties: tuple[tuple[int, int], ...]) -> None:
    board = standing_board(make, ties, 30)
    found = leads(board)
    assert found.headings == ["Rank", "Score"]
    assert found.notes[0].startswith(f"{len(ties)} runs of models are not told apart: too many")
    assert f"{len(ties)} runs of models" in board.render("markdown")


def test_every_rendering_shows_rank_score_and_ties(make: Make) -> None:
    board = standing_board(make)
    file = io.StringIO()
    Console(file=file, width=100).print(table(board, 100))
    texts = {name: board.render(name) for name in ("text", "markdown", "latex")} | {"terminal": file.getvalue()}
    for name, text in texts.items():
        row = re.sub(r"[|&$]|\\pm|\{\\scriptsize|\}", " ", next(x for x in text.splitlines() if "m1 " in x))
        dash = "--" if name == "latex" else "–"
        assert row.split()[2:6] == [f"1{dash}3", "89.0", row.split()[4], "ab"], name
        assert row.split()[4].lstrip("±") == "1.5", name
        assert "Models that share a letter are not told apart." in text, name
        last = next(x for x in text.splitlines() if "m4 " in x)
        assert re.search(r"[\s&|]5[\s&|]", last), f"{name}: the last rank is certain"


def test_the_page_draws_ties_as_bars_and_names_the_models(make: Make) -> None:
    text = standing_board(make).render("html")
    rows = re.findall(r'<tr>\n<th scope="row".*?</tr>', text, re.DOTALL)
    bars = [re.findall(r'class="tie([^"]*)" style="--lane:(\d)"', row) for row in rows]
    assert bars[:3] == [[(" opens", "0")], [("", "0"), (" opens", "1")], [(" closes", "0"), ("", "1")]]
    assert bars[3:] == [[(" closes", "1"), (" opens", "0")], [(" closes", "0")], []]
    assert 'title="not told apart from m1, m2">1–3' in rows[0]
    assert "share a letter" not in text
    assert re.search(r"padding-left: calc\(\.8rem \+ 2 \* 7px\)", text)


def test_average_ranks_are_headed_so(make: Make) -> None:
    board = standing_board(make, by="rank")
    found = leads(board)
    assert found.headings == ["Rank", "Average rank", "Ties"]
    assert (found.averaged, found.of["m4"].score, found.of["m4"].half) == (False, "3.25", "±0.25")
    for name in ("text", "markdown", "latex", "html"):
        assert "average rank" in board.render(name).lower(), name
    assert "Mean rank" not in board.render("markdown")


def test_csv_and_json_hold_the_standing_in_numbers(make: Make) -> None:
    board = standing_board(make)
    rows = list(csv.DictReader(io.StringIO(board.render("csv"))))
    names = ("score", "score_low", "score_high", "rank", "rank_best", "rank_worst", "average_rank")
    assert [float(rows[1][n]) for n in names] == [89.0, 87.0, 90.0, 2, 1, 3, 2.0]
    assert [rows[5][n] for n in names] == [""] * 7
    held = json.loads(board.render("json"))
    assert held["rows"][1]["standing"] == {"score": 89.0, "low": 87.0, "high": 90.0, "rank": 2, "best": 1, "worst": 3}
    assert (held["ties"], held["rule"]["text"]) == ([list(run) for run in RUNS], "Ordered by hand.")


def test_without_a_comparison_the_place_is_in_brackets(make: Make) -> None:
    board = build([make(m, "linear@digits", v) for m, v in (("a", 90.0), ("b", 80.0))])
    assert [leads(board).of[m].rank for m in "ab"] == ["(1)", "(2)"]
    assert "A rank in brackets is the place by the numbers alone." in board.render("text")


def test_where_nobody_is_ranked_there_is_nothing_to_show(make: Make) -> None:
    board = build([make("a", "linear@digits", 3.0, better=None)])
    assert leads(board).headings == []
    assert "Rank" not in board.render("markdown").splitlines()[4]
    assert [line.split()[:2] for line in board.render("text").splitlines() if line.startswith("a ")] == [
        ["a", "unknown"]
    ]


def test_submitted_scores_are_marked_and_told(make: Make) -> None:
    records = [make("a", "linear@digits", 90.0, kind="submitted"), make("b", "linear@digits", 80.0)]
    board = build(records, title="t")
    for name in ("text", "markdown", "html"):
        assert "90.0§" in board.render(name), name
        assert "§ submitted" in board.render(name), name
    assert r"90.0\S{}" in board.render("latex")
    (row, *_) = csv.DictReader(io.StringIO(board.render("csv")))
    assert row["linear@digits top1_status"] == "submitted"
