"""``harness analyze`` and ``harness import-reported``, as a user types them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.analyze import cuts
from harness.records import Record, RecordStore, ScoreData

PLUGIN = '''
from harness import analysis, hookimpl
from harness.plots import Figure
from harness.reported import Paper, Place, reported

def records():
    paper = Paper("arXiv:1234.5678v1", "A Paper", "2021-03-29")
    metric = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
    for model, value in (("theirs", 80.0), ("shared", 70.0)):
        yield reported(paper, Place("1", model, "digits"), model, "knn@digits", metric, value, primary=True)

def draw(board):
    return {"all of it": Figure(f"<svg>{len(board.rows)}</svg>", b"png", [{"model": r.model} for r in board.rows])}

@analysis("scores", figures=draw)
def scores(board):
    """Every score."""
    return [{"model": r.model, "score": r.entries[0].value, "kind": r.entries[0].kind, "ends": [0.25, None],
             "nothing": None} for r in board.rows]

@analysis("plain")
def plain(board):
    """Nothing."""
    return []

@analysis("thirds")
def thirds(board):
    """A number and an interval."""
    return [{"part": 1 / 3}, {"part": [1 / 3, 1.0]}]

@hookimpl
def register_analyses(register):
    register(scores)
    register(thirds)
    register(plain)

@hookimpl
def register_reported(register):
    register("paper", records, summary="A Paper")
'''


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    (tmp_path / "given.py").write_text(PLUGIN)
    return str(tmp_path / "given.py")


@pytest.fixture
def runs(tmp_path: Path, plugin: str) -> tuple[str, str]:
    """A folder of measured records, and one of reported ones."""
    store = RecordStore(tmp_path / "mine" / "records")
    metric = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
    for model, value in (("mine", 90.0), ("shared", 71.5)):
        scores = (ScoreData(value=value, low=value - 1, high=value + 1, n=50),)
        record = Record(
            status="done", model=model, task="knn@digits", metric=metric, scores=scores, primary=True, key="k"
        )
        store.write(record)
    said = invoke("--plugin", plugin, "import-reported", "paper", "--out", str(tmp_path / "theirs"))
    assert said.startswith("2 published figures, 2 of them new, in ")
    return str(tmp_path / "mine"), str(tmp_path / "theirs")


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None, result.output + repr(result.exception)
    return result.stdout


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is not None
    return str(result.exception)


def scores(plugin: str, *arguments: str) -> dict[str, tuple[float, str]]:
    rows: list[dict[str, Any]] = json.loads(
        invoke("--plugin", plugin, "analyze", "scores", *arguments, "--format", "json")
    )
    return {row["model"]: (row["score"], row["kind"]) for row in rows}


def test_it_reads_measured_records_reported_ones_or_both(plugin: str, runs: tuple[str, str]) -> None:
    mine, theirs = {"mine": (90.0, "measured")}, {"theirs": (80.0, "reported")}
    both = {**mine, **theirs, "shared": (71.5, "measured")}
    assert scores(plugin, *runs) == scores(plugin, *runs, "--kind", "both") == both
    assert scores(plugin, *runs, "--kind", "measured") == {**mine, "shared": (71.5, "measured")}
    assert scores(plugin, *runs, "--kind", "reported") == {**theirs, "shared": (70.0, "reported")}


def test_formats(plugin: str, runs: tuple[str, str]) -> None:
    given = ("--plugin", plugin, "analyze", "scores", runs[0])
    assert json.loads(invoke(*given, "--format", "json"))[0]["ends"] == [0.25, None]
    rows = list(csv.DictReader(io.StringIO(invoke(*given, "--format", "csv"))))
    assert rows[0] == {"model": "mine", "score": "90.0", "kind": "measured", "ends": "[0.25, null]", "nothing": ""}
    table = invoke(*given, "--format", "md").splitlines()
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == ["model", "score", "kind", "ends", "nothing"]
    assert "mine" in table[2]
    assert "90" in table[2]
    assert invoke("--plugin", plugin, "analyze", "plain", runs[0], "--format", "csv") == ""


def test_a_plain_table_of_four_digits_unless_asked_otherwise(plugin: str, runs: tuple[str, str]) -> None:
    printed = invoke("--plugin", plugin, "analyze", "thirds", runs[0]).split()
    assert [word for word in printed if not word.startswith("─")] == ["part", "0.3333", "0.3333", "to", "1.0"]
    assert "no rows" in invoke("--plugin", plugin, "analyze", "plain", runs[0])


def test_a_table_of_the_first_rows_without_columns_that_hold_nothing(
    plugin: str, runs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.analyze.MOST", 1)
    printed = invoke("--plugin", plugin, "analyze", "scores", runs[0])
    assert "mine" in printed
    assert "shared" not in printed
    assert "nothing" not in printed
    assert printed.splitlines()[-1] == "1 of 2 rows are not shown: --format csv prints them all"


def test_wide_tables_are_cut_and_each_part_begins_with_the_first_column() -> None:
    names = ["of", "a" * 9, "b" * 9, "long", "c"]
    row = dict(zip(names, ("me", "1", "2", "x" * 99, ""), strict=True))
    assert cuts(names, [row], 100) == [names]
    assert cuts(names, [row], 30) == [["of", "a" * 9, "b" * 9], ["of", "long", "c"]]
    assert cuts(names, [row], 1) == [["of", name] for name in names[1:]]
    assert cuts(["of"], [row], 1) == [["of"]]


def test_evidence_that_is_not_here_is_told(plugin: str, runs: tuple[str, str], tmp_path: Path) -> None:
    asking = PLUGIN.replace("return []", 'return [] if board.evidence("mine", "knn@digits") is None else [{"a": 1}]')
    (tmp_path / "asking.py").write_text(asking)
    result = CliRunner().invoke(app, ["--plugin", str(tmp_path / "asking.py"), "analyze", "plain", runs[0]])
    assert "plain finds nothing on this board: Nothing." in result.stderr
    assert "'harness show plain' says what it takes" in result.stderr
    assert "no stored evidence of mine × knn@digits: name the store with --arrays" in result.stderr
    unasked = CliRunner().invoke(app, ["--plugin", plugin, "analyze", "plain", runs[0]])
    assert "no stored evidence" not in unasked.stderr


def test_figures_go_to_a_folder(plugin: str, runs: tuple[str, str], tmp_path: Path) -> None:
    invoke("--plugin", plugin, "analyze", "scores", *runs, "--plots", str(tmp_path / "plots"))
    written = {path.suffix: path for path in (tmp_path / "plots").iterdir()}
    assert {path.stem[:9] for path in written.values()} == {"all_of_it"}
    assert len({path.stem for path in written.values()}) == 1
    assert written[".svg"].read_text() == "<svg>3</svg>"
    assert written[".png"].read_bytes() == b"png"
    assert sorted(written[".csv"].read_text().splitlines()) == ["mine", "model", "shared", "theirs"]
    assert len(written) == 3
    asked = ("--plugin", plugin, "analyze", "plain", *runs, "--plots", str(tmp_path / "other"))
    assert refused(*asked) == "analysis plain draws no figures: leave --plots out"
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_read_is_said_in_one_line(plugin: str, runs: tuple[str, str], tmp_path: Path) -> None:
    start = ("--plugin", plugin, "analyze", "scores")
    assert refused(*start, runs[0], "--kind", "reported") == f"no reported records in {runs[0]}"
    assert refused(*start, runs[0], "--kind", "guessed") == "--kind 'guessed': one of both, measured, reported"
    assert refused(*start, runs[0], "--format", "xml") == "--format 'xml': one of table, md, csv, json"
    assert "holds no records/" in refused(*start, str(tmp_path / "nowhere"))
    assert "did you mean 'paper'" in refused("--plugin", plugin, "import-reported", "papper", "--out", str(tmp_path))


def test_reported_figures_are_listed_and_stand_on_the_board_marked(plugin: str, runs: tuple[str, str]) -> None:
    assert "A Paper" in invoke("--plugin", plugin, "list", "reported")
    board = invoke("leaderboard", *runs, "--format", "text")
    lines = {line.split()[0]: line for line in board.splitlines() if line.strip()}
    assert "80.0‡" in lines["theirs"]
    assert "71.5²" in lines["shared"] or "71.5 " in lines["shared"]
    assert "‡" not in lines["mine"] + lines["shared"]
    assert "‡ reported elsewhere, not measured here." in board


def test_they_go_to_a_folder_of_their_own(plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    invoke("--plugin", plugin, "import-reported", "paper")
    assert len(list((tmp_path / "runs" / "paper-reported" / "records").rglob("*.json"))) == 2
    again = invoke("--plugin", plugin, "import-reported", "paper")
    assert again.startswith("2 published figures, 0 of them new")
