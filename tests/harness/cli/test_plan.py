"""``harness plan`` on a terminal, and the last line of ``harness run``."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.api import plan
from harness.board.assemble import build
from harness.cli.plan import absent, show_plan, skipped
from harness.cli.run import report
from harness.models import Model
from harness.planning import Plan, Skip
from harness.plugins import Host
from harness.records import Summary
from harness.suite import Suite


@pytest.fixture
def planned() -> Plan:
    tasks = ("knn@digits", "linear@digits", "knn@scenes[colour]")
    return plan(Suite(models=("tiny-random",), tasks=tasks, metrics=("top1",)), Host())


def test_skips_of_one_metric_and_reason_are_one_row(planned: Plan) -> None:
    skips = (
        Skip("knn@digits", "map", "digits is single-label"),
        Skip("linear@digits", "map", "digits is single-label"),
        Skip("knn@digits", "r2", "accepts Estimates"),
        Skip("knn@scenes[colour]", "map", "scenes is single-label"),
    )
    assert list(skipped(replace(planned, skips=skips))) == [
        ("map", "3 tasks", "it is single-label"),
        ("r2", "knn@digits", "accepts Estimates"),
    ]
    same = replace(planned, skips=skips[:2])
    assert list(skipped(same)) == [("map", "2 tasks", "digits is single-label")]


def test_metrics_that_apply_elsewhere_are_not_listed_for_their_type(planned: Plan) -> None:
    skips = (Skip("knn@digits", "top1", "accepts X", True), Skip("knn@digits", "cka", "accepts Grams", True))
    assert list(skipped(replace(planned, skips=skips))) == [("cka", "knn@digits", "accepts Grams")]


def test_of_all_metrics_those_for_other_evidence_are_counted_but_not_listed(planned: Plan) -> None:
    skips = (Skip("knn@digits", "map", "why"), Skip("knn@digits", "cka", "accepts Grams", True))
    everything = replace(planned, suite=planned.suite.model_copy(update={"metrics": ("all",)}), skips=skips)
    assert list(skipped(everything)) == [("map", "knn@digits", "why")]


def test_the_total_comes_last(planned: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(replace(planned, skips=(Skip("knn@digits", "map", "why"), Skip("knn@digits", "r2", "why"))))
    assert capsys.readouterr().out.splitlines()[-1] == "3 cells to run, 2 pairs of a task and a metric skipped"


def test_what_is_not_on_this_machine_is_told(planned: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert list(absent(planned)) == []
    monkeypatch.setattr(type(planned.tasks["knn@digits"].dataset), "present", False)
    tiny = planned.models["tiny-random"]
    there = Model("there", tiny.card, tiny.load, tiny.preprocess, weights=tmp_path, fetch=lambda progress: tmp_path)
    models = {"tiny-random": tiny, "there": there, "far": replace(there, weights=None)}
    assert list(absent(replace(planned, models=models))) == [
        "not here: digits: harness data prepare …",
        "not known to be here: far: harness models fetch …",
    ]


@pytest.mark.parametrize(("undefined", "said"), [(0, ""), (2, ", 2 undefined")])
def test_undefined_scores_are_counted_apart_from_pairs_skipped(tmp_path: Path, undefined: int, said: str) -> None:
    text = io.StringIO()
    summary = Summary(suite="s", out="o", done=5, skipped=3, undefined=[{"reason": "r"}] * undefined)
    report(summary, build([]), tmp_path, Console(file=text, width=200))
    assert f"5 cells done, 0 reused, 0 failed{said}; 3 pairs skipped; 0 images" in text.getvalue()
