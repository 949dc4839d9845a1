"""MLflow, Weights & Biases and TensorBoard, each the real package, offline."""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_world import go, make_host, records

from harness.errors import HarnessError
from harness.plugins import Host
from harness.records import Record
from harness.registry import Entry, Origin
from harness_reporters import common
from harness_reporters.mlflow_tracking import MlflowReporter
from harness_reporters.tensorboard_log import TensorboardReporter
from harness_reporters.wandb_run import WandbReporter

TRACKERS = {"mlflow": MlflowReporter, "wandb": WandbReporter, "tensorboard": TensorboardReporter}
TASKS = ("knn[temperature=0.1]@colours", "pixels@colours")
SERIES = {
    f"{task}/{metric}/{model}"
    for task in ("knn_temperature_0.1_colours", "pixels_colours")
    for metric in ("top1", "nll")
    for model in ("net0", "net1")
}
FAILED = {f"failed/{task}/raises/{model}" for task in ("knn_temperature_0.1_colours", "pixels_colours")
          for model in ("net0", "net1")}  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No server, no settings of whoever runs the tests, and no variable left behind."""
    before = dict(os.environ)
    for name in [n for n in before if n.startswith(("MLFLOW_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    yield
    os.environ.pop("MLFLOW_ALLOW_FILE_STORE", None)
    if wandb := sys.modules.get("wandb"):
        wandb.teardown()  # its session keeps the settings that it found


def tracked(out: Path, *names: str, **changes: Any) -> Host:
    """A run of 8 done and 4 failed cells, over two seeds, told to trackers."""
    host = make_host()
    for name, made in TRACKERS.items():
        host["reporter"]._entries[name] = [Entry(name, made, Origin("reporters"))]
    fields = {"tasks": TASKS, "metrics": ("top1", "nll", "raises"), "seeds": (0, 1)} | changes
    go(out, host, {"reporters": names}, **fields)
    assert not host.failures
    return host


def scores(out: Path) -> set[tuple[float, int]]:
    return {(r.score.value, r.seed) for r in records(out)}


def test_mlflow_has_parameters_metrics_tags_and_the_board(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    for _ in range(2):
        tracked(tmp_path / "out", "mlflow")
    client = MlflowClient((tmp_path / "out" / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("suite")
    second, first = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in (first, second)] == ["FINISHED"] * 2
    assert (first.data.params["models"], first.data.params["seeds"]) == ("['net0', 'net1']", "[0, 1]")
    assert {n for n in first.data.metrics if not n.startswith("run/")} == SERIES
    history = [client.get_metric_history(first.info.run_id, name) for name in sorted(SERIES)]
    assert {(m.value, m.step) for found in history for m in found} == scores(tmp_path / "out")
    assert [len(found) for found in history] == [2] * 8
    assert {n for n in first.data.tags if n.startswith("failed/")} == FAILED
    assert {first.data.tags[name] for name in FAILED} == {"ZeroDivisionError: on purpose"}
    assert (first.data.metrics["run/done"], first.data.metrics["run/failed"]) == (16, 8)
    assert (second.data.metrics["run/done"], second.data.metrics["run/reused"]) == (0, 16)
    files = Path(client.download_artifacts(first.info.run_id, ""))
    assert "net0" in (files / "board.md").read_text()
    assert json.loads((files / "board.json").read_text())["title"] == "suite"


def test_mlflow_goes_where_its_variables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "server").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    tracked(tmp_path / "out", "mlflow")
    assert not (tmp_path / "out" / "mlruns").exists()
    assert MlflowClient((tmp_path / "server").as_uri()).get_experiment_by_name("mine")


def logged(file: Path) -> Iterator[Any]:
    """The records of a run that W&B kept: protocol buffers in a LevelDB log, blocks of 32 KiB after 7 bytes of header.

    Each part of a record stands after its checksum, size and place: 1 whole, 2 first, 3 in between, 4 last.
    """
    from wandb.proto.wandb_internal_pb2 import Record as Logged

    data, at, parts = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (left := 2**15 - at % 2**15) < 7:
            at += left
            continue
        size, place = struct.unpack_from("<HB", data, at + 4)
        parts, at = parts + data[at + 7 : at + 7 + size], at + 7 + size
        if place in (1, 4):
            made = Logged()
            made.ParseFromString(parts)
            yield made
            parts = b""


def test_wandb_keeps_the_run_in_its_folder(tmp_path: Path) -> None:
    tracked(tmp_path / "out", "wandb")
    (file,) = (tmp_path / "out" / "wandb").glob("offline-run-*/*.wandb")
    found = list(logged(file))
    (run,) = [each.run for each in found if each.WhichOneof("record_type") == "run"]
    assert (run.project, run.run_group, run.display_name) == ("ssl-harness", "suite", "out")
    rows = [{i.key or i.nested_key[0]: json.loads(i.value_json) for i in e.history.item}
            for e in found if e.WhichOneof("record_type") == "history"]  # fmt: skip
    cells = {(name, row[name], row["seed"]) for row in rows for name in SERIES & row.keys()}
    assert {(value, seed) for _, value, seed in cells} == scores(tmp_path / "out")
    assert {name for name, *_ in cells} == SERIES
    summary = {i.key or i.nested_key[0] for e in found for i in e.summary.update}
    assert summary >= FAILED | {"run/done", "run/failed"}
    assert any(e.WhichOneof("record_type") == "exit" and e.exit.exit_code == 0 for e in found)


def test_wandb_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracked(tmp_path / "out", "wandb")
    assert not list((tmp_path / "out").glob("wandb/*run-*"))


def test_tensorboard_has_scalars_and_texts_of_each_run_in_a_folder(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):
        tracked(tmp_path / "out", "tensorboard")
    first, second = sorted((tmp_path / "out" / "tensorboard").iterdir())
    found = EventAccumulator(str(first), {"scalars": 0, "tensors": 0}).Reload()
    assert {n for n in found.Tags()["scalars"] if not n.startswith("run/")} == SERIES
    values = {(e.value, e.step) for name in SERIES for e in found.Scalars(name)}
    assert values == {(float(np.float32(value)), seed) for value, seed in scores(tmp_path / "out")}
    texts = {n.removesuffix("/text_summary") for n in found.Tags()["tensors"]}
    assert texts == FAILED | {"suite", "board"}
    (board,) = found.Tensors("board/text_summary")
    assert "net0" in board.tensor_proto.string_val[0].decode()
    again = EventAccumulator(str(second)).Reload()
    assert [e.value for e in again.Scalars("run/reused")] == [16]


def test_all_three_at_once_leave_the_records_as_they_are_without(tmp_path: Path) -> None:
    tracked(tmp_path / "with", *TRACKERS)
    tracked(tmp_path / "without")
    assert [(r.cell, r.key, r.scores) for r in records(tmp_path / "with")] == [
        (r.cell, r.key, r.scores) for r in records(tmp_path / "without")
    ]


def test_an_interrupted_run_is_closed_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.engine.local.LocalRun.model", stop)
    tracked(tmp_path / "out", *TRACKERS)
    client = MlflowClient((tmp_path / "out" / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("suite").experiment_id])
    assert run.info.status == "KILLED"


@pytest.mark.parametrize("name", list(TRACKERS))
def test_a_board_that_cannot_be_made_leaves_no_run_open(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = {"mlflow": ("mlflow.MlflowClient", "set_terminated"), "wandb": ("wandb.Run", "finish"),
              "tensorboard": ("torch.utils.tensorboard.SummaryWriter", "close")}[name]  # fmt: skip
    calls: list[str] = []
    module, _, cls = closed[0].rpartition(".")
    owner = getattr(importlib.import_module(module), cls)
    done = getattr(owner, closed[1])
    monkeypatch.setattr(owner, closed[1], lambda *a, **k: (calls.append(name), done(*a, **k))[1])

    def fail(*_: Any) -> None:
        raise RuntimeError("no board")

    monkeypatch.setattr(f"{TRACKERS[name].__module__}.board_of", fail)
    host = make_host()
    host["reporter"]._entries[name] = [Entry(name, TRACKERS[name], Origin("reporters"))]
    found = go(tmp_path, host, {"reporters": [name]}, tasks=("pixels@colours",))
    assert calls == [name]
    assert found.done == 4
    assert [w for w in found.warnings if "no board" in w]


@pytest.mark.parametrize("name", list(TRACKERS))
def test_a_missing_package_is_told_before_anything_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    told = rf"--report {name} needs {name} .*: pip install \"ssl-harness\[{name}\]\""
    with pytest.raises(HarnessError, match=told):
        tracked(tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def test_no_tracker_is_imported_until_it_is_used(python: Any) -> None:
    modules = ["mlflow_tracking", "wandb_run", "tensorboard_log"]
    lines = [*(f"import harness_reporters.{name}" for name in modules), "import sys"]
    lines += ["print([n for n in ('mlflow', 'wandb', 'tensorboard', 'torch') if n in sys.modules])"]
    assert python("\n".join(lines)) == "[]"


def test_names_are_what_every_tracker_takes_and_stay_different() -> None:
    long = "timm:" + "x" * 90
    texts = ["hf:org/net", "hf:org_net", "..", "", "plain-1.0", "модель", long, long + "y"]
    found = common.safe(texts)
    assert found["plain-1.0"] == "plain-1.0"
    assert len(set(found.values())) == len(texts)
    assert all(len(name) <= 57 and set(name) <= set(map(chr, range(33, 127))) - set("@[]/:") for name in found.values())
    assert common.safe(["hf:org/net"]) == {"hf:org/net": "hf_org_net"}


def test_pairs_are_named_by_both_models(tmp_path: Path) -> None:
    from harness.api import plan

    host = make_host()
    from engine_world import suite

    names = common.Names(plan(suite(tasks=("embedded@colours",), metrics=("distance",)), host))
    record = Record(status="failed", model="net0", partner="net1", task="embedded@colours", metric={"name": "distance"})
    assert names(record) == "embedded_colours/distance/net0-vs-net1"


def test_every_reporter_is_short() -> None:
    files = list(Path(common.__file__).parent.glob("*.py"))
    assert len(files) >= 6
    assert {file.name: n for file in files if (n := len(file.read_text().splitlines())) >= 80} == {}
