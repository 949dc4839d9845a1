"""``harness export``, ``import`` and ``verify`` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bundle_world import TOYS, bundle_of, changed, first, folder_of, made, members, spoilt, toy_run
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.errors import HarnessError
from harness.plugins import Host


def harness(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["--plugin", str(TOYS), *map(str, arguments)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(Host(plugins=[str(TOYS)]), tmp_path_factory.mktemp("toys") / "toys")


def test_from_a_run_to_a_board_of_submissions(run: Path, tmp_path: Path) -> None:
    bundle, out = tmp_path / "b.zip", tmp_path / "out"
    exported = harness("export", run, "--out", bundle, "--by", "Ada", "--predictions")
    assert exported.exit_code == 0, exported.output
    assert exported.stdout.startswith(f"7 records, 4 files of predictions in {bundle} (")
    checked = harness("import", bundle, "--check")
    assert checked.exit_code == 0, checked.output
    date = json.loads(members(bundle)["manifest.json"])["date"]
    told = [f"b.zip: 7 records (7 submitted, 0 reported), by Ada, {date}", "all is well"]
    assert checked.stdout.splitlines() == told
    imported = harness("import", bundle, "--out", out)
    assert imported.exit_code == 0, imported.output
    assert f"7 new, 0 there already, in {out / 'records'}" in imported.stdout
    assert "0 new, 7 there already" in harness("import", bundle, "--out", out).stdout
    assert "all is well; 7 of them are there already" in harness("import", bundle, "--check", "--out", out).stdout
    verified = harness("verify", bundle, "--cells", "2", "--seed", "5", "--device", "cpu")
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.strip().endswith("2 agrees (seed 5)")


def test_the_bundle_is_named_after_its_run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exported = harness("export", run)
    assert "7 records in toys.zip" in exported.stdout
    assert "--by NAME" in exported.stdout
    assert (tmp_path / "toys.zip").is_file()


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    failed = made("tiny-moco", status="failed", scores=(), reason="no luck")
    exported = harness("export", folder_of(tmp_path / "run", [made(), failed]), "--out", tmp_path / "b.zip",
                       "--predictions")  # fmt: skip
    assert "left out  1 records of failed or skipped cells" in exported.stdout
    assert "missing   the predictions of 1 outcomes" in exported.stdout


def test_problems_are_lines_and_exit_status_two(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, *(made(f"m{i:02}") for i in range(30)))
    spoilt(bundle, {name: changed(limit=10, key="0" * 64) for name in members(bundle) if name.startswith("records/")})
    done = harness("import", bundle, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()
    lines = done.stderr.splitlines()
    assert len(lines) == 21
    assert all(line.startswith("error: b.zip: ") for line in lines)
    assert lines[-1] == "error: b.zip: and 40 more problems"


def test_a_report_for_scripts(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path)
    done = harness("import", bundle, "--check", "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["records"], report["faults"], report["by"]) == (0, 3, 0, "Ada")
    spoilt(bundle, {first(bundle): changed(seed=-1)})
    done = harness("import", bundle, "--check", "--json")
    assert (done.exit_code, json.loads(done.stdout)["faults"]) == (2, 2)
    bundle.write_bytes(b"no zip")
    done = harness("import", bundle, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 2
    assert "not a bundle" in json.loads(done.stdout)["problems"][0]


def test_an_import_needs_a_place(tmp_path: Path) -> None:
    done = harness("import", bundle_of(tmp_path))
    assert isinstance(done.exception, HarnessError)
    assert "--out FOLDER" in str(done.exception)


def test_a_cell_that_differs_is_exit_status_one(run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.zip"
    harness("export", run, "--out", bundle, "--by", "Ada")
    name = first(bundle, "toy-hits-0")
    spoilt(bundle, {name: changed(scores=[{"value": 1.5, "n": 24}])})
    spoilt(bundle, {n: None for n in members(bundle) if n.startswith("records/") and n != name})
    spoilt(bundle, {"manifest.json": changed(counts={})})
    done = harness("verify", bundle, "--device", "cpu", "--seed", "0")
    assert done.exit_code == 1, done.output
    assert "1 differs (seed 0)" in done.stdout
    assert "1.5, and " in " ".join(done.stdout.split())
