"""A board is the same, whether from whole records or from what the index keeps of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.board import Board, build
from harness.draws import Draws
from harness.index import Index
from harness.outcomes import Outcome, amount, told, versions
from harness.records import Record, RecordStore, ScoreData
from harness.suite import Ranking

Make = Callable[..., Record]
RANKINGS = (Ranking(), Ranking(by="rank"), Ranking(require=("linear@* top1",)))
ONE = st.integers(0, 1)
VALUES = st.sampled_from((12.5, 50.0, 50.0, 97.25))
CARDS: list[dict[str, Any]] = [{}, {"paradigm": "x", "data": "digits + cifar10"}, {"data": "", "parameters": 7}]
DATASETS: list[dict[str, Any]] = [{}, {"title": "Digits", "domain": "natural", "within": ["cifar10"]}]


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Of few models, tasks and metrics, so that cells have several: seeds, kinds, failures, limits, versions, pairs."""
    status = draw(st.sampled_from(("done", "done", "done", "failed", "skipped")))
    metric, key = draw(st.sampled_from(("top1", "ece"))), draw(st.sampled_from(("k1", "k2", "")))
    variants = draw(st.sampled_from((("",), ("k=1", "k=20"))))
    value = draw(VALUES)
    facts: dict[str, Any] = {"decoder": draw(st.sampled_from(("pil", "torchvision")))}
    facts |= draw(st.sampled_from(({}, {"task": {"name": "linear", "version": 1}}, {"task": {"version": 2}})))
    facts |= draw(st.sampled_from(({}, {"evidence": "e1"}, {"evidence": "e2", "excluded": ["9"]})))
    seconds = draw(st.sampled_from(({}, {"seconds": {"passes": 2.0, "task": 3.5, "metric": 1}, "cost": {"flops": 9}})))
    described = {"version": draw(st.integers(1, 2)), "bounds": [0, 100], "higher_is_better": metric == "top1"}
    scores = tuple(ScoreData(value=value, low=value - 1, high=value + 1, n=9, variant=v) for v in variants)
    done = status == "done"
    return Record(
        status=status, model=draw(st.sampled_from("abc")), key=key,
        task=draw(st.sampled_from(("linear@digits", "knn@digits", "linear@dtd"))),
        metric={"name": metric} | described, scores=scores if done else (), seed=draw(ONE),
        draws=Draws.of([value, value + draw(VALUES)]) if done and draw(ONE) else None,
        partner=draw(st.sampled_from((None, None, None, "b"))), reason="" if done else "NaN",
        kind=draw(st.sampled_from(("measured", "measured", "submitted", "reported"))), primary=metric == "top1",
        limit=draw(st.sampled_from((None, None, 100))), finished=1e9 + draw(st.integers(0, 3)),
        card=draw(st.sampled_from(CARDS)), dataset=draw(st.sampled_from(DATASETS)), facts=facts, provenance=seconds,
    )  # fmt: skip


def written(folder: Path, given_: list[Record]) -> Index:
    store = RecordStore(folder / "records")
    for record in given_:
        path = store.path(record.cell, record.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json())  # without the fsync of a run
    return Index(folder / "records")


def seen(board: Board) -> tuple[Any, ...]:
    """All of a board that can be compared, the draws and the keys of its evidence included."""
    entries = [e.draws for row in board.rows for e in row.entries]
    evidence = [board.evidence(row.model, c.task) for row in board.rows for c in board.columns]
    return board, entries, [(row.card, row.facts, row.provenance) for row in board.rows], evidence


@given(st.lists(records(), max_size=30), st.sampled_from(("primary", "first", "all")), st.sampled_from(RANKINGS))
@settings(max_examples=60, deadline=None)
def test_a_board_of_outcomes_is_that_of_the_records(given_: list[Record], columns: Any, ranking: Ranking) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index = written(Path(folder), given_)
        whole: list[Record] = index.records()
        light: list[Outcome] = list(index.outcomes())

    def made(of: Sequence[Outcome]) -> tuple[Any, ...]:
        stored: Any = dict.fromkeys  # a key's evidence is as good as the key
        return seen(build(of, columns=columns, ranking=ranking, stored=lambda key: stored([key])))

    assert made(light) == made(whole)


def test_the_order_of_the_records_does_not_matter(make: Make) -> None:
    cells = [(m, t, s) for m in "ab" for t in ("linear@digits", "knn@dtd") for s in (0, 1)]
    found = [make(m, t, 50.0 + len(t), seed=s) for m, t, s in cells]
    assert build(found) == build(found[::-1])


@pytest.mark.parametrize(
    "edited",
    [
        {"facts": {"task": "linear", "dataset": 7, "excluded": 3}},
        {"facts": {"task": {"version": "two"}, "dataset": {"name": 3}}},
        {"provenance": {"seconds": "long", "peak_memory": [1], "cost": "much"}},
        {"provenance": {"seconds": {"task": "long"}, "cost": {"parameters": None, "flops": "many"}}},
        {"card": {"data": ["cifar10"], "parameters": "23M", "paradigm": None}},
        {"dataset": {"within": "cifar10", "domain": 3}},
        {"metric": {"name": "top1", "version": "1", "bounds": "none", "higher_is_better": "yes"}},
        {"metric": {"name": "top1", "bounds": [100, 0]}},
        {"metric": {"name": "top1", "bounds": [0, 50, 100]}},
    ],
    ids=str,
)  # fmt: skip
def test_facts_edited_by_hand_break_no_board(make: Make, tmp_path: Path, edited: dict[str, Any]) -> None:
    found = [make("a", "linear@digits", 90.0), make("b", "linear@digits", 80.0)]
    found.append(make("c", "linear@digits", 85.0).model_copy(update={"finished": 2e9} | edited))
    for board in (build(found), build(written(tmp_path, found).outcomes())):
        assert {row.model: row.entries[0].value for row in board.rows} == {"a": 90.0, "b": 80.0, "c": 85.0}
        assert board.render("json")


def test_what_is_told() -> None:
    facts = {"task": {"version": 2, "parameters": None}, "precision": "fp32"}
    assert told(facts, "task", "version") == 2
    assert told(facts, "task", "parameters", "k") is told(facts, "precision", "bits") is told(facts, "dataset") is None
    assert [amount(x) for x in (3, 2.5, True, "3", None, float("inf"), float("nan"))] == [3, 2.5, 0, 0, 0, 0, 0]


def test_versions_are_those_of_task_and_metric(make: Make) -> None:
    record = make("a", "linear@digits", 90.0, version=3, facts={"task": {"version": 2}})
    assert versions(record) == (2, 3)
    assert versions(make("a", "linear@digits", 90.0, facts={})) == (0, 1)
