"""``harness site``, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_boards import called, record
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.site import Steps
from harness.records import RecordStore

PLUGIN = '''
from harness import analysis, hookimpl

@analysis("widths")
def widths(board):
    """How many columns there are."""
    return [{"columns": len(board.columns)}]

@hookimpl
def register_analyses(register):
    register(widths)
'''


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Two models; two tasks; a metric beside the primary one."""
    store = RecordStore(tmp_path / "mine" / "records")
    for model, value in (("one", 90.0), ("two", 80.0)):
        for task in ("knn@digits", "linear@digits"):
            store.write(record(model, task, value))
            error = {"name": "ece", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": False}
            store.write(record(model, task, 3.0, metric=error, primary=False, key="e"))
    store.write(record("told", "knn@digits", 70.0, kind="reported", key="r"))
    return str(tmp_path / "mine")


def invoke(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None, result.output + repr(result.exception)
    return result.stdout, result.stderr


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is not None
    return str(result.exception)


def shown(folder: Path) -> dict[str, list[str]]:
    [data] = called((folder / "data" / "board.js").read_bytes())[1]
    return {"title": [data["title"]], **{key: [x["name"] for x in data[key]] for key in ("models", "columns")}}


def test_it_builds_a_site_and_says_where(run: str, tmp_path: Path) -> None:
    out = tmp_path / "site"
    stdout, stderr = invoke("site", run, "--out", str(out))
    assert "3 models · 2 columns" in stdout
    assert f"open {out / 'index.html'}" in stdout
    assert " kB" in stdout
    assert len([line for line in stderr.splitlines() if "find nothing on this board" in line]) == 1
    assert "similarity" in stderr
    assert "evidence" not in stderr.replace("no stored evidence", "")
    assert shown(out) == {
        "title": ["mine"], "models": ["one", "two", "told"], "columns": ["knn@digits top1", "linear@digits top1"],
    }  # fmt: skip
    invoke("site", run, "--out", str(out), "--analyses", "none")  # again, in its place


def test_what_is_shown_can_be_chosen(run: str, tmp_path: Path) -> None:
    given = ("site", run, "--analyses", "none", "--out")
    _, stderr = invoke(*given, str(tmp_path / "a"), "--columns", "first", "--kind", "measured", "--title", "Ours")
    assert "nothing on this board" not in stderr
    assert shown(tmp_path / "a")["title"] == ["Ours"]
    assert shown(tmp_path / "a")["models"] == ["one", "two"]
    assert len(shown(tmp_path / "a")["columns"]) == 4
    invoke(*given, str(tmp_path / "b"), "--tasks", "knn@*", "--models", "t*")
    assert shown(tmp_path / "b")["columns"] == ["knn@digits top1"]
    assert shown(tmp_path / "b")["models"] == ["two", "told"]


def test_a_plugins_analysis_sees_all_columns(run: str, tmp_path: Path) -> None:
    (tmp_path / "given.py").write_text(PLUGIN)
    start = ("--plugin", str(tmp_path / "given.py"), "site", run, "--out", str(tmp_path / "site"))
    invoke(*start, "--analyses", "widths")
    page = (tmp_path / "site" / "analyses.html").read_text()
    assert "How many columns there are." in page
    assert "<td><bdi>4</bdi></td>" in page


def test_what_cannot_be_is_said_in_one_line(run: str, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "site"))
    assert refused("site", run, *out, "--pictures", "some") == "--pictures 'some': one of cards, none, all"
    assert refused("site", run, *out, "--columns", "few") == "--columns 'few': one of primary, first, all"
    assert refused("site", run, *out, "--kind", "old").startswith("--kind 'old': one of")
    assert "no analysis named 'simlarity'" in refused("site", run, *out, "--analyses", "simlarity")
    assert "no records of nothing@*" in refused("site", run, *out, "--tasks", "nothing@*")
    assert "holds no records/" in refused("site", str(tmp_path / "nowhere"), *out)
    assert "holds other files and no site" in refused("site", run, "--out", run, "--analyses", "none")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("live", [False, True])
def test_only_slow_steps_leave_a_line(capsys: pytest.CaptureFixture[str], live: bool) -> None:
    now = [0.0]
    steps = Steps(live, lambda: now[0])
    for step, took in (("quick", 0.5), ("slow", 7.25), ("last", 3.0)):
        steps(step)
        now[0] += took
    steps.end()
    steps.end()
    wiped = "\r\x1b[K"
    expected = f"quick{wiped}slow{wiped}slow: 7 s\nlast{wiped}last: 3 s\n" if live else "slow: 7 s\nlast: 3 s\n"
    assert capsys.readouterr().err == expected
