from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.board import build
from harness.datasets import Dataset, DatasetCard, Split
from harness.evidence import Predictions
from harness.lookup import BoundTask
from harness.metrics import Metric
from harness.models import Model, ModelCard, Preprocess
from harness.planning import Plan, Skip
from harness.records import Record
from harness.suite import Suite

Make = Callable[..., Record]


class Digits(Dataset):
    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def card(self) -> DatasetCard:
        splits = {"train": 10, "test": 10}
        return DatasetCard(
            name=self.name, revision="1", title=f"{self.name} images.", classes=("a", "b"), splits=splits
        )

    def split(self, name: str) -> Split:
        raise AssertionError("a board reads no image")


@dataclass(frozen=True)
class Linear:
    """A linear probe.

    Further lines stay out of the table.
    """


def planned(limit: int | None = None, seeds: tuple[int, ...] = (0,)) -> Plan:
    """Models b and a; linear on scenes and digits; top1, primary, and ece."""
    top1 = Metric("top1", lambda p: p, Predictions, "%", (0, 100), __doc__="Share of hits.")
    ece = Metric("ece", lambda p: p, Predictions, "%", (0, 100), higher_is_better=False)
    tasks = {f"linear@{d}": BoundTask(f"linear@{d}", Linear(), Digits(d), top1) for d in ("scenes", "digits")}  # type: ignore[arg-type]
    models = {m: Model(m, ModelCard(name=m, paradigm="clustering"), lambda: None, Preprocess()) for m in "ba"}  # type: ignore[arg-type, return-value]
    suite = Suite(name="mine", models=tuple(models), tasks=tuple(tasks), limit=limit, seeds=seeds)
    pairs = dict.fromkeys(tasks, ("top1", "ece")) | {"map@digits": ()}
    return Plan(suite, models, tasks, {"ece": ece, "top1": top1}, pairs, (Skip("map@digits", "", "has no boxes"),), ())


def test_planned_cells_without_a_record_are_missing(make: Make) -> None:
    board = build([make("a", "linear@digits", 90.0)], plan=planned())
    assert [(row.model, [e.status for e in row.entries]) for row in board.rows] == [
        ("a", ["missing", "done"]),
        ("b", ["missing", "missing"]),
    ]
    assert board.rows[1].paradigm == "clustering"
    assert board.title == "mine"


def test_columns_stand_in_the_plans_order() -> None:
    names = [c.name for c in build([], columns="all", plan=planned()).columns]
    assert names == ["linear@scenes top1", "linear@scenes ece", "linear@digits top1", "linear@digits ece"]
    assert [c.name for c in build([], plan=planned()).columns] == ["linear@scenes top1", "linear@digits top1"]


def test_columns_are_described_from_the_plan() -> None:
    column = build([], columns="all", plan=planned()).columns[0]
    assert column.description == "scenes images. A linear probe. Share of hits."
    assert (column.unit, column.bounds, column.higher_is_better) == ("%", (0, 100), True)


@pytest.mark.parametrize(
    "other",
    [{"model": "z"}, {"task": "linear@other"}, {"metric": "nll"}, {"seed": 7}],
    ids=["model", "task", "metric", "seed"],
)
def test_records_of_other_suites_are_told_not_shown(make: Make, other: dict) -> None:
    fields = {"model": "a", "task": "linear@digits", "value": 90.0}
    board = build([make(**fields), make(**(fields | other))], plan=planned())
    assert (len(board.rows), len(board.columns), board.counts["done"]) == (2, 2, 1)
    assert "1 record of other cells than this suite's, not shown." in board.footnotes


def test_a_record_with_the_plans_limit_goes_before_a_newer_one(make: Make) -> None:
    full = make("a", "linear@digits", 90.0, key="f")
    limited = make("a", "linear@digits", 70.0, key="l", limit=100, finished=2e9)
    values = {
        limit: build([full, limited], plan=planned(limit)).entry("a", "linear@digits top1").value
        for limit in (None, 100)
    }
    assert values == {None: 90.0, 100: 70.0}


def test_a_seed_of_the_plan_without_a_record_is_told(make: Make) -> None:
    entry = build([make("a", "linear@digits", 90.0)], plan=planned(seeds=(0, 1))).entry("a", "linear@digits top1")
    assert (entry.mark, entry.note) == ("†", "seed 1 is missing")


def test_a_skipped_task_is_told() -> None:
    assert "map@digits skipped: has no boxes" in build([], plan=planned()).footnotes
