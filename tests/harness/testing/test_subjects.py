"""What a name or a path stands for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.metrics import metric
from harness.plugins import Host
from harness.scaffold import create
from harness.testing import check_plugin
from harness.testing.subjects import plugin_subjects, subjects

PLUGIN = '''"""A scheme, a dataset that needs an argument, and a model that cannot be made."""
from harness import hookimpl
from harness.datasets import Dataset

class Sized(Dataset):
    """A dataset of a given size."""
    def __init__(self, size): self.size = size
    card = None
    def split(self, name): ...

def broken(): raise ValueError("no weights")

@hookimpl
def register_models(register):
    register("anything:", "json:loads", summary="a scheme")
    register("broken", broken, summary="raises")

@hookimpl
def register_datasets(register):
    register("sized", Sized, summary="needs its size")
'''


@pytest.fixture(scope="module")
def host() -> Host:
    return Host()


def described(target: str, host: Host) -> list[str]:
    return [str(subject) for subject in subjects(target, host)]


def test_names_uris_and_tasks(host: Host) -> None:
    assert described("top1", host) == ["metric top1"]
    assert described("scenes[colour]", host) == ["dataset scenes[colour]"]
    assert described("timm:resnet18?pretrained=0", host) == ["model timm:resnet18?pretrained=0"]
    assert described("knn[temperature=0.1]@digits", host) == ["task knn[temperature=0.1]", "dataset digits"]


def test_an_unknown_name(host: Host) -> None:
    with pytest.raises(HarnessError, match=r"nothing named 'topp1' is registered.*did you mean 'top1'"):
        subjects("topp1", host)


def test_an_installed_package_is_not_loaded_twice(host: Host) -> None:
    found = described("harness_metrics", host)
    assert found[0] == "plugin harness_metrics"
    assert found.count("metric top1") == 1
    assert plugin_subjects("harness_metrics")[0].findings["names are free"].status == "passed"


def test_a_file(tmp_path: Path, host: Host) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    plugin, broken, scheme, dataset = subjects(str(file), host)
    assert (plugin.kind, scheme.name, dataset.name) == ("plugin", "anything:", "sized")
    assert scheme.findings["found"].status == "skipped"
    assert "check one of its names" in scheme.findings["found"].message
    assert scheme.checks == list(scheme.findings) == ["found"]
    assert "ValueError: no weights" in broken.findings["found"].message
    assert {f.status for f in list(broken.findings.values())[1:]} == {"skipped"}
    assert list(broken.findings) == broken.checks
    assert dataset.findings["found"].status == "failed"
    *_, scheme, dataset = plugin_subjects(str(file), "sized[3]", "anything:1")
    assert (scheme.name, dataset.name) == ("anything:1", "sized[3]")
    assert dataset.findings["found"].status == "passed"


def test_a_distribution_folder(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    create("metric", "folder-metric", tmp_path)
    folder = tmp_path / "folder-metric"
    assert described(str(folder), host) == ["plugin folder_metric", "metric folder-metric"]
    assert {f.status for f in check_plugin(str(folder))} == {"passed"}


def test_a_folder_without_a_plugin(tmp_path: Path, host: Host) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'nothing'\n")
    with pytest.raises(HarnessError, match=r"has no plugin under \[project.entry-points.harness\]"):
        subjects(str(tmp_path), host)


@metric("given", accepts=Predictions, bounds=(0, 1), skip=lambda card: "never" if card.kind != "single-label" else None)
def given(p: Predictions) -> float:
    """Given to the fixture."""
    return (p.scores.argmax(1) == p.targets).float()


def test_the_fixture(conforms) -> None:
    conforms(given)
    wrong = metric("given", accepts=Predictions, unit="%", bounds=(0, 100), skip=given.skip)(given.compute)
    with pytest.raises(pytest.fail.Exception, match="perfect evidence reaches the best bound: failed"):
        conforms(wrong)
