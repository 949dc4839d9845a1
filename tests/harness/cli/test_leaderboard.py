"""``harness leaderboard``, as a user types it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.draws import Draws
from harness.errors import HarnessError
from harness.records import Record, RecordStore, ScoreData

SUITE = """
name: mine
models: [tiny-random, tiny-simclr, tiny-byol]
tasks: [knn@digits, knn@scenes]
metrics: [top1]
ranking: {by: logit, group: dataset}
"""
MODELS = ("tiny-random", "tiny-simclr", "other")


def record(model: str, task: str, value: float, **fields: object) -> Record:
    draws = Draws.of((value + np.random.default_rng(0).normal(0, 0.5, 200)).tolist())
    metric = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
    given = {"key": f"{model}{task}", "primary": True, "draws": draws, "finished": 1e9} | fields
    scores = (ScoreData(value=value, low=value - 1, high=value + 1, n=100),)
    return Record(status="done", model=model, task=task, metric=metric, scores=scores, **given)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Three models by two tasks; the cost of two is known."""
    store, about = RecordStore(tmp_path / "run" / "records"), {"domain": "handwriting"}
    for i, model in enumerate(MODELS):
        cost = {"cost": {"parameters": 10 - i}} if i else {}
        store.write(record(model, "knn@digits", 80.0 + 5 * i, dataset=about, provenance=cost))
        store.write(record(model, "knn@scenes", 50.0 + 5 * i, provenance=cost))
    return str(tmp_path / "run")


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["leaderboard", *arguments])
    assert result.exception is None, result.output
    return result.output


def rows(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(invoke(*arguments, "--format", "csv"))))


def order(*arguments: str) -> list[str]:
    return [row["model"] for row in rows(*arguments)]


def test_rows_stand_by_score_with_their_rank(run: str) -> None:
    assert order(run) == ["other", "tiny-simclr", "tiny-random"]
    assert [row["rank_best"] for row in rows(run)] == ["1", "2", "3"]
    assert "Ordered by the mean of their scores" in invoke(run, "--format", "text")


def test_rows_columns_and_models_are_chosen(run: str) -> None:
    assert order(run, "--sort", "knn@digits", "--reverse") == ["tiny-random", "tiny-simclr", "other"]
    assert order(run, "--sort", "parameters") == ["other", "tiny-simclr", "tiny-random"]
    assert order(run, "--models", "tiny-*") == ["tiny-simclr", "tiny-random"]
    assert "knn@scenes top1" not in rows(run, "--columns", "*@digits")[0]
    assert "knn@scenes top1" not in rows(run, "--tasks", "*@digits")[0]
    assert rows(run, "--columns", "*@digits")[0]["score"] == rows(run)[0]["score"], "the ranking is as it was"
    assert float(rows(run, "--tasks", "*@digits")[0]["score"]) == 90.0


def test_the_ranking_can_be_another(run: str) -> None:
    assert "mean of their ranks" in invoke(run, "--rank-by", "rank", "--format", "text")
    assert "logit scale" in invoke(run, "--rank-by", "logit", "--format", "text")
    assert "2 sets of images are too few to speak of other datasets" in invoke(
        run, "--over", "tasks", "--format", "text"
    )


def test_groups_and_costs_are_columns(run: str) -> None:
    found = rows(run, "--group-by", "domain", "--cost")
    assert [float(row["domain@handwriting mean"]) for row in found] == [90.0, 85.0, 80.0]
    assert [row["encoder@cost parameters"] for row in found] == ["8.0", "9.0", ""]
    assert "cost" not in json.loads(invoke(run, "--cost", "--format", "json"))["columns"][-1]["task"]


def test_a_suite_shows_exactly_its_cells_by_its_rule(run: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SUITE)
    text = invoke(run, "--suite", str(tmp_path / "mine.yaml"), "--format", "text")
    assert text.startswith("mine: 3 models · 2 columns · 4 scores · 2 missing")
    assert "logit scale" in text
    assert "\nother " not in text
    narrow = rows(run, "--suite", str(tmp_path / "mine.yaml"), "--models", "tiny-b*", "--tasks", "*@scenes")
    assert [(row["model"], row["knn@scenes top1_status"]) for row in narrow] == [("tiny-byol", "missing")]


def test_run_folders_merge_and_conflicts_are_told(run: str, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "second" / "records")
    store.write(record("other", "knn@digits", 10.0, key="changed", finished=2e9))
    store.write(record("new", "knn@digits", 99.0))
    text = invoke(run, str(tmp_path / "second"), "--format", "text")
    assert text.startswith("run, second: 4 models")
    assert "other, knn@digits top1: the newest of 2 records (others: done 2001-09-09)" in text
    assert "Without a rank, because a score is missing: new." in text


@pytest.mark.parametrize("ending", ["md", "csv", "json", "tex", "html", "txt", "yaml"])
def test_the_ending_of_a_file_is_its_format(run: str, tmp_path: Path, ending: str) -> None:
    assert str(tmp_path / f"b.{ending}") in invoke(run, "--out", str(tmp_path / f"b.{ending}"))
    assert "tiny-simclr" in (tmp_path / f"b.{ending}").read_text(encoding="utf-8")


def test_parquet_is_written_to_a_file(run: str, tmp_path: Path) -> None:
    invoke(run, "--format", "parquet", "--out", str(tmp_path / "deep" / "board"))
    assert pq.read_table(tmp_path / "deep" / "board").num_rows == 6


def test_a_printed_file_ends_in_one_line_end(run: str) -> None:
    assert not invoke(run, "--format", "csv").endswith("\n\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sort", "scroe"), "no column 'scroe' to sort by; did you mean 'score'?"),
        (("--group-by", "domian"), "--group-by 'domian': one of domain, protocol, .*; did you mean 'domain'?"),
        (("--columns", "primry"), "no column fits 'primry'; did you mean 'primary'?"),
        (("--columns", "all,top1"), "--columns all,top1: all stands alone"),
        (("--format", "parqet"), "--format 'parqet': one of terminal, .*; did you mean 'parquet'?"),
        (("--format", "parquet"), "parquet is no text: write it to a file, with --out FILE"),
        (("--out", "board.xls"), "--out board.xls: name a --format that is for files, or end it in .md"),
        (("--out", "b.md", "--format", "terminal"), "name a --format that is for files"),
        (("--rank-by", "scores"), "--rank-by 'scores': one of score, logit, rank; did you mean 'score'?"),
        (("--over", "image"), "--over 'image': one of .*; did you mean 'images'?"),
        (("--rank-by", "rank", "--over", "images"), "ranks can be compared over tasks only"),
        (("--kind", "mesured"), "--kind 'mesured': one of both, .*; did you mean 'measured'?"),
        (("--models", "tyni-*"), "no records of tyni-\\*"),
        (("--suite", "quickstrt"), "no suite named 'quickstrt'; did you mean 'quickstart'?"),
        (("--suite", "quickstart", "--models", "tiny-simclrr"), "no model 'tiny-simclrr'; did you mean 'tiny-simclr'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_clear_line(run: str, arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["leaderboard", run, *arguments])
    assert isinstance(result.exception, HarnessError)
    assert "\n" not in str(result.exception)
    with pytest.raises(HarnessError, match=message.replace("?", "\\?")):
        raise result.exception
