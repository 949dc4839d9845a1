"""Records: whole or absent, never half; a failure never counts as done."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import HarnessError, OutputError
from harness.planning import Cell
from harness.records import (
    SCHEMA,
    NewerSchemaError,
    Record,
    RecordStore,
    ScoreData,
    read_record,
    slug,
    write_atomically,
)

KEY = "k" * 64


def record(status: str = "done", key: str = KEY, **fields: Any) -> Record:
    scores = (ScoreData(value=90.0, low=88.0, high=92.0, n=100),) if status == "done" else ()
    facts = {"model": "m", "task": "knn@toy", "metric": {"name": "top1", "version": 1}, "scores": scores}
    return Record.model_validate({"status": status, "key": key, **facts, **fields})


CELL = record().cell


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "records")


def test_what_is_written_is_read(store: RecordStore) -> None:
    written = record(partner="n", limit=5, provenance={"seconds": {"task": 1.5}}, card={"method": "X"})
    path = store.write(written)
    assert read_record(path) == written
    assert store.done(written.cell, KEY) == written
    assert list(store.paths()) == [path]
    assert written.score.value == 90.0
    assert json.loads(path.read_text())["schema_version"] == SCHEMA


def test_that_a_record_was_reused_is_not_written(store: RecordStore) -> None:
    assert not read_record(store.write(record(reused=True))).reused


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_a_number(value: float) -> None:
    with pytest.raises(ValidationError):
        ScoreData(value=value)


def test_another_key_is_another_file(store: RecordStore) -> None:
    store.write(record())
    store.write(record(key="l" * 64))
    assert len(list(store.paths())) == 2
    assert store.done(CELL, "m" * 64) is None


def test_keys_that_begin_alike_are_not_confused(store: RecordStore) -> None:
    store.write(record())
    assert store.done(CELL, KEY[:20] + "z" * 44) is None


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_what_is_not_done_does_not_count_as_done(store: RecordStore, status: str) -> None:
    store.write(record(status, reason="why"))
    assert store.done(CELL, KEY) is None


def test_an_undefined_score_is_finished_and_a_failure_is_not(store: RecordStore) -> None:
    store.write(record("failed", reason="why"))
    assert store.finished(CELL, KEY) is None
    store.write(record("skipped", key="", reason="does not apply"))
    assert store.finished(CELL, "") is None
    store.write(record("skipped", reason="undefined"))
    found = store.finished(CELL, KEY)
    assert found is not None
    assert (found.status, found.reason) == ("skipped", "undefined")


def test_a_failure_never_replaces_a_finished_record(store: RecordStore) -> None:
    path = store.write(record())
    assert store.write(record("failed", reason="later")) == path
    assert read_record(path).status == "done"


def test_a_finished_record_replaces_a_failure(store: RecordStore) -> None:
    store.write(record("failed", reason="earlier"))
    assert read_record(store.write(record())).status == "done"


def test_a_failure_replaces_a_damaged_file_but_not_a_newer_record(store: RecordStore) -> None:
    path = store.write(record())
    path.write_text("{half")
    store.write(record("failed", reason="r"))
    assert read_record(path).status == "failed"
    newer = json.dumps({"schema_version": SCHEMA + 1, "status": "done"})
    path.write_text(newer)
    store.write(record("failed", reason="r"))
    assert path.read_text() == newer
    with pytest.raises(NewerSchemaError, match="left as it is: upgrade, or use another --out"):
        store.write(record())
    assert path.read_text() == newer


def test_a_finished_record_removes_the_failure_from_before_its_key_was_known(store: RecordStore) -> None:
    early = store.write(record("failed", key="", reason="no weights"))
    other = store.write(record("failed", key="", reason="no weights", seed=1))
    path = store.write(record())
    assert not early.exists()
    assert other.exists()
    store.forget_failure(CELL)  # nothing is left to forget
    assert path.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a record: ValueError: EOF while parsing"),
        (b'{"status": "done"', "not a record: ValueError: EOF while parsing"),
        (b"[1]", "not a record: AttributeError"),
        (b"\xff\xfe\x00", "not a record: "),
        (b'{"status": "done", "model": "m", "task": "t"}', "not a record: metric: Field required"),
        (b'{"status": "maybe", "model": "m", "task": "t", "metric": {}}', "not a record: status: "),
        (b'{"status": "done", "model": "m", "task": "t", "metric": {}, "scoer": 1}', "not a record: scoer: "),
        (b'{"status": "failed", "model": "m", "task": "t", "metric": {}}', "not a record: "),
        (b'{"status": "done", "model": "m", "task": "t", "metric": {"name": "x"}}', "not a record: "),
    ],
)
def test_a_file_edited_by_hand_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(HarnessError) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_newer_schema_says_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"schema_version": SCHEMA + 1, "anything": "else"}))
    with pytest.raises(NewerSchemaError, match=f"schema {SCHEMA + 1}; this one reads {SCHEMA}.*upgrade"):
        read_record(path)


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="FileNotFoundError"):
        read_record(tmp_path / "absent.json")


def test_a_crash_between_write_and_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    write_atomically(path, b"old")

    def crash(*paths: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_killed_writer_leaves_no_half_record(tmp_path: Path) -> None:
    source = f"""
import os, signal
from pathlib import Path
from harness import records
def die(descriptor): os.kill(os.getpid(), signal.SIGKILL)
records.os.fsync = die
records.write_atomically(Path({str(tmp_path)!r}) / "records" / "m" / "t" / "r.json", b"half")
"""
    killed = subprocess.run([sys.executable, "-c", source], env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert list(RecordStore(tmp_path / "records").paths()) == []
    assert len(list(tmp_path.rglob(".r.json.*.tmp"))) == 1


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OutputError, match=r"r.json: No space left on device; free space or choose another --out"):
        write_atomically(tmp_path / "r.json", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "file" / "r.json", b"x")


@given(st.text(max_size=120), st.text(max_size=120))
def test_slugs_are_file_names_and_keep_names_apart(a: str, b: str) -> None:
    assert (slug(a) == slug(b)) == (a == b)
    for name in (slug(a), slug(b)):
        assert 0 < len(name.encode()) <= 80
        assert "/" not in name
        assert "\x00" not in name
        assert not name.startswith(".")


@given(st.text("ab/.~_", min_size=1, max_size=4), st.text("ab/.~_", min_size=1, max_size=4))
def test_slugs_of_names_that_look_alike(a: str, b: str) -> None:
    assert (slug(a) == slug(b)) == (a == b)


def test_plain_names_are_their_own_slugs() -> None:
    for name in ("resnet50-moco_v2", "knn@digits", "k=20", "a+b,c"):
        assert slug(name) == name
    assert slug("x" * 81) != "x" * 81
    assert slug("timm:vit?pretrained=1").startswith("timm_vit_pretrained=1-")


def test_a_pair_has_a_folder_of_its_own(store: RecordStore) -> None:
    paths = {store.path(Cell("m", "t", "x", 0, partner), KEY) for partner in (None, "n", "o")}
    assert len({path.parent for path in paths}) == 3


names = st.text(st.characters(codec="utf-8", exclude_characters="~"), max_size=20)
cells = st.builds(Cell, names, names, names, st.integers(0, 99), st.none() | names)


@given(cells, st.text("0123456789abcdef", min_size=16, max_size=16), cells)
def test_different_cells_have_different_files(a: Cell, key: str, b: Cell) -> None:
    store = RecordStore(Path("records"))
    assert (store.path(a, key) == store.path(b, key)) == (a == b)


@pytest.mark.parametrize("version", [3.0, "2", True])
def test_a_schema_version_of_another_type_is_no_record(tmp_path: Path, version: object) -> None:
    path = tmp_path / "r.json"
    record = Record(status="failed", model="m", task="t@d", metric={"name": "x"})
    path.write_text(json.dumps(record.model_dump(mode="json") | {"schema_version": version}))
    with pytest.raises(HarnessError, match="not a record: schema_version"):
        read_record(path)
