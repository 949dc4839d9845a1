"""The board as JSON: what stands where, how small it is, and that no text of a record can break out of it."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_boards import HOSTILE, called, hostile, large, record, small

from harness.board import Board, Column, Entry, Row, build
from harness.board.site.data import (
    HUES,
    board_data,
    correlations,
    decimals,
    environment,
    hues,
    task_facts,
    tasks_of,
)
from harness.board.site.texts import flat, paragraphs, plain, rounded, script
from harness.board.table import Standing
from harness.draws import Draws
from harness.plots import paradigm_style


def data(board: Board) -> dict[str, Any]:
    return board_data(board, board.title, [task_facts(board, t, None, None, False) for t in tasks_of(board)])


def test_values_stand_by_column_over_models_in_board_order() -> None:
    found = data(small())
    assert [m["name"] for m in found["models"]] == ["a", "b", "c"]
    assert [c["name"] for c in found["columns"]] == ["knn@digits top1", "linear@digits top1"]
    assert found["values"] == [[93.45678, 90, 12], [97, 98.5, None]]
    assert found["low"] == [[93.45678 - 1, 89, 11], [96, 97.5, None]]
    assert found["high"] == [[93.45678 + 2, 92, 14], [99, 100.5, None]]
    assert found["status"] == ["ddd", "drf"]
    assert found["n"] == [100, 100]
    assert found["sd"] == [None, None]
    assert found["notes"] == {"texts": ["", "no memory"], "at": [None, [0, 0, 1]]}
    assert found["footnotes"] == ["a note"]
    assert found["title"] == "Mine"


def test_the_unranked_have_no_standing() -> None:
    found = data(small())["standing"]
    assert found["score"] == [(93.45678 + 97) / 2, 94.25, None]
    assert found["rank"] == [1.5, 1.5, None]
    assert {len(values) for values in found.values()} == {3}


def test_standing_and_ties_are_the_boards() -> None:
    board = small()
    rows = tuple(replace(r, standing=Standing(1 / 3, 0.1, None, i + 1, 1, 2)) for i, r in enumerate(board.rows))
    found = data(replace(board, rows=rows, ties=((0, 1), (1, 2))))
    assert found["standing"]["score"] == [1 / 3] * 3
    assert found["standing"]["low"] == [0.1] * 3
    assert found["standing"]["high"] == [None] * 3
    assert found["standing"]["worst"] == [2] * 3
    assert found["ties"] == [[0, 1], [1, 2]]


def test_columns_have_all_their_fields() -> None:
    column = data(small())["columns"][0]
    assert column["range"] == [11, 95.457]
    assert (column["better"], column["decimals"], column["bounds"], column["unit"]) == (1, 1, [0, 100], "%")
    assert (column["task"], column["protocol"], column["dataset"], column["measure"]) == (
        "knn@digits", "knn", "digits", "top1",
    )  # fmt: skip
    assert column["facts"]["metric version"] == 3
    assert column["variant"] == column["note"] == column["collection"] == ""
    assert column["near"] is column["limit"] is column["classes"] is None


def test_models_leave_out_what_is_not_known_and_share_environments() -> None:
    found = data(small())
    a, b, c = found["models"]
    assert a == {
        "name": "a", "title": "A", "paradigm": "unknown", "url": "https://example.org", "parameters": 25_600_000,
        "epochs": 0, "card": {"batch": 256}, "provenance": {"weights": "f00"}, "environment": 0,
    }  # fmt: skip
    assert c == {"name": "c", "paradigm": "unknown"}
    assert "environment" not in b or found["environments"][b["environment"]]["torch"] == "2.11"
    assert found["environments"] == [{"torch": "2.11", "device": "cpu", "plugins": "one 1.0"}]


def test_tasks_tell_their_columns_and_what_is_known_of_the_dataset() -> None:
    found = data(small())["tasks"]
    assert [(t["name"], t["columns"], t["detail"]) for t in found] == [
        ("knn@digits", [0], False), ("linear@digits", [1], False),
    ]  # fmt: skip
    board = small()
    told = task_facts(
        board, "knn@digits", "Votes.\n\nOf ``k``\nneighbours.\n\nAttributes:\n    k: how many.", None, True
    )
    assert told["description"] == ["Votes.", "Of k neighbours."]
    assert told["detail"] is True


def test_paths_of_the_machine_are_cut() -> None:
    path = "/home/ada/.cache/ssl-harness/weights.pth"
    failed = record("b", "knn@x", 0.0).model_copy(update={"status": "failed", "scores": (), "reason": f"no {path}: x"})
    where = {"torch": "2.11", "cache": path, "url": "https://example.org/a/b"}
    done = record("a", "knn@x", 1.0, card={"licence": path, "weights": [path]}, provenance=where)
    done = done.model_copy(update={"facts": {"weights": path}})
    found = data(replace(build([done, failed]), footnotes=(f"b failed: {path}",)))
    assert "/home" not in str(found)
    assert found["notes"]["texts"][1] == "no weights.pth: x"
    assert found["footnotes"] == ["b failed: weights.pth"]
    assert found["models"][0]["card"]["weights"] == found["models"][0]["provenance"]["weights"] == "weights.pth"
    assert found["environments"][0] == {"torch": "2.11", "cache": "weights.pth", "url": "https://example.org/a/b"}


def test_a_paradigm_has_the_colour_of_the_figures() -> None:
    found = hues(["supervised", "contrastive", "mine", "unknown"])
    drawn = paradigm_style(["supervised", "contrastive", "mine", "unknown"])
    assert {name: HUES[at] for name, at in found.items()} == {name: style.colour for name, style in drawn.items()}
    assert hues(["contrastive"])["contrastive"] == found["contrastive"] == 0
    style = (files("harness.board.site") / "assets" / "style.css").read_text()
    marks = dict(re.findall(r"--d(\d): light-dark\((#\w+),", style))
    assert [marks[str(at)].upper() for at in range(len(HUES))] == [colour.upper() for colour in HUES]


@pytest.mark.parametrize("theme", [0, 1])
def test_the_names_of_paradigms_can_be_read(theme: int) -> None:
    """Contrast of 4.5 (WCAG 2.2, 1.4.3) on a row, and on one that is pointed at."""
    style = (files("harness.board.site") / "assets" / "style.css").read_text()
    colours = {name: pair[theme] for name, *pair in re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", style)}
    for text in range(len(HUES)):
        for back in ("card", "hover", "page"):
            dark, light = sorted(luminance(colours[name]) for name in (f"h{text}", back))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, back)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_overlap_caveats_and_differing_numbers_of_images() -> None:
    board = small()
    marked = [replace(e, overlap=True, mark="◊†", n=50) for e in board.rows[1].entries]
    rows = (board.rows[0], replace(board.rows[1], entries=tuple(marked)), board.rows[2])
    found = data(replace(board, rows=rows))
    assert found["overlap"] == found["caveats"] == [[1], [1]]
    assert found["n"][0] == [100, 50, 100]


def test_spread_over_seeds() -> None:
    records = [record("a", "knn@x", v, seed=s, key=str(s)) for s, v in enumerate((90.0, 92.0))]
    found = data(build([*records, record("b", "knn@x", 1.0)]))
    assert found["sd"] == [[1.41, None]]


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8), min_size=2, max_size=6))
def test_correlations_are_numpys(draws: list[list[float]]) -> None:
    if any(np.ptp(d) < 1e-3 for d in draws):
        return
    column = [Entry("done", 1.0, draws=Draws.of(d)) for d in draws]
    [code] = correlations([column]) or [None]
    assert code is not None
    found = np.frombuffer(base64.b64decode(code), np.int8) / 127
    expected = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert found == pytest.approx(expected, abs=0.005)


def test_correlations_of_what_has_no_draws_are_told_apart_and_many_are_left_out() -> None:
    drawn = Entry("done", 1.0, draws=Draws.of([1.0, 2.0, 3.0]))
    assert correlations([[drawn, Entry("done", 2.0), drawn]]) == [base64.b64encode(bytes([128, 127, 128])).decode()]
    assert correlations([[drawn, drawn], [Entry("done", 1.0)] * 2]) == ["fw==", None]
    assert correlations([[Entry("done", 1.0)] * 2]) is None
    assert correlations([[drawn] * 1000]) is None
    assert correlations([]) is None


def test_decimals_suit_the_column() -> None:
    assert decimals([93.2], "%") == 1
    assert decimals([], "%") == 1
    assert decimals([0.5, 0.25, 12.0], "") == 3
    assert decimals([1234.0, 2000.0], "") == 0
    assert decimals([1e-7, 0.0], "") is None


def test_numbers_of_a_board_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    board = large(3, 2)
    found = data(board)
    for j in range(2):
        of = [row.entries[j] for row in board.rows]
        assert [found[name][j] for name in ("values", "low", "high")] == [
            [e.value for e in of], [e.low for e in of], [e.high for e in of]
        ]  # fmt: skip
    monkeypatch.setattr("harness.board.site.data.MOST_EXACT", 5)
    assert set(found) - set(data(board)) == {"low", "high"}
    assert data(board)["columns"][0]["step"] == 0.01


def test_tiny_numbers_of_large_boards_have_intervals_of_three_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.board.site.data.MOST_EXACT", 0)
    column = Column("a@b", "m")
    row = Row("m", "", None, (Entry("done", 1e-7, 0.98766e-7, 2e-7),))
    found = data(Board("", (column,), (row,)))
    assert (found["columns"][0]["step"], found["down"], found["up"]) == (1, [[1.23e-9]], [[1e-7]])


def test_numbers_have_five_digits() -> None:
    assert [rounded(x) for x in (93.456789, 1e-9 / 3, 90.0, 123456.7, 7, None)] == [
        93.457, 3.3333e-10, 90, 123460, 7, None,
    ]  # fmt: skip
    assert type(rounded(90.0)) is int
    assert rounded(float("nan")) is rounded(float("inf")) is None


def test_facts_are_flattened() -> None:
    nested = {
        "a_b": {"c": [1, 2], "d": None, "e": ""},
        "f": True,
        "g": 1.5,
        "h": {},
        "i": float("nan"),
        "j": [{"k": 1}],
    }
    assert flat(nested) == {"a b c": "1, 2", "f": True, "g": 1.5, "i": "nan", "j": '{"k": 1}'}
    assert environment({"seconds": {"task": 1}, "peak_memory": {}, "traceback": "x", "torch": "2"}) == {"torch": "2"}


def test_texts_are_cut_and_can_be_encoded() -> None:
    assert plain("x" * 5000) == "x" * 2000 + "…"
    assert plain("lone \ud800") == "lone ?"
    assert paragraphs(None) == paragraphs("  \n\n ") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_can_leave_its_script(name: str) -> None:
    made = script("f", {name: name}, name)
    assert not set("<>&") & set(made.decode("ascii"))
    assert called(made) == ("f", [{name: name}, name])


def test_markup_is_escaped_in_scripts() -> None:
    assert script("f", "<a>&\u2029", 1) == rb'f("\u003ca\u003e\u0026\u2029",1);' + b"\n"


def test_a_hostile_board_is_only_data() -> None:
    made = script("Harness.board", data(hostile()))
    text = made.decode("ascii")
    assert "<" not in text
    assert "\n" not in text[:-1]
    [found] = called(made)[1]
    names = {m["name"] for m in found["models"]}
    assert "<script>alert(1)</script>" in names
    assert "x" * 10_000 in names
    assert "lone ? half" in names


def test_an_empty_board() -> None:
    found = data(Board("", (), ()))
    assert found["values"] == found["models"] == found["tasks"] == []
    assert called(script("f", found))[0] == "f"


def test_a_thousand_models_by_sixty_columns_take_less_than_1300_kilobytes() -> None:
    board = large(1000, 60)
    made = script("Harness.board", data(board))
    assert len(made) < 1_300_000
    [found] = called(made)[1]
    entry = board.rows[7].entries[3]
    assert found["values"][3][7] == pytest.approx(entry.value, rel=1e-4)
    assert found["values"][3][7] - 0.01 * found["down"][3][7] == pytest.approx(entry.low, abs=0.006)
