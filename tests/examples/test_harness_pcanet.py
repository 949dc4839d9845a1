"""The example distribution: built, installed in a fresh environment, and used there."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import entry_points
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "harness-pcanet"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(fresh, tmp_path_factory: pytest.TempPathFactory):
    """The environment, with the example's wheel installed."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    fresh.run("pip wheel --no-deps --wheel-dir wheels ./source", folder)
    wheel = next((folder / "wheels").glob("harness_pcanet-*.whl"))
    fresh.run(f"pip install {wheel}", folder)
    yield fresh
    fresh.run("pip uninstall --yes harness-pcanet", folder)


def test_it_is_small() -> None:
    lines = [line for file in EXAMPLE.glob("src/**/*.py") for line in file.read_text().splitlines() if line.strip()]
    assert len(lines) < 100


def test_it_is_listed(installed, tmp_path: Path) -> None:
    listed = installed.run("harness list", tmp_path).stdout
    for name in ("pcanet-small", "pcanet-large", "gratings", "worst_class"):
        assert name in listed
    assert "pcanet" not in {point.name for point in entry_points(group="harness")}, "installed here too"


def test_it_passes_its_own_tests(installed, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    done = installed.run("pytest -p no:cacheprovider tests", tmp_path)
    assert "failed" not in done.stdout


def test_it_is_run_and_ranked(installed, tmp_path: Path) -> None:
    command = (
        "harness run --models pcanet-small,pcanet-large --tasks knn[20]@gratings --metrics top1,worst_class --out out"
    )
    installed.run(command, tmp_path)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["done"], summary["failed"]) == (4, 0)
    records = [json.loads(path.read_text()) for path in (tmp_path / "out" / "records").glob("*/*/*.json")]
    values = {(r["model"], r["metric"]["name"]): r["scores"][0]["value"] for r in records}
    assert values["pcanet-large", "top1"] > values["pcanet-small", "top1"] > 60  # chance is 25
    assert values["pcanet-large", "worst_class"] <= values["pcanet-large", "top1"]
