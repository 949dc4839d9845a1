"""CONTRIBUTING.md: every command is run, every example conforms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.plugins import Host
from harness.scaffold import KINDS
from harness.testing.subjects import plugin_subjects

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


EXAMPLES = dict(zip(KINDS, blocks("python"), strict=True))
COMMANDS = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_conforms(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"example_{kind}.py"
    file.write_text(EXAMPLES[kind])
    plugin, subject = plugin_subjects(str(file))
    assert subject.kind == kind
    findings = [*plugin.findings.values(), *subject.findings.values()]
    assert [str(f) for f in findings if f.status in ("failed", "warned")] == []


def test_the_catalogue_entry_is_read(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert "my-resnet18" in Host(catalogues=[file])["model"]


def test_every_kind_is_walked_through_in_order() -> None:
    verbs = ("harness new {kind} my-{kind}", "pip install -e my-{kind}", "pytest my-{kind}", "harness check my-{kind}")
    assert COMMANDS[:20] == [verb.format(kind=kind) for kind in KINDS for verb in verbs]


@pytest.mark.slow
def test_every_command_works(fresh, tmp_path: Path) -> None:
    for command in COMMANDS:
        fresh.run(command, tmp_path)
    listed = fresh.run("harness plugins", tmp_path).stdout
    assert all(f"my-{kind} 0.1.0" in listed for kind in KINDS), listed
    assert "paradigm" in fresh.run("harness analyze my-analysis runs/mine", tmp_path).stdout
