"""Reporters by name: on for one run, refused before it, and never a disturbance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine_world import ME, go, make_host, suite
from toys import Reporter

from harness import hookimpl
from harness.api import plan, run
from harness.errors import HarnessError
from harness.plugins import Host
from harness.registry import Entry
from harness.reporting import reporting

HOOKS = ("run_started", "pass_progress", "task_progress", "cell_finished", "cell_skipped", "cell_failed",
         "run_finished")  # fmt: skip


def offering(**reporters: Any) -> Host:
    host = make_host()
    for name, made in reporters.items():
        host["reporter"].add(Entry(name, made, ME))
    return host


def test_a_reporter_hears_of_its_run_alone(tmp_path: Path) -> None:
    made = Reporter()
    host = offering(keeps=lambda: made)
    go(tmp_path, host, {"reporters": ("keeps", "keeps")})
    assert [name for name, _ in made.events][:1] == ["run_started"]
    assert len(made.of("cell_finished")) == 8
    assert len(made.of("run_finished")) == 1
    go(tmp_path, host)
    assert len(made.of("run_finished")) == 1


def test_an_object_serves_as_well_as_a_class(tmp_path: Path) -> None:
    made = Reporter()
    go(tmp_path, offering(keeps=made), {"reporters": ["keeps"]})
    assert made.events


@pytest.mark.parametrize("hook", HOOKS)
def test_a_reporter_that_raises_in_any_hook_disturbs_nothing(hook: str, tmp_path: Path) -> None:
    def fail(self: object) -> None:
        raise RuntimeError(f"no {hook} today")

    fails = type("Fails", (), {hook: hookimpl(fail)})
    kept = Reporter()
    host = offering(fails=fails, keeps=kept)
    tasks, metrics = ("linear@colours", "pixels@colours"), ("top1", "raises", "nll")
    found = go(tmp_path, host, {"reporters": ("fails", "keeps")}, models=("net0",), tasks=tasks, metrics=metrics)
    assert (found.done, found.failed) == (4, 2)
    assert len(kept.of("cell_finished")) == 4
    assert len(kept.of("cell_failed")) == 2
    assert kept.of("run_finished") == [found]
    told = [w for w in json.loads((tmp_path / "summary.json").read_text())["warnings"] if "no " in w]
    happens = hook not in ("cell_skipped", "task_progress")
    assert told == [f"plugin 'reporter fails' (reporter fails) failed: {hook}: RuntimeError: no {hook} today"] * happens


class Broken:
    def __init__(self) -> None:
        raise OSError("no server")


class Absent:
    def __init__(self) -> None:
        raise HarnessError('install it: pip install "x"')


class Misspelt:
    @hookimpl
    def cell_finised(self, record: Any) -> None: ...


@pytest.mark.parametrize(
    ("name", "reason"),
    [("kepes", "no reporter named 'kepes'; did you mean 'keeps'"), ("broken", "reporter 'broken': OSError: no server"),
     ("absent", 'install it: pip install "x"'), ("misspelt", "unknown hook 'cell_finised'")],
)  # fmt: skip
def test_what_cannot_report_is_refused_before_anything_runs(name: str, reason: str, tmp_path: Path) -> None:
    host = offering(keeps=Reporter, broken=Broken, absent=Absent, misspelt=Misspelt)
    before = len(host.manager.get_plugins())
    with pytest.raises(HarnessError, match=reason):
        run(plan(suite(), host), tmp_path / "out", host, reporters=("keeps", name))
    assert not (tmp_path / "out").exists()
    assert len(host.manager.get_plugins()) == before


def test_reporters_are_off_after_a_run_that_failed() -> None:
    host, made = offering(keeps=Reporter), len(make_host().manager.get_plugins())

    def stopped() -> None:
        with reporting(host, ("keeps",)):
            assert len(host.manager.get_plugins()) == made + 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert len(host.manager.get_plugins()) == made


def test_the_verb_takes_names(write_plugin: Any, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from harness.cli import app

    plugin = write_plugin(
        "tells",
        "from harness import hookimpl\n"
        "class Tells:\n"
        "    @hookimpl\n"
        "    def run_finished(self, summary):\n"
        "        print('told of', summary.done)\n"
        "@hookimpl\n"
        "def register_reporters(register):\n"
        "    register('tells', Tells)\n",
    )
    arguments = ("--models", "tiny-random", "--tasks", "knn@digits", "--metrics", "top1", "--limit", "30")
    for more, told in ((("--report", "tells"), True), ((), False)):
        done = CliRunner().invoke(app, ["--plugin", plugin, "run", *arguments, *more, "--out", str(tmp_path / "o")])
        assert done.exit_code == 0, done.output
        assert ("told of" in done.output) == told
    missing = CliRunner().invoke(app, ["--plugin", plugin, "run", *arguments, "--report", "tels,tells"])
    assert "did you mean 'tells'" in str(missing.exception)
