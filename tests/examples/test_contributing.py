"""CONTRIBUTING.md: every command is run, every example conforms."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from harness import spec
from harness.board import Board, build
from harness.plots import Figure
from harness.plugins import Host
from harness.records import Record, ScoreData
from harness.reporting import reporting
from harness.scaffold import KINDS
from harness.testing.subjects import plugin_subjects

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


EXAMPLES = dict(zip(KINDS, blocks("python"), strict=True))
COMMANDS = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]


def drawn(board: Board) -> dict[str, Figure]:
    """What the function `draw` of the page draws."""
    names: dict[str, Any] = {}
    (code,) = (block for block in blocks("py") if "def draw(" in block)
    exec(code, names)
    return names["draw"](board)


def test_the_figure_is_of_what_ranks() -> None:
    metrics = [{"name": name, "version": 1, "bounds": [0, 1]} for name in ("top1", "ece")]
    records = [
        Record(status="done", model=model, task="knn@d", metric=metric, primary=metric["name"] == "top1",
               scores=(ScoreData(value=0.5, n=9),))
        for model in "ab" for metric in metrics
    ]  # fmt: skip
    (figure,) = drawn(build(records, columns="all")).values()
    assert [(row["row"], row["column"]) for row in figure.rows] == [("a", "knn@d top1"), ("b", "knn@d top1")]
    assert drawn(build([])) == {}


def test_the_reporter_tells_what_was_slow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "slow_reporter.py"
    file.write_text(EXAMPLES["reporter"])
    host = Host(plugins=[str(file)])
    cell = {"status": "done", "task": "knn@d", "metric": {"name": "top1"}, "scores": (ScoreData(value=50, n=9),)}
    with reporting(host, ["slow"]):
        for model, seconds in (("quick", 1.0), ("slow", 90.0)):
            told = {"seconds": {"passes": 100.0, "task": seconds, "metric": 0.1}}
            host.emit("cell_finished", record=Record(model=model, provenance=told, **cell))
    assert capsys.readouterr().out == "slow, knn@d: 90 s, top1 50.0\n"


def test_hooks_are_named_as_they_are() -> None:
    section = TEXT[TEXT.index("## 6. A reporter") : TEXT.index("All together:")]
    told = dict(re.findall(r"`(\w+)\((plan, out|progress|record|summary)\)`", section))
    events = {name: ", ".join(inspect.signature(hook).parameters) for name, hook in vars(spec).items()
              if hasattr(hook, "harness_spec") and not name.startswith("register_")}  # fmt: skip
    assert told == events


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_conforms(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"example_{kind}.py"
    file.write_text(EXAMPLES[kind])
    plugin, *objects = plugin_subjects(str(file))
    assert [subject.kind for subject in objects] == [kind] * (kind != "reporter")  # which has no checks of its own
    findings = [finding for subject in (plugin, *objects) for finding in subject.findings.values()]
    assert [str(f) for f in findings if f.status in ("failed", "warned")] == []


def test_the_catalogue_entry_is_read(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert "my-resnet18" in Host(catalogues=[file])["model"]


def test_every_kind_is_walked_through_in_order() -> None:
    verbs = ("harness new {kind} my-{kind}", "pip install -e my-{kind}", "pytest my-{kind}", "harness check my-{kind}")
    assert COMMANDS[:24] == [verb.format(kind=kind) for kind in KINDS for verb in verbs]


@pytest.mark.slow
def test_every_command_works(fresh, tmp_path: Path) -> None:
    for command in COMMANDS:
        fresh.run(command, tmp_path)
    listed = fresh.run("harness plugins", tmp_path).stdout
    assert all(f"my-{kind} 0.1.0" in listed for kind in KINDS), listed
    assert len((tmp_path / "runs/mine/my-reporter.csv").read_text().splitlines()) == 1 + 2 * 2  # models × metrics
    assert "paradigm" in fresh.run("harness analyze my-analysis runs/mine", tmp_path).stdout
