"""What ``harness new`` writes works at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.errors import HarnessError
from harness.scaffold import KINDS, create


@pytest.fixture(scope="module")
def scaffolds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distribution of every kind, as if installed: with the metadata that pip would write."""
    folder = tmp_path_factory.mktemp("scaffolds")
    for kind in KINDS:
        create(kind, f"new-{kind}", folder)
        metadata = folder / f"new-{kind}" / "src" / f"new_{kind}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: new-{kind}\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(f"[harness]\nnew_{kind} = new_{kind}\n")
    return folder


@pytest.fixture(scope="module")
def report(scaffolds: Path) -> dict[str, list[str]]:
    """The outcome of every case of every distribution's own tests, by kind."""
    sources = [str(scaffolds / f"new-{kind}" / "src") for kind in KINDS]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HARNESS_")}
    environment = kept | {"PYTHONPATH": os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "--junitxml=report.xml"]
    command += [f"new-{kind}/tests" for kind in KINDS]
    done = subprocess.run(command, cwd=scaffolds, env=environment, capture_output=True, text=True, check=False)
    assert (scaffolds / "report.xml").is_file(), done.stdout + done.stderr
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for case in ElementTree.parse(scaffolds / "report.xml").iter("testcase"):
        kind = next(kind for kind in KINDS if f"test_new_{kind}" in case.attrib["classname"])
        outcome = case[0].tag if len(case) else "passed"
        found[kind].append(outcome if outcome != "failure" else f"{case.attrib['name']}: {case[0].text}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_passes_its_own_tests(kind: str, report: dict[str, list[str]]) -> None:
    outcomes = report[kind]
    assert set(outcomes) == {"passed"}, outcomes
    assert len(outcomes) > (8 if kind == "reporter" else 12)  # the plugin's, its object's if any, and its own tests


def test_the_result_is_tidy(scaffolds: Path) -> None:
    for verb in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *verb, "."]
        done = subprocess.run(command, cwd=scaffolds, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_names_agree(tmp_path: Path) -> None:
    written = create("task", "near-far_2", tmp_path)
    folder = tmp_path / "near-far_2"
    assert {str(path.relative_to(folder)) for path in written} == {
        "pyproject.toml", "README.md", "src/near_far_2/__init__.py", "tests/test_near_far_2.py",
    }  # fmt: skip
    assert '@task("near-far_2"' in (folder / "src/near_far_2/__init__.py").read_text()
    assert "class NearFar2:" in (folder / "src/near_far_2/__init__.py").read_text()
    assert 'near_far_2 = "near_far_2"' in (folder / "pyproject.toml").read_text()


def test_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"cannot make a 'metrik'; did you mean 'metric'\?"):
        create("metrik", "mine", tmp_path)


@pytest.mark.parametrize("name", ["My-Metric", "2nd", "a b", "../up", "trailing-", "a--b", "", "ünlaut"])
def test_a_name_that_no_package_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="cannot name a plugin"):
        create("metric", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


TAKEN = [("import", "of Python itself"), ("json", "of Python itself"), ("torch", "is taken")]


@pytest.mark.parametrize(("name", "said"), TAKEN)
def test_a_name_that_is_taken(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=said):
        create("metric", name, tmp_path)


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(HarnessError, match="exists already: choose another name"):
        create("metric", "mine", tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []
