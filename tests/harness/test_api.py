"""Which records a leaderboard of run folders shows, and what it tells of files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.api import leaderboard, ranking_of
from harness.errors import HarnessError
from harness.records import Record, RecordStore, ScoreData
from harness.suite import Ranking

METRIC = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two models on two tasks, one of which is published."""
    store = RecordStore(tmp_path / "records")
    for model in ("tiny-a", "big[b]"):
        for task, kind in (("linear[k=1]@digits", "measured"), ("knn@dtd", "reported")):
            score = (ScoreData(value=90.0, low=89.0, high=91.0, n=10),)
            fields: dict[str, Any] = {"model": model, "task": task, "kind": kind, "key": task, "scores": score}
            store.write(Record(status="done", metric=METRIC, primary=True, **fields))
    return tmp_path


def test_all_is_shown_unless_asked_otherwise(run: Path) -> None:
    assert leaderboard(run).counts["done"] == 4
    assert leaderboard(run, run).counts["done"] == 4, "a folder given twice has the same cells"


@pytest.mark.parametrize(
    ("asked", "models", "tasks"),
    [
        ({"models": ["tiny-*"]}, ["tiny-a"], ["knn@dtd", "linear[k=1]@digits"]),
        ({"models": ["big[b]"]}, ["big[b]"], ["knn@dtd", "linear[k=1]@digits"]),
        ({"tasks": ["linear[[]k=1]@*", "linear[k=1]@*"]}, ["big[b]", "tiny-a"], ["linear[k=1]@digits"]),
        ({"kind": "reported"}, ["big[b]", "tiny-a"], ["knn@dtd"]),
        ({"kind": "measured", "models": ["tiny-a"]}, ["tiny-a"], ["linear[k=1]@digits"]),
    ],
    ids=str,
)
def test_only_what_is_asked_for_is_shown(
    run: Path, asked: dict[str, object], models: list[str], tasks: list[str]
) -> None:
    board = leaderboard(run, **asked)  # type: ignore[arg-type]
    assert sorted(row.model for row in board.rows) == models
    assert sorted({c.task for c in board.columns}) == tasks
    assert board.counts["done"] == len(models) * len(tasks)


def test_nothing_found_is_an_error_that_says_what_was_sought(run: Path) -> None:
    with pytest.raises(HarnessError, match=r"no submitted records of tiny-\* in "):
        leaderboard(run, kind="submitted", models=["tiny-*"])


def test_files_that_are_no_records_are_told(run: Path) -> None:
    path = next(RecordStore(run / "records").paths())
    path.write_text("half")
    reasons: list[str] = []
    assert leaderboard(run, warn=reasons.append).counts["done"] == 3
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{path}: not a record")


def test_runs_are_ranked_by_the_first_rule_that_a_suite_has(tmp_path: Path) -> None:
    def run(name: str, ranking: dict[str, str] | None) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        if ranking is not None:
            (folder / "suite.json").write_text(json.dumps({"ranking": ranking}))
        return folder

    plain, bare, ranks, logits = run("a", {}), run("b", None), run("c", {"by": "rank"}), run("d", {"by": "logit"})
    (damaged := run("e", None) / "suite.json").write_text("[")
    told: list[str] = []
    assert ranking_of([plain, bare, damaged.parent], told.append) == Ranking()
    assert ranking_of([plain, ranks, bare], told.append).by == "rank", "adding a run moves nobody"
    assert not told
    assert ranking_of([logits, ranks], told.append).by == "logit"
    assert told == [f"{ranks} ranks by another rule; that of {logits} is used"]


@pytest.mark.parametrize("target", [1, -1, 10**9])
def test_stored_predictions_that_cannot_be_are_absent(run: Path, target: int) -> None:
    import torch

    from harness import evidence_files
    from harness.cache import ArrayStore
    from harness.evidence import Predictions

    key = "e" * 64
    record = Record(status="done", model="m", task="knn@digits", metric=METRIC, key="k", primary=True,
                    scores=(ScoreData(value=50.0, n=2),), facts={"evidence": key})  # fmt: skip
    RecordStore(run / "records").write(record)
    path = ArrayStore(run / "arrays").path("evidence", key, "safetensors")
    path.parent.mkdir(parents=True)
    evidence_files.save({"": Predictions(torch.zeros(2, 3), torch.tensor([0, target]))}, path)
    assert (leaderboard(run).evidence("m", "knn@digits") is not None) == (target == 1)
