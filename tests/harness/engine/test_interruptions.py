"""Full disks, kills, broken files, two runs at once: nothing recorded is lost, no half file is read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import engine_world
import numpy as np
import pytest
from engine_world import ME, go, make_host, records

from harness.api import leaderboard
from harness.cache import ArrayStore
from harness.errors import HarnessError, OutputError
from harness.evidence import Predictions
from harness.metrics import metric
from harness.records import RecordStore
from harness.registry import Entry


def test_truncated_arrays_and_evidence_are_made_again(tmp_path: Path) -> None:
    go(tmp_path)
    for path in [*(tmp_path / "arrays").rglob("*.npy"), *(tmp_path / "arrays").rglob("*.safetensors")]:
        path.write_bytes(path.read_bytes()[:50])
    summary = go(tmp_path, metrics=("ece",))
    assert (summary.done, summary.failed) == (4, 0)


def test_an_unreadable_record_is_made_again_and_noted(tmp_path: Path) -> None:
    go(tmp_path)
    path = next(RecordStore(tmp_path / "records").paths())
    path.write_text('{"status": ')
    summary = go(tmp_path)
    assert (summary.done, summary.reused) == (1, 7)
    assert str(path) in summary.warnings[0]


def test_a_record_from_a_newer_schema_is_noted(tmp_path: Path) -> None:
    go(tmp_path)
    path = next(p for p in RecordStore(tmp_path / "records").paths() if "top1" in p.name)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    before = path.read_bytes()
    summary = go(tmp_path)
    assert "newer harness" in summary.warnings[0]
    assert (summary.failed, summary.reused) == (1, 7)
    assert path.read_bytes() == before


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go(tmp_path, models=("net0",))
    done = len(records(tmp_path))

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left on device; free space"):
        go(tmp_path)
    assert len(records(tmp_path)) == done


def test_a_file_in_the_place_of_the_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*taken.*--out"):
        go(tmp_path / "taken" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HarnessError, match="cannot write"):
        go(tmp_path / "run")


def test_ctrl_c_is_a_clean_stop(tmp_path: Path) -> None:
    host = make_host()

    @metric("stop", accepts=Predictions)
    def stop(p: Predictions) -> float:
        raise KeyboardInterrupt

    host["metric"].add(Entry("stop", stop, ME))
    summary = go(tmp_path, host, metrics=("top1", "stop"))
    assert (summary.interrupted, summary.done) == (True, 1)
    assert json.loads((tmp_path / "summary.json").read_text())["interrupted"]
    assert go(tmp_path).reused == 1


SLOW = """
import sys, time
sys.path.insert(0, {folder!r})
import engine_world as t
from harness.evidence import Predictions
from harness.metrics import metric
from harness.registry import Entry
@metric("nll", accepts=Predictions)
def slow(p):
    time.sleep(0.3)
    return 1.0
host = t.make_host()
host["metric"]._entries["nll"] = [Entry("nll", slow, t.ME)]
print("ready", flush=True)
t.go(t.Path({out!r}), host, models=("net0", "net1", "net2"), resamples=0)
"""


def start(out: Path) -> subprocess.Popen[str]:
    code = SLOW.format(folder=str(Path(engine_world.__file__).parent), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def test_kill_minus_nine_at_any_point_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while len(list(RecordStore(tmp_path / "records").paths())) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = records(tmp_path)
    assert 1 <= len(kept) < 12
    summary = go(tmp_path, models=("net0", "net1", "net2"), resamples=0)
    assert (summary.reused, summary.done + summary.reused) == (len(kept), 12)
    assert len(records(tmp_path)) == 12


def test_two_runs_in_one_folder_at_once(tmp_path: Path) -> None:
    both = [start(tmp_path), start(tmp_path)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(records(tmp_path)) == 12
    assert str(leaderboard(tmp_path))


def test_leftovers_of_killed_writers_are_swept_after_a_day(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path / "arrays")
    old, young = store.create("pixels", "a" * 64, (3,), np.uint8), store.create("pixels", "b" * 64, (3,), np.uint8)
    os.utime(old.temporary, (0, 0))
    go(tmp_path)
    assert (old.temporary.exists(), young.temporary.exists()) == (False, True)


def test_a_signal_ends_a_real_run_cleanly_and_the_next_goes_on(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    command = [sys.executable, "-m", "harness", "run", "--models", "tiny-random,tiny-simclr,tiny-byol",
               "--tasks", "knn@digits,linear@digits", "--out", out]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("records/*/knn*/top1*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors
    assert "interrupted: the same command goes on" in printed
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0
    assert " 0 failed" in again.stdout
