"""Which of a cell's records counts, and what the entry tells of the others."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest

from harness.board import Board, build
from harness.records import Record, ScoreData

Make = Callable[..., Record]
LINEAR = "linear@digits top1"


def notes(board: Board) -> str:
    return "\n".join(board.footnotes)


def test_seeds_become_mean_and_standard_deviation(make: Make) -> None:
    values = [88.0, 90.0, 93.0]
    board = build(make("a", "linear@digits", v, seed=i, half=i + 1.0) for i, v in enumerate(values))
    entry = board.rows[0].entries[0]
    assert entry.value == pytest.approx(statistics.mean(values))
    assert entry.sd == pytest.approx(statistics.stdev(values))
    assert (entry.seeds, entry.half) == (3, pytest.approx(2.0))
    assert "standard deviation 2.5" in entry.note
    assert "means over up to 3 seeds" in notes(board)


def test_one_seed_has_no_standard_deviation(make: Make) -> None:
    assert build([make("a", "linear@digits", 90.0)]).rows[0].entries[0].sd is None


def test_a_failed_seed_fails_the_entry(make: Make) -> None:
    board = build([make("a", "linear@digits", 90.0), make("a", "linear@digits", seed=1, reason="NaN loss")])
    entry = board.rows[0].entries[0]
    assert (entry.status, entry.value) == ("failed", None)
    assert entry.note == "seed 1: NaN loss"


def test_a_missing_seed_is_marked(make: Make) -> None:
    records = [make("a", "linear@digits", 90.0, seed=s) for s in (0, 1)] + [make("b", "linear@digits", 80.0)]
    entry = build(records).entry("b", LINEAR)
    assert (entry.mark, entry.seeds) == ("†", 1)
    assert f"† b, {LINEAR}: seed 1 is missing" in notes(build(records))


def test_seeds_made_with_different_limits_are_marked(make: Make) -> None:
    board = build(make("a", "linear@digits", 90.0, seed=s, limit=limit) for s, limit in ((0, None), (1, 100), (2, 50)))
    entry = board.rows[0].entries[0]
    assert (entry.mark, entry.limit) == ("†", 50)
    assert "its seeds were made with different limits" in entry.note


def test_without_every_seeds_interval_there_is_none(make: Make) -> None:
    bare = make("a", "linear@digits", 80.0, seed=1).model_copy(update={"scores": (ScoreData(value=80.0, n=10),)})
    entry = build([make("a", "linear@digits", 90.0), bare]).rows[0].entries[0]
    assert (entry.value, entry.low, entry.half, entry.n) == (85.0, None, None, 10)


def test_the_newest_record_of_a_cell_counts_and_the_others_are_told(make: Make) -> None:
    records = [make("a", "linear@digits", v, key=k, finished=f) for v, k, f in ((90.0, "new", 2e9), (70.0, "old", 1e9))]
    for order in (records, records[::-1]):
        board = build(order)
        assert board.rows[0].entries[0].value == 90.0
        assert f"a, linear@digits top1: the newest of 2 records (others: done 2001-09-09)" in notes(board)  # noqa: F541
        assert board.date == "2033-05-18T03:33:20+00:00"


def test_many_superseded_records_are_one_footnote(make: Make) -> None:
    records = [
        make(f"m{i}", "linear@digits", 80.0, key=k, finished=f) for i in range(20) for k, f in (("a", 1e9), ("b", 2e9))
    ]
    assert [note for note in build(records).footnotes if "20 cells have several records" in note]
    assert len(build(records).footnotes) < 6


def test_a_copy_of_a_record_is_no_other_record(make: Make) -> None:
    record = make("a", "linear@digits", 90.0)
    assert build([record, record]) == build([record])


def test_a_newer_failure_of_a_known_cell_shows(make: Make) -> None:
    board = build([make("a", "linear@digits", 90.0), make("a", "linear@digits", key="new", finished=2e9, reason="NaN")])
    assert board.rows[0].entries[0].status == "failed"


@pytest.mark.parametrize(("finished", "mark"), [(2e9, "†"), (5e8, "")])
def test_a_failure_before_the_key_was_known_hides_no_score(make: Make, finished: float, mark: str) -> None:
    failure = make("a", "linear@digits", key="", finished=finished, reason="file not found")
    entry = build([make("a", "linear@digits", 90.0), failure]).rows[0].entries[0]
    assert (entry.value, entry.mark) == (90.0, mark)
    assert ("a later attempt failed: file not found" in entry.note) == bool(mark)


def test_a_limit_shared_by_a_column_is_told(make: Make) -> None:
    board = build(make(m, "linear@digits", 90.0, limit=100) for m in "ab")
    assert board.columns[0].limit == 100
    assert "--limit 100" in board.columns[0].note
    assert f"{LINEAR}: made with --limit 100" in notes(board)
    assert {row.entries[0].mark for row in board.rows} == {""}


def test_limited_and_full_scores_are_not_mixed_silently(make: Make) -> None:
    board = build([make("a", "linear@digits", 90.0, limit=100), make("b", "linear@digits", 80.0)])
    assert board.columns[0].limit is None
    assert "mixed: some scores were made with --limit 100" in board.columns[0].note
    assert (board.entry("a", LINEAR).mark, board.entry("b", LINEAR).mark) == ("†", "")
    assert f"† a, {LINEAR}: limit 100" in notes(board)


@pytest.mark.parametrize(
    ("first", "second", "note"),
    [
        ({"facts": {"precision": "bf16"}}, {"facts": {"precision": "fp32"}}, "precision bf16 and fp32"),
        (
            {"facts": {"dataset": {"revision": "a"}}},
            {"facts": {"dataset": {"revision": "b"}}},
            "dataset revision a and b",
        ),
    ],
)
def test_unlike_scores_in_a_column_are_told(make: Make, first: dict, second: dict, note: str) -> None:
    same = build([make("a", "linear@digits", 90.0, **first), make("b", "linear@digits", 80.0, **first)])
    assert same.columns[0].note == ""
    board = build([make("a", "linear@digits", 90.0, **first), make("b", "linear@digits", 80.0, **second)])
    assert board.columns[0].note == f"mixed: {note}"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"version": 1}, {"version": 2}, "linear@digits top1 version 1, superseded by version 2"),
        (
            {"facts": {"task": {"version": 2}}},
            {"facts": {"task": {"version": 10}}},
            "linear@digits version 2, superseded by version 10",
        ),
    ],
)
def test_scores_of_two_versions_never_stand_in_one_column(make: Make, old: dict, new: dict, told: str) -> None:
    records = [make("a", "linear@digits", 90.0, **old), make("b", "linear@digits", 80.0, **new)]
    for order in (records, records[::-1]):
        board = build(order)
        assert [row.model for row in board.rows] == ["b"]
        assert f"1 record of {told}, not shown." in notes(board)
    both = build([make("a", "linear@digits", 90.0, **old), make("a", "linear@digits", 70.0, key="n", **new)])
    assert both.entry("a", LINEAR).value == 70.0


def test_a_score_of_no_known_version_is_kept(make: Make) -> None:
    known = make("a", "linear@digits", 90.0, facts={"task": {"version": 2}})
    board = build([known, make("b", "linear@digits", 80.0, kind="reported")])
    assert [row.model for row in board.ranked] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "within", "flagged"),
    [
        ("CIFAR-10 train", (), True),
        ("cifar10", (), True),
        ("imagenet-1k, CIFAR10", (), True),
        ("imagenet-21k", ("imagenet-1k", "imagenet-21k"), True),
        ("cifar100", (), False),
        ("imagenet-1k", (), False),
        ("", (), False),
        ("none", (), False),
    ],
)
def test_a_model_trained_on_the_dataset_is_flagged(make: Make, data: str, within: tuple, flagged: bool) -> None:
    board = build([make("a", "knn@cifar10[x]", 90.0, card={"data": data}, dataset={"within": list(within)})])
    entry = board.rows[0].entries[0]
    assert (entry.overlap, entry.mark) == (flagged, "◊" * flagged)
    assert ("◊ trained on images of the dataset" in notes(board)) == flagged
    named = make("a", "knn@mine", 90.0, card={"data": "CIFAR-10"}, facts={"dataset": {"name": "cifar10"}})
    assert build([named]).rows[0].entries[0].overlap, "the card's name, whatever the task calls it"


def test_a_submitted_score_stands_between_a_measured_and_a_published_one(make: Make) -> None:
    kinds = {kind: make("a", "linear@digits", v, key=kind, kind=kind) for kind, v in
             (("measured", 90.0), ("submitted", 80.0), ("reported", 70.0))}  # fmt: skip
    board = build(kinds.values())
    assert (board.entry("a", LINEAR).value, board.entry("a", LINEAR).mark) == (90.0, "")
    assert "a submitted score too" in notes(board)
    board = build([kinds["reported"], kinds["submitted"]])
    assert (board.entry("a", LINEAR).value, board.entry("a", LINEAR).mark) == (80.0, "§")
    assert board.entry("a", LINEAR).kind == "submitted"
    assert "§ submitted" in notes(board)
    assert board.counts["submitted"] == 1
    failed = make("a", "linear@digits", key="f", reason="no disk")
    assert build([kinds["submitted"], failed]).entry("a", LINEAR).value == 80.0


def test_a_seed_without_a_score_leaves_those_of_the_others(make: Make) -> None:
    done = [make("a", "linear@digits", v, seed=s) for s, v in ((0, 88.0), (2, 90.0))]
    undefined = make("a", "linear@digits", seed=1, status="skipped", key="k", reason="no error to be wrong about")
    entry = build([*done, undefined]).rows[0].entries[0]
    assert (entry.value, entry.seeds, entry.mark) == (89.0, 2, "†")
    assert "skipped: seed 1: no error to be wrong about" in entry.note
    assert "missing" not in entry.note


def test_another_score_under_the_same_key_is_told(make: Make) -> None:
    first, second = (make("a", "linear@digits", v, finished=f) for v, f in ((50.0, 1e9), (60.0, 2e9)))
    board = build([first, second])
    assert board.entry("a", LINEAR).value == 60.0
    assert "the newest of 2 records" in notes(board)
    assert "newest of" not in notes(build([second, second.model_copy(update={"finished": 1e9})])), "a copy is none"
