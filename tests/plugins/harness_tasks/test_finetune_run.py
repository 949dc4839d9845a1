"""Fine-tuning in whole runs: keys, records, scratch files, and an encoder that stays as it was for others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_world import ME, go, make_host, records
from finetune_world import with_finetune
from torch import Tensor

from harness.api import load_suite, plan, run
from harness.evidence import Predictions
from harness.plugins import Host
from harness.records import RecordStore, read_record
from harness.registry import Entry
from harness.tasks import Needs, TaskData, task
from harness_tasks.finetuning import journal
from harness_tasks.finetuning.training import Training

SHORT = "finetune[steps=6,batch=16,lrs=0.05,wds=0]@colours"


@task("peek", evidence=Predictions)
class Peek:
    """Scores that change with any weight of the encoder."""

    needs = Needs(encoder=True)

    def run(self, data: TaskData) -> Predictions:
        assert data.encoder is not None
        with torch.no_grad():
            found = torch.cat([data.encoder(batch)["embedding"] for batch in data.test.pixels(16)])
        return Predictions(found[:, :3] * 100)


def world() -> Host:
    host = with_finetune(make_host())
    host["task"].add(Entry("peek", Peek, ME))
    return host


def scores(out: Path) -> dict[tuple[str, str, str], float]:
    return {(r.model, r.task, r.metric["name"]): r.score.value for r in records(out)}


def test_it_is_recorded_and_leaves_the_encoder_to_others_as_it_was(tmp_path: Path) -> None:
    alone = go(tmp_path / "alone", world(), tasks=("peek@colours",))
    both = go(tmp_path / "both", world(), tasks=(SHORT, "peek@colours"))
    assert (alone.failed, both.failed, both.done) == (0, 0, 8)
    found, expected = scores(tmp_path / "both"), scores(tmp_path / "alone")
    assert {cell: found[cell] for cell in expected} == expected
    record = next(r for r in records(tmp_path / "both") if r.task == SHORT)
    assert record.facts["task"]["parameters"]["lrs"] == [0.05]
    assert list((tmp_path / "both" / "arrays").glob("scratch/*")) == []
    assert go(tmp_path / "both", world(), tasks=(SHORT, "peek@colours")).reused == 8


def test_a_run_that_was_stopped_goes_on_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = ("peek@colours", SHORT)
    go(tmp_path / "whole", world(), models=("net0",), tasks=tasks)
    monkeypatch.setattr(journal, "SECONDS", 0.0)
    update, done = Training.update, list[int]()

    def stopping(self: Training, *batch: Tensor) -> None:
        if len(done) == 8:
            raise KeyboardInterrupt
        update(self, *batch)
        done.append(self.done)

    monkeypatch.setattr(Training, "update", stopping)
    assert go(tmp_path / "run", world(), models=("net0",), tasks=tasks).interrupted
    assert list((tmp_path / "run" / "arrays").glob("scratch/*/step.pt"))
    done.append(-1)
    summary = go(tmp_path / "run", world(), models=("net0",), tasks=tasks)
    assert (summary.done, summary.reused, summary.failed) == (2, 2, 0)
    assert done == [1, 2, 3, 4, 5, 6, 1, 2, -1, 3, 4, 5, 6]
    assert scores(tmp_path / "run") == scores(tmp_path / "whole")
    assert list((tmp_path / "run" / "arrays").glob("scratch/*")) == []


def test_one_grid_written_in_two_ways_has_one_key_and_another_has_another(tmp_path: Path) -> None:
    names = [f"finetune[steps=2,batch=16,{grid}]@colours" for grid in ("lrs=0.05,wds=0", "wds=0.0,lrs=5.0e-2")]
    go(tmp_path, world(), models=("net0",), tasks=tuple(names), metrics=("top1",))
    assert len({r.key for r in records(tmp_path)}) == 1
    go(tmp_path, world(), models=("net0",), tasks=("finetune[steps=2,batch=16,lrs=0.04,wds=0]@colours",))
    go(tmp_path, world(), models=("net0",), tasks=("finetune[steps=2,batch=16,lrs=0.05,wds=0,accumulate=2]@colours",))
    assert len({r.key for r in records(tmp_path) if r.metric["name"] == "top1"}) == 3


def test_a_diverging_task_fails_its_cells_with_the_reason(tmp_path: Path) -> None:
    summary = go(tmp_path, world(), models=("net0",), tasks=("finetune[steps=4,lrs=1.0e+30,wds=0]@colours", SHORT))
    assert (summary.done, summary.failed) == (2, 2)
    assert "diverged" in summary.failures[0]["reason"]


def test_the_tiny_zoo_is_fine_tuned_on_digits(tmp_path: Path) -> None:
    host = with_finetune(Host())
    short = "finetune[steps=20,batch=32,lrs=0.05,wds=0,augment=none]@digits"
    suite = load_suite("quickstart", host, models=["tiny-simclr"], tasks=[short], metrics=["top1"], limit=200)
    assert run(plan(suite, host), tmp_path, host).failed == 0
    (record,) = map(read_record, RecordStore(tmp_path / "records").paths())
    assert record.score.value > 50  # chance is 10
