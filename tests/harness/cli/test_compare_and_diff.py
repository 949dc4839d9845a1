"""``harness compare`` and ``harness diff``, on real runs of toys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from engine_world import go
from typer.testing import CliRunner

from harness.cli.compare import compare
from harness.cli.diff import diff
from harness.errors import HarnessError

app = typer.Typer()
app.command("compare")(compare)
app.command("diff")(diff)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    go(out, metrics=("top1", "nll"), resamples=200)
    return out


def told(*arguments: Any, code: int = 0) -> str:
    found = CliRunner().invoke(app, [*map(str, arguments)])
    assert found.exit_code == code, found.output
    return found.output


def test_models_are_compared_paired(run: Path) -> None:
    shown = told("compare", "net0", "net1", run)
    assert "A net0   against   B net1" in shown
    assert "over test images, paired" in " ".join(shown.split())
    parsed = json.loads(told("compare", "net0", "net1", run, "--format", "json"))
    assert [c["method"] for c in parsed["columns"]] == ["paired"] * 2
    for column in parsed["columns"]:
        assert column["difference"] == pytest.approx(column["a"]["value"] - column["b"]["value"])
        assert column["low"] <= column["difference"] <= column["high"]


def test_columns_and_tasks_can_be_chosen(run: Path) -> None:
    options = ("--columns", "first", "--tasks", "linear@*", "--format", "csv")
    rows = told("compare", "net0", "net1", run, *options).splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["linear@colours", "top1"], ["linear@colours", "nll"]]
    assert "| linear@colours |" in told("compare", "net1", "net0", run, "--format", "markdown")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("net0", "nt1"), "no model named 'nt1' in .*; did you mean 'net1'"), (("net0", "net0"), "given twice"),
     (("net0", "net1", "--columns", "some"), "one of primary, first, all"),
     (("net0", "net1", "--format", "htm"), "known: terminal, markdown, csv, json"),
     (("net0", "net1", "--tasks", "no*"), "no records")],
    ids=str,
)  # fmt: skip
def test_wrong_arguments_are_refused(run: Path, arguments: tuple[str, ...], reason: str) -> None:
    a, b, *options = arguments
    found = CliRunner().invoke(app, ["compare", a, b, str(run), *options])
    assert isinstance(found.exception, Exception)
    with pytest.raises(Exception, match=reason):
        raise found.exception


def test_wrong_folders_are_refused(run: Path, tmp_path: Path) -> None:
    """Also beside a right one; models and run folders the wrong way round get a hint."""
    for arguments, reason in (
        (("net0", "net1", run, tmp_path), "holds no records/: give a folder that 'harness run --out' wrote"),
        ((run, "net0", "net1"), "models first, then run folders"),
        (("net0", run, "net1"), "models first, then run folders"),
    ):
        found = CliRunner().invoke(app, ["compare", *map(str, arguments)])
        assert isinstance(found.exception, HarnessError)
        assert reason in str(found.exception)


def test_runs_are_compared_with_their_causes(run: Path, tmp_path: Path) -> None:
    go(tmp_path / "second", models=("net1", "net2"), metrics=("top1", "nll"), resamples=200, limit=40)
    shown = told("diff", run, tmp_path / "second")
    assert "2 of 12 cells unchanged" in " ".join(shown.split())  # all right with either limit; long paths fold lines
    assert "4 cells in" in shown
    assert "the other run has no such model" in shown
    assert "2 values changed\n  limit: none → 40\n  model net1; tasks knn@colours, linear@colours; metric nll" in shown
    assert "most: net1, " in shown


def test_nothing_changed(run: Path) -> None:
    assert " ".join(told("diff", run, run, "--exit-code").split()).endswith("8 of 8 cells unchanged")


def test_exit_codes_and_json(run: Path, tmp_path: Path) -> None:
    go(tmp_path / "second", metrics=("top1",), resamples=50)
    assert told("diff", run, tmp_path / "second")
    parsed = json.loads(told("diff", run, tmp_path / "second", "--format", "json", "--exit-code", code=1))
    assert parsed["runs"] == [str(run), str(tmp_path / "second")]
    assert parsed["counts"]["first only"] == 4
    assert {g["status"] for g in parsed["groups"]} <= {"interval", "first only", "unchanged"}
    assert parsed["groups"][0]["cells"] == len([c for c in parsed["cells"] if c["status"] == "first only"])
    interval = [g for g in parsed["groups"] if g["status"] == "interval"]
    assert all(g["causes"] == [{"fact": "resamples", "values": [["200", "50"]]}] for g in interval)


def test_folders_without_records_and_damaged_files(run: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["diff", str(run), str(tmp_path)])
    assert "holds no records/" in str(found.exception)
    (tmp_path / "records" / "m" / "t").mkdir(parents=True)
    (tmp_path / "records" / "m" / "t" / "x.json").write_text("{")
    found = CliRunner().invoke(app, ["diff", str(run), str(tmp_path)])
    assert found.exit_code == 0
    assert "not a record" in found.output
    assert "8 cells in" in found.output


def test_hostile_names_are_printed_literally(run: Path, tmp_path: Path) -> None:
    path = next((run / "records").rglob("top1*.json"))
    record = json.loads(path.read_text()) | {"model": "[red]\x1b[31mx\n", "key": "k"}
    (tmp_path / "records" / "m" / "t").mkdir(parents=True)
    (tmp_path / "records" / "m" / "t" / "top1-0-k.json").write_text(json.dumps(record))
    shown = told("diff", run, tmp_path)
    assert "[red] [31mx" in shown
    assert "\x1b[31m" not in shown
