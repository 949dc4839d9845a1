"""The verbs, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.common import human_size, split_names

QUICK = ("--models", "tiny-random,tiny-supervised", "--tasks", "knn@digits", "--metrics", "top1,nll", "--limit", "60")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("run")
    done = harness("run", *QUICK, "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 cells done" in done.stdout
    return out


def harness(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, cwd=cwd)


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None, result.output
    return result.output


def test_run_writes_all_it_promises(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "records",
        "arrays",
        "events.jsonl",
        "summary.json",
        "board.md",
        "board.csv",
        "board.json",
        "board.html",
    }
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events == ["run_started", *["cell_finished"] * 4, "run_finished"]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["cells"], summary["done"], summary["failed"]) == (4, 4, 0)
    assert summary["images_forwarded"] == summary["images_wanted"] == 2 * 120


def test_the_same_run_again_reuses_everything(folder: Path) -> None:
    assert "0 cells done, 4 reused" in invoke_run(folder)


def invoke_run(folder: Path, *more: str) -> str:
    result = CliRunner().invoke(app, ["run", *QUICK, *more, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output


def test_dry_run_and_plan_compute_nothing(tmp_path: Path) -> None:
    assert "4 cells" in invoke("run", *QUICK, "--out", str(tmp_path / "none"), "--dry-run")
    assert not (tmp_path / "none").exists()
    described = json.loads(invoke("plan", "--json"))
    assert described["cells"] > 100
    assert ("linear@digits", "map") in {(skip["task"], skip["metric"]) for skip in described["skips"]}


def test_failed_cells_give_exit_status_one(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    done = harness("run", "--models", "py:nowhere:build", "--tasks", "knn@digits", "--out", str(tmp_path / "run"))
    assert done.returncode in (1, 2)
    assert "nowhere" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "quikstart"), "no suite named 'quikstart'; did you mean 'quickstart'?"),
        (("run", "--models", "tiny-simclrr"), "no model named 'tiny-simclrr'; did you mean 'tiny-simclr'?"),
        (("run", "--models", "tyni-*"), "no model matches 'tyni-*'"),
        (("run", "--models", "tim:resnet18"), "no model scheme 'tim:'; did you mean 'timm:'?"),
        (("run", "--tasks", "liner@digits"), "no task named 'liner'; did you mean 'linear'?"),
        (("run", "--tasks", "linear@digit"), "no dataset named 'digit'; did you mean 'digits'?"),
        (("run", "--tasks", "linear"), "expected PROTOCOL@DATASET"),
        (("run", "--tasks", "knn[kk=3]@digits"), "no parameter 'kk'; did you mean 'k'?"),
        (("run", "--tasks", "knn[temperature=hot]@digits"), "temperature"),
        (("run", "--metrics", "topp1"), "no metric named 'topp1'; did you mean 'top1'?"),
        (("run", "--precision", "fp8"), "precision"),
        (("run", "--device", "cuda:99", "--models", "tiny-random"), "cannot be used"),
        (("leaderboard", "nowhere"), "holds no records/"),
        (("show", "tiny-simclrr"), "did you mean 'tiny-simclr'?"),
        (("list", "model"), "did you mean 'models'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_clear_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = harness(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("format", ["terminal", "text", "markdown", "csv", "json", "latex", "html"])
def test_leaderboard_in_every_format(folder: Path, format: str) -> None:
    text = invoke("leaderboard", str(folder), "--format", format, "--columns", "all")
    assert "tiny" in text


def test_show_prints_cards() -> None:
    assert "paradigm: contrastive" in invoke("show", "resnet50-moco-v2")
    assert "classes" in invoke("show", "scenes[colour]")
    assert "temperature: 0.07" in invoke("show", "knn@digits")
    assert "higher_is_better" in invoke("show", "ece")
    assert "linear@scenes" in invoke("show", "quickstart")


def test_list_plugins_models_data() -> None:
    for kind in ("models", "datasets", "tasks", "metrics", "suites", "all"):
        assert invoke("list", kind).strip()
    families = {line.split()[0]: line for line in invoke("list", "views").splitlines() if line.strip()}
    assert families["posterize"].split() == ["posterize", "7,", "no", "more", "bits"]
    assert "angle" in families["rotation"]
    assert "harness_tasks" not in invoke("plugins")
    assert "ssl-harness" in invoke("plugins")
    assert "tiny-random" in invoke("models", "list")
    assert "digits" in invoke("data", "list")
    assert "stage3.0" in invoke("models", "verify", "tiny-random")
    assert "0 unreadable" in invoke("data", "verify", "digits")
    assert "digits: ready" in invoke("data", "prepare", "digits")


def test_index_and_doctor(folder: Path) -> None:
    assert invoke("index", str(folder), "--rebuild")
    assert "nothing is wrong" in invoke("doctor", "--run", str(folder))
    bad = folder / "records" / "x" / "y" / "broken.json"
    bad.parent.mkdir(parents=True)
    bad.write_text("{")
    result = CliRunner().invoke(app, ["doctor", "--run", str(folder)])
    assert (result.exit_code, "broken.json: not a record" in result.output) == (1, True)
    bad.unlink()


def test_a_broken_plugin_is_noted_and_the_verb_works(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    done = harness("--plugin", str(tmp_path / "broken.py"), "list", "tasks")
    assert done.returncode == 0
    assert "linear" in done.stdout
    assert "broken.py" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    strict = harness("--strict-plugins", "--plugin", str(tmp_path / "broken.py"), "list", "tasks")
    assert strict.returncode == 2
    assert "ZeroDivisionError" in harness("--plugin", str(tmp_path / "broken.py"), "plugins", "--traceback").stdout


def test_analyze_runs_a_plugin_over_the_board(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "spread.py").write_text(
        "from harness import analysis, hookimpl\n"
        "@analysis('spread')\n"
        "def spread(board):\n"
        "    'Rows.'\n"
        "    return [{'models': 2}]\n"
        "@hookimpl\n"
        "def register_analyses(register):\n"
        "    register(spread)\n"
    )
    plugin = ("--plugin", str(tmp_path / "spread.py"))
    assert json.loads(invoke(*plugin, "analyze", "spread", str(folder), "--format", "json")) == [{"models": 2}]
    assert "models" in invoke(*plugin, "analyze", "spread", str(folder))
    assert invoke(*plugin, "analyze", "spread", str(folder), "--format", "csv").split() == ["models", "2"]


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("list", "tasks"), ("plan",), ("--version",)])
def test_fast_verbs_import_neither_torch_nor_sklearn(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['harness', *{arguments!r}]\n"
        "try:\n    runpy.run_module('harness', run_name='__main__')\nexcept SystemExit:\n    pass\n"
        "print('heavy:', sorted({'torch', 'sklearn', 'scipy', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []", done.stdout + done.stderr


def test_names_split_at_commas_outside_brackets() -> None:
    assert split_names(["a, b[c,d=1]@e", "f"]) == ("a", "b[c,d=1]@e", "f")
    assert split_names(None) is None


def test_sizes_for_people() -> None:
    assert [human_size(n) for n in (5, 1200, 3_400_000)] == ["5 B", "1.2 kB", "3.4 MB"]
