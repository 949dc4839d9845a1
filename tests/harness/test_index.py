from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness import index as index_module
from harness.draws import Draws
from harness.index import Index, Unreadable
from harness.records import SCHEMA, Record, RecordStore, ScoreData

METRIC = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}


def record(model: str = "m", value: float = 90.0, key: str = "k") -> Record:
    score = ScoreData(value=value, low=value - 1, high=value + 1, n=360)
    return Record(
        status="done", model=model, task="linear@digits", metric=METRIC, key=key, scores=(score,), finished=1e9
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's ``records/`` with those of three models."""
    for model in "abc":
        RecordStore(tmp_path / "records").write(record(model))
    return tmp_path / "records"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders of the files that are read from here on."""
    read, real = [], index_module.read_record

    def counting(path: Path) -> Record:
        read.append(path.parent.parent.name)
        return real(path)

    monkeypatch.setattr(index_module, "read_record", counting)
    return read


def models(folder: Path) -> list[str]:
    return [r.model for r in Index(folder).records()]


def test_records_come_back_as_they_were_written(folder: Path) -> None:
    assert Index(folder).records() == [record(m) for m in "abc"]
    assert (folder.parent / "index.sqlite").is_file()


RICH = record("d").model_copy(
    update={
        "draws": Draws.of([89.0, 91.5, 90.0]), "finished": 1.7e9 + 1 / 3, "schema_version": 1, "limit": 100,
        "scores": (ScoreData(value=90, variant="a"), ScoreData(value=1e-300, low=-0.0)), "reason": "a\nb",
        "partner": "e", "kind": "submitted", "primary": True, "dataset": {"title": "Ziffern – é"},
        "card": {"paradigm": "x", "list": [1, 1.0, True, None]},
        "facts": {
            "task": {"name": "linear", "version": 2}, "evidence": "e1", "partner_evidence": "e2", "weights": "w",
            "resamples": 10**30, "excluded": ["x"],
        },
        "provenance": {
            "torch": "2.11", "traceback": "Traceback\n",
            "seconds": {"task": 1, "metric": 0.25}, "cost": {"flops": 7}, "peak_memory": {"process": 5},
        },
        "submission": {"by": "somebody", "date": "2026-01-01"},
    }
)  # fmt: skip


def test_every_field_of_a_record_comes_back(folder: Path) -> None:
    told_otherwise = record("f").model_copy(update={"facts": {"evidence": ["no", "text"], "task": None}})
    failed = record("g").model_copy(update={"status": "failed", "scores": (), "key": ""})
    for made in (RICH, told_otherwise, failed):
        RecordStore(folder).write(made)
    assert [r for r in Index(folder).records() if r.model in "dfg"] == [RICH, told_otherwise, failed]
    found = next(o for o in Index(folder).outcomes() if o.model == "d")
    for name in set(Record.model_fields) - {"reused", "schema_version"}:
        assert getattr(found, name) == getattr(RICH, name), name
    assert (found.cell, found.score) == (RICH.cell, RICH.score)
    assert repr(found.card) == repr(RICH.card), "1 is not 1.0, nor True"


def test_outcomes_share_what_they_have_in_common(folder: Path) -> None:
    first, second, third = Index(folder).outcomes()
    assert first.metric is second.metric is third.metric
    assert first.task is third.task
    with closing(sqlite3.connect(folder.parent / "index.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM parts").fetchone() == (4,), "metric, task, model and run are equal"


def test_only_what_is_wanted_is_given(folder: Path) -> None:
    RecordStore(folder).write(record("d").model_copy(update={"kind": "reported"}))
    index = Index(folder)
    wanted = index.outcomes(lambda kind, task, model: kind == "measured" and model != "b")
    assert [o.model for o in wanted] == ["a", "c"]
    assert index.outcomes(lambda kind, task, model: task != "linear@digits") == []


def test_what_is_unreadable_is_told_with_the_outcomes(folder: Path) -> None:
    path = RecordStore(folder).path(record("b").cell, "k")
    path.write_text("half")
    index = Index(folder)
    assert [o.model for o in index.outcomes()] == ["a", "c"]
    assert [u.path for u in index.unreadable] == ["b/linear@digits/top1-0-k.json"]


def test_a_file_is_read_once(folder: Path, opened: list[str]) -> None:
    assert Index(folder).sync().read == 3
    assert (Index(folder).sync().read, len(Index(folder).records())) == (0, 3)
    assert sorted(opened) == ["a", "b", "c"]


def test_new_and_changed_files_are_read_and_vanished_ones_forgotten(folder: Path, opened: list[str]) -> None:
    Index(folder).sync()
    store = RecordStore(folder)
    store.write(record("d"))
    store.write(record("b", 12.5))
    store.path(record("a").cell, "k").unlink()
    opened.clear()
    done = Index(folder).sync()
    assert (done.read, done.removed, sorted(opened)) == (2, 1, ["b", "d"])
    assert [(r.model, r.score.value) for r in Index(folder).records()] == [("b", 12.5), ("c", 90.0), ("d", 90.0)]


@pytest.mark.parametrize("what", ["time", "size"])
def test_another_time_or_size_is_a_change(folder: Path, opened: list[str], what: str) -> None:
    Index(folder).sync()
    opened.clear()
    path = RecordStore(folder).path(record("b").cell, "k")
    stat = path.stat()
    if what == "size":
        path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + (what == "time")))
    assert (Index(folder).sync().read, opened) == (1, ["b"])


def test_rebuild_reads_everything_again(folder: Path, opened: list[str]) -> None:
    Index(folder).sync()
    opened.clear()
    assert Index(folder).rebuild().read == 3
    assert len(opened) == len(Index(folder).records()) == 3


def test_the_index_may_be_deleted_at_any_time(folder: Path) -> None:
    index = Index(folder)
    index.sync()
    (folder.parent / "index.sqlite").unlink()
    assert [r.model for r in index.records()] == ["a", "b", "c"]


NEWER = {**record("z").model_dump(mode="json"), "schema_version": SCHEMA + 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"status": "done", "mod', "not a record"),
        ("", "not a record"),
        ("[]", "not a record"),
        (json.dumps(NEWER), "written by a newer harness"),
        (json.dumps({"status": "fine"}), "not a record: status"),
        (json.dumps({**NEWER, "schema_version": SCHEMA, "metric": {}}), "its metric has no name"),
        (json.dumps({**NEWER, "schema_version": SCHEMA, "scores": []}), "it is done, but holds no score"),
        (
            json.dumps({**NEWER, "schema_version": SCHEMA}).replace("90.0", "NaN"),
            "not a record: ValueError: expected value",
        ),
        (json.dumps({**NEWER, "schema_version": SCHEMA, "seed": 2**70}), "not a record"),
        (json.dumps({**NEWER, "schema_version": SCHEMA, "limit": -(2**70)}), "not a record"),
        (json.dumps({**NEWER, "schema_version": SCHEMA, "card": {"title": "\ud800"}}), "not a record"),
    ],
    ids=["half", "empty", "list", "newer", "other", "nameless", "scoreless", "nan", "seed", "limit", "surrogate"],
)
def test_a_file_that_is_no_record_is_told_and_the_rest_works(folder: Path, content: str, reason: str) -> None:
    path = folder / "z" / "linear@digits" / "top1-0-k.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert models(folder) == ["a", "b", "c"]
    done = Index(folder).sync()
    assert [u.path for u in done.unreadable] == ["z/linear@digits/top1-0-k.json"]
    assert reason in done.unreadable[0].reason
    assert reason in str(done)
    assert str(path) in str(done)


def test_a_name_that_is_no_unicode_is_read_once(folder: Path, opened: list[str]) -> None:
    path = folder / "a" / "linear@digits" / os.fsdecode(b"top1-\xff.json")
    path.write_bytes(RecordStore(folder).path(record("b").cell, "k").read_bytes())
    assert sorted(models(folder)) == ["a", "b", "b", "c"]
    opened.clear()
    assert Index(folder).sync() == (0, 0, ())
    path.write_text("half")
    assert Index(folder).sync().unreadable[0].path == "a/linear@digits/top1-?.json"
    assert models(folder) == ["a", "b", "c"]
    path.unlink()
    assert Index(folder).sync().removed == 1


def test_a_mended_file_is_a_record_again(folder: Path) -> None:
    path = RecordStore(folder).path(record("b").cell, "k")
    good = path.read_bytes()
    stat = path.stat()
    path.write_bytes(b" " * len(good))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert models(folder) == ["a", "c"]
    path.write_bytes(good)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert models(folder) == ["a", "b", "c"], "same size and time: what could not be read is tried again"


def test_files_that_are_no_records_are_left_alone(folder: Path) -> None:
    (folder / "notes.json").write_text("{}")
    (folder / "a" / "linear@digits" / ".top1.123-abc.tmp").write_text("half")
    (folder / "a" / "linear@digits" / ".hidden.json").write_text("half")
    assert Index(folder).sync().unreadable == ()
    assert models(folder) == ["a", "b", "c"]


DAMAGES = ("garbage", "truncated", "other table", "other layout", "other rows", "no parts", "other parts")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_made_anew_silently(folder: Path, damage: str) -> None:
    Index(folder).sync()
    path = folder.parent / "index.sqlite"
    if damage == "garbage":
        path.write_bytes(b"no database " * 1000)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        statements = {
            "other table": "DROP TABLE files; CREATE TABLE files (path TEXT)",
            "other layout": "DROP TABLE files; PRAGMA user_version = 7",
            "other rows": "UPDATE files SET draws = 'none'",
            "no parts": "DELETE FROM parts",
            "other parts": "UPDATE parts SET json = '{'",
        }
        with closing(sqlite3.connect(path)) as db:
            db.executescript(statements[damage])
    assert models(folder) == ["a", "b", "c"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM files WHERE draws IS NULL").fetchone() == (3,)
        assert db.execute("SELECT count(*) FROM parts WHERE CAST(json AS TEXT) LIKE '%top1%'").fetchone() == (1,)


def test_an_index_that_cannot_be_opened_lives_in_memory(folder: Path) -> None:
    (folder.parent / "index.sqlite").mkdir()
    index = Index(folder)
    assert index.sync().read == 3
    assert index.rebuild().read == 3
    assert [r.model for r in index.records()] == ["a", "b", "c"]
    assert (folder.parent / "index.sqlite").is_dir()


@pytest.fixture
def read_only(folder: Path) -> Iterator[Path]:
    """`folder` in a run folder that this process may not write, root or not."""
    for path in (folder.parent, *folder.parent.parents[:2]):
        path.chmod(path.stat().st_mode | 0o555)
    folder.parent.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.parent.chmod(0o755)


@pytest.mark.parametrize("indexed", [False, True])
def test_a_read_only_folder_can_be_read(request: pytest.FixtureRequest, folder: Path, indexed: bool) -> None:
    if indexed:
        Index(folder).sync()
    request.getfixturevalue("read_only")
    assert models(folder) == ["a", "b", "c"]
    assert (folder.parent / "index.sqlite").exists() == indexed


def test_a_folder_that_does_not_exist_holds_no_records(tmp_path: Path) -> None:
    assert Index(tmp_path / "none" / "records").records() == []
    assert Index(tmp_path / "none" / "records").sync().unreadable == ()
    assert not (tmp_path / "none").exists()


def test_an_index_held_by_another_process_is_not_waited_for_forever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_PATIENCE", 0.05)
    Index(folder).sync()
    RecordStore(folder).write(record("d"))
    with closing(sqlite3.connect(folder.parent / "index.sqlite")) as db:
        db.execute("BEGIN IMMEDIATE")
        assert models(folder) == ["a", "b", "c", "d"]
    assert models(folder) == ["a", "b", "c", "d"]


WORKER = """
import sys
from pathlib import Path
from harness.index import Index
from harness.records import Record, RecordStore

folder, name = Path(sys.argv[1]), sys.argv[2]
like = Record.model_validate_json(sys.stdin.read())
for i in range(40):
    RecordStore(folder).write(like.model_copy(update={"model": f"{name}{i}"}))
    index = Index(folder)
    (index.rebuild if i % 10 == 9 else index.sync)()
    seen = {r.model for r in index.records()}
    assert index.path is not None, "fell back to memory"
    assert {f"{name}{j}" for j in range(i + 1)} <= seen, sorted(seen)
"""


def test_processes_share_an_index(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    start = [sys.executable, "-c", WORKER, str(folder)]
    path = os.pathsep.join(p for p in sys.path if p)
    workers = [
        subprocess.Popen(
            [*start, name], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        for name in ("left", "right")
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(record().model_dump_json().encode())
        worker.stdin.close()
    for worker in workers:
        assert worker.stderr is not None
        error = worker.stderr.read().decode()
        assert worker.wait() == 0, error
    assert Index(folder).sync().read == 0, "every record is indexed already"
    assert len(models(folder)) == 80


OPENER = """
import sys
from pathlib import Path
from harness.index import Index

for line in sys.stdin:
    index = Index(Path(line.strip()) / "records")
    index.sync()
    print(index.path is not None, flush=True)
"""


def test_processes_make_a_new_index_at_once(tmp_path: Path) -> None:
    path = os.pathsep.join(p for p in sys.path if p)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        for _ in range(3)
    ]  # fmt: skip
    pipes = [(worker.stdin, worker.stdout) for worker in workers]
    for i in range(40):
        (tmp_path / str(i)).mkdir()
        for ask, _ in pipes:
            assert ask is not None
            ask.write(f"{tmp_path / str(i)}\n")
            ask.flush()
        assert [answer and answer.readline() for _, answer in pipes] == ["True\n"] * 3, "one fell back to memory"
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0


def test_what_is_unreadable_is_named_by_path_and_reason() -> None:
    assert Unreadable("a/b/c.json", "half")._asdict() == {"path": "a/b/c.json", "reason": "half"}


def test_nothing_heavy_is_imported() -> None:
    heavy = ("torch", "sklearn", "scipy", "jinja2")
    code = f"import sys, harness.index, harness.board; print([m for m in {heavy} if m in sys.modules])"
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout.strip() == "[]", done.stderr
