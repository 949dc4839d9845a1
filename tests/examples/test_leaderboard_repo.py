"""The template of a leaderboard's repository: what its workflows run, without any hosting service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from bundle_world import Edit, changed, first, members, spoilt

from harness.bundles.export import export
from harness.engine.local import run_local
from harness.engine.options import Options
from harness.planning import plan
from harness.plugins import Host
from harness.records import Record
from harness.suite import make_suite

TEMPLATE = Path(__file__).parents[2] / "examples" / "leaderboard-repo"
WORKFLOWS = sorted((TEMPLATE / ".github" / "workflows").glob("*.yml"))
SUITE = {"tasks": ["knn@digits"], "metrics": ["top1", "nll"], "limit": 60, "resamples": 20}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two bundles: of two models, and of one of them and a third."""
    folder, host = tmp_path_factory.mktemp("sent"), Host()
    found = {}
    for by, models in (("ada", ["tiny-random", "tiny-supervised"]), ("grace", ["tiny-random", "tiny-simclr"])):
        run_local(plan(make_suite(SUITE | {"models": models}), host), host, Options(folder / by, device="cpu"))
        found[by] = folder / f"2026-01-0{len(found) + 1}-{by}.zip"
        export(folder / by, found[by], by=by.title())
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATE, tmp_path / "repository", ignore=shutil.ignore_patterns("board", "site")))


def submit(repository: Path, bundle: Path) -> Path:
    return Path(shutil.copy(bundle, repository / "submissions"))


def board(repository: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """``python board.py …`` in the repository."""
    command = [sys.executable, "board.py", *map(str, arguments)]
    places = os.pathsep.join(path for path in sys.path if path)  # where this process finds the harness
    environment = os.environ | {"PYTHONPATH": places, "COLUMNS": "200"}
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


def git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.mark.slow
def test_submissions_are_checked_merged_and_published(repository: Path, sent: dict[str, Path]) -> None:
    """The life of two pull requests: what the workflows do, in their order."""
    git(repository, "init")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "the template")
    for by in ("ada", "grace"):
        bundle = submit(repository, sent[by])
        git(repository, "add", ".")
        git(repository, "commit", "-m", f"submission of {by}")
        checked = board(repository, "check", "--since", "HEAD~1")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert f"== {bundle.name}" in checked.stdout
        assert checked.stdout.count("== ") == 1
        assert "2 agrees" in checked.stdout
    script = repository / "board.py"
    script.write_text(re.sub(r"(RANKING.*) = \{\}", r'\1 = {"by": "rank"}', script.read_text()))
    assert '"rank"' in script.read_text()
    built = board(repository, "build")
    assert built.returncode == 0, built.stdout + built.stderr
    found = json.loads((repository / "board" / "suite.json").read_text())
    assert found == {"name": "Our leaderboard", "ranking": {"by": "rank"}}
    text = (repository / "board" / "leaderboard.md").read_text()
    assert all(model in text for model in ("tiny-random", "tiny-supervised", "tiny-simclr"))
    assert "§" in text
    assert (repository / "site" / "index.html").is_file()
    found = [Record.model_validate_json(p.read_bytes()) for p in (repository / "board" / "records").glob("*/*/*.json")]
    assert {(r.model, r.kind, r.submission["by"]) for r in found} == {
        ("tiny-random", "submitted", "Ada"), ("tiny-supervised", "submitted", "Ada"),
        ("tiny-simclr", "submitted", "Grace"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("vouched", "edit", "message"),
    [
        (False, lambda data: data.replace(b'"n": 60', b'"n": 61'), "is not what the manifest says"),
        (True, changed(key="0" * 64), "its key is not that of its evidence"),
        (True, changed(scores=[{"value": 99.0, "low": 98.0, "high": 99.9, "n": 60}]), "its draws are not those of its"),
        (True, changed(scores=[{"value": 101.0, "n": 60}]), "101 is outside"),
    ],
)
def test_a_tampered_bundle_is_refused(
    repository: Path, sent: dict[str, Path], vouched: bool, edit: Edit, message: str
) -> None:
    bundle = submit(repository, sent["ada"])
    spoilt(bundle, {first(bundle, "top1"): edit}, vouched=vouched)
    checked = board(repository, "check")
    assert checked.returncode != 0
    assert message in checked.stderr
    assert "'harness import' ended with status 2" in checked.stderr
    assert "Traceback" not in checked.stderr
    assert not (repository / "site").exists()


@pytest.mark.slow
def test_an_invented_score_is_found_by_making_it_again(repository: Path, sent: dict[str, Path]) -> None:
    bundle = submit(repository, sent["ada"])
    edit = changed(scores=[{"value": 99.9, "n": 60}], draws=None)
    spoilt(bundle, {name: edit for name in members(bundle) if "/top1" in name})
    spoilt(bundle, {name: None for name in members(bundle) if "/nll" in name} | {"manifest.json": changed(counts={})})
    checked = board(repository, "check", bundle)
    assert checked.returncode != 0
    assert "2 differs" in checked.stdout
    assert "'harness verify' ended with status 1" in checked.stderr


def test_a_score_that_contradicts_another_submission_is_refused(repository: Path, sent: dict[str, Path]) -> None:
    submit(repository, sent["ada"])
    bundle = submit(repository, sent["grace"])
    spoilt(bundle, {first(bundle, "random/knn@digits/top1"): changed(scores=[{"value": 99.9, "n": 60}], draws=None)})
    checked = board(repository, "check", bundle)
    assert checked.returncode != 0
    assert "has another score of this cell and key (there, and in the bundle): " in checked.stderr


def test_what_was_merged_stays(repository: Path, sent: dict[str, Path]) -> None:
    git(repository, "init")
    merged = submit(repository, sent["ada"])
    git(repository, "add", ".")
    git(repository, "commit", "-m", "merged")
    shutil.copy(sent["grace"], merged)
    git(repository, "commit", "-a", "-m", "replaced")
    checked = board(repository, "check", "--since", "HEAD~1")
    assert checked.returncode != 0
    assert f"{'submissions/' + merged.name!r} was changed or removed" in checked.stderr


@pytest.mark.parametrize(
    "name", ["submissions/a b.zip", "submissions/x\n::error::y.zip", "submissions/sub/a.zip", "submissions/run.py",
             "submissions/$(id).zip", "submissions/a.ZIP"],
)  # fmt: skip
def test_what_is_no_plain_file_of_submissions_is_refused(repository: Path, sent: dict[str, Path], name: str) -> None:
    git(repository, "init")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "the template")
    (repository / name).parent.mkdir(exist_ok=True)
    shutil.copy(sent["ada"], repository / name)
    git(repository, "add", ".")
    git(repository, "commit", "-m", "a submission")
    checked = board(repository, "check", "--since", "HEAD~1")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        f"{name!r} is no bundle: a submission is one file, submissions/DATE-NAME.zip"
    ]
    assert not checked.stdout


def test_a_link_is_no_submission_and_other_changes_are_told(repository: Path, sent: dict[str, Path]) -> None:
    """A link's target could be changed later, behind what was checked."""
    git(repository, "init")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "the template")
    shutil.copy(sent["ada"], repository / "elsewhere.zip")
    (repository / "submissions" / "2026-01-01-ada.zip").symlink_to("../elsewhere.zip")
    git(repository, "add", ".")
    git(repository, "commit", "-m", "a link")
    checked = board(repository, "check", "--since", "HEAD~1")
    assert checked.returncode == 1
    assert "'submissions/2026-01-01-ada.zip' is no bundle" in checked.stderr
    assert checked.stdout.splitlines() == ["note: 'elsewhere.zip' was changed too: it is no bundle, review it as code"]


def test_an_empty_repository_says_so(repository: Path) -> None:
    built = board(repository, "build")
    assert built.returncode == 1
    assert built.stderr.splitlines() == ["submissions/ holds no bundle yet: there is nothing to build"]


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_the_workflows_run_the_script_and_pin_their_actions() -> None:
    assert [workflow.stem for workflow in WORKFLOWS] == ["check", "publish"]
    lines = {w.stem: [s["run"].split("\n") for s in steps(w) if "board.py" in s.get("run", "")] for w in WORKFLOWS}
    ((stop, run, _),) = lines["check"]
    assert stop.startswith('echo "::stop-commands::$(openssl rand -hex 16)"')  # a name at a line's start is no command
    assert (run, lines["publish"]) == ('python board.py check --since "origin/$BASE"', [["python board.py build"]])
    used = [step["uses"] for workflow in WORKFLOWS for step in steps(workflow) if "uses" in step]
    assert len(used) >= 6
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_what_a_pull_request_runs_may_write_nothing() -> None:
    workflow = yaml.safe_load(WORKFLOWS[0].read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow[True] == "pull_request"  # YAML 1.1 reads the key 'on' as true
    assert all("secrets." not in path.read_text() for path in WORKFLOWS)
    assert all("${{" not in step.get("run", "") for path in WORKFLOWS for step in steps(path))


def test_what_reads_bundles_may_not_publish_and_what_publishes_reads_none() -> None:
    workflow = yaml.safe_load(WORKFLOWS[1].read_text())
    assert workflow["permissions"] == {"contents": "read"}
    build, deploy = workflow["jobs"]["build"], workflow["jobs"]["deploy"]
    assert "permissions" not in build
    assert deploy["permissions"] == {"pages": "write", "id-token": "write"}
    assert [step.get("uses") for step in deploy["steps"]] == ["actions/deploy-pages@v4"]


def test_no_shell_is_needed_and_no_line_of_the_readme_is_out_of_date() -> None:
    text = (TEMPLATE / "README.md").read_text()
    for name in re.findall(r"`([\w./-]+\.(?:py|yml|txt))`", text):
        assert list(TEMPLATE.rglob(name)), name
    source = (TEMPLATE / "board.py").read_text()
    assert set(re.findall(r"python board\.py (\w+)", text)) == set(re.findall(r'add_parser\("(\w+)"', source))
