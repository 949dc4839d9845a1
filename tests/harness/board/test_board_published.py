"""Published scores beside measured ones: neither hides, nor is averaged with, the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.board.assemble import build
from harness.records import Record

Make = Callable[..., Record]
LINEAR = "linear@digits top1"


def test_reported_scores_are_marked(make: Make) -> None:
    board = build([make("a", "linear@digits", 90.0, kind="reported", version=0), make("b", "linear@digits", 80.0)])
    assert (board.entry("a", LINEAR).mark, board.entry("a", LINEAR).kind) == ("‡", "reported")
    assert board.columns[0].note == "", "its version is not that of a metric here"
    assert board.counts["reported"] == 1
    assert "‡ reported elsewhere" in "\n".join(board.footnotes)


def test_a_measured_score_goes_before_a_newer_reported_one(make: Make) -> None:
    reported = make("a", "linear@digits", 95.0, kind="reported", key="r", finished=2e9)
    entry = build([reported, make("a", "linear@digits", 90.0)]).rows[0].entries[0]
    assert (entry.value, entry.kind) == (90.0, "measured")
    assert entry.note == "measured; a published score too (reported 2033-05-18)"


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_what_was_measured_in_vain_hides_no_published_score(make: Make, status: str) -> None:
    vain = make("a", "linear@digits", status=status, key="k", finished=2e9, reason="NaN loss")
    reported = make("a", "linear@digits", 95.0, kind="reported", key="r")
    entry = build([vain, reported]).rows[0].entries[0]
    assert (entry.value, entry.kind) == (95.0, "reported")
    assert f"published, as it was not measured with success ({status} 2033-05-18)" in entry.note
    assert ("measuring it here failed: NaN loss" in entry.note, "†" in entry.mark) == (status == "failed",) * 2


def test_published_and_measured_seeds_are_never_averaged(make: Make) -> None:
    reported = make("a", "linear@digits", 50.0, kind="reported", key="r")
    measured = [make("a", "linear@digits", v, seed=s) for s, v in ((1, 88.0), (2, 90.0))]
    board = build([reported, *measured])
    entry = board.rows[0].entries[0]
    assert (entry.value, entry.seeds, entry.kind, entry.mark) == (89.0, 2, "measured", "")
    assert "a published score too (reported" in "\n".join(board.footnotes)
    failed = build([reported, measured[0], make("a", "linear@digits", seed=2, reason="NaN loss")]).rows[0].entries[0]
    assert (failed.value, failed.kind) == (50.0, "reported")
    assert "measuring it here failed: NaN loss" in failed.note


def test_a_published_score_has_the_seeds_that_it_has(make: Make) -> None:
    board = build(
        [make("a", "linear@digits", 50.0, kind="reported"), *(make("b", "linear@digits", 90.0, seed=s) for s in (1, 2))]
    )
    assert (board.entry("a", LINEAR).mark, board.entry("b", LINEAR).mark) == ("‡", "")


def test_many_published_scores_beside_measured_ones_are_one_footnote(make: Make) -> None:
    models = [f"m{i}" for i in range(20)]
    records = [make(m, "linear@digits", 80.0, key=k, kind=k) for m in models for k in ("measured", "reported")]
    (note,) = [note for note in build(records).footnotes if "20 cells" in note]
    assert note.startswith("20 cells have a published score too; the measured one counts. E.g. m0, linear@digits top1:")
