"""Each planted fault fails its own check, and no other."""

from __future__ import annotations

from pathlib import Path

from harness.plugins import Host
from harness.testing.kit import Finding
from harness.testing.subjects import plugin_subjects

HEAD = '"""Planted."""\nfrom harness import hookimpl, metric\nfrom harness.evidence import Predictions\n'
METRIC = '@metric("planted", accepts=Predictions)\ndef planted(p):\n    "Planted."\n    return p.scores.sum(1)\n'
HOOK = "@hookimpl\ndef register_metrics(register):\n    register(planted)\n"


def findings(folder: Path, text: str) -> list[Finding]:
    file = folder / "planted.py"
    file.write_text(text)
    return list(plugin_subjects(str(file))[0].findings.values())


def the_fault(folder: Path, text: str, check: str) -> str:
    found = {f.check: f.message for f in findings(folder, text) if f.status == "failed"}
    assert list(found) == [check], found
    return found[check]


def test_a_sound_plugin_passes_every_check(tmp_path: Path) -> None:
    assert {f.status for f in findings(tmp_path, HEAD + METRIC + HOOK)} == {"passed"}


def test_importing_torch_to_register(tmp_path: Path) -> None:
    message = the_fault(tmp_path, HEAD + "import torch\n" + METRIC + HOOK, "cheap to register")
    assert "registering imports torch" in message
    assert "dotted path" in message


def test_importing_torch_to_plan_is_a_warning(tmp_path: Path) -> None:
    late = '@hookimpl\ndef register_metrics(register):\n    register("late", "torch:sum", summary="late")\n'
    warned = [f for f in findings(tmp_path, HEAD + late) if f.status == "warned"]
    assert [f.check for f in warned] == ["cheap to plan"]
    assert "imports torch" in warned[0].message


def test_a_misspelt_hook_and_a_broken_module(tmp_path: Path) -> None:
    misspelt = HEAD + METRIC + HOOK.replace("register_metrics", "register_metric")
    assert "did you mean 'register_metrics'?" in the_fault(tmp_path, misspelt, "registers")
    assert "ZeroDivisionError" in the_fault(tmp_path, "1 / 0", "registers")


def test_a_name_that_another_plugin_gives(tmp_path: Path) -> None:
    taken = next(name for name in Host()["metric"].names())
    message = the_fault(tmp_path, HEAD + METRIC.replace('"planted"', f'"{taken}"') + HOOK, "names are free")
    assert f"metric {taken!r} is given by" in message


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    lost = '@hookimpl\ndef register_metrics(register):\n    register("lost", "harness.metrics:none", summary="lost")\n'
    assert "cannot be loaded from harness.metrics:none" in the_fault(tmp_path, HEAD + lost, "targets resolve")


def test_no_documentation(tmp_path: Path) -> None:
    bare = HEAD + METRIC.replace('"Planted."', "") + HOOK
    assert "the metric 'planted' has no documentation" in the_fault(tmp_path, bare, "documented")
