"""Fine-tuning that is stopped goes on where it was, to the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from finetune_world import world
from torch import Tensor

from harness_tasks.finetune import Finetune
from harness_tasks.finetuning import journal
from harness_tasks.finetuning.training import Training

TASK = Finetune(steps=10, batch=16, lrs=(0.1, 0.02), wds=1e-3)
ALL = 3 * TASK.steps  # two grid points and the run on train + val


class Counter:
    """Counts steps, and presses Ctrl-C before the step after `stop`."""

    def __init__(self, stop: int) -> None:
        self.done, self.stop, self.update = 0, stop, Training.update

    def __call__(self, training: Training, *batch: Tensor) -> None:
        if self.done == self.stop:
            raise KeyboardInterrupt
        self.update(training, *batch)
        self.done += 1


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A checkpoint after every step."""
    monkeypatch.setattr(journal, "SECONDS", 0.0)
    return monkeypatch


def run(patch: pytest.MonkeyPatch, scratch: Path | None, stop: int = -1) -> tuple[Tensor | None, int]:
    """The scores (None when stopped), and the steps made."""
    counter = Counter(stop)
    with patch.context() as inner:
        inner.setattr(Training, "update", lambda self, *batch: counter(self, *batch))
        try:
            return TASK.run(world(scratch=scratch)).scores, counter.done
        except KeyboardInterrupt:
            return None, counter.done


@pytest.mark.parametrize("stop", [1, 7, 10, 13, 20, 26, 29])
def test_a_stopped_task_repeats_no_step_and_ends_with_the_same_scores(
    counted: pytest.MonkeyPatch, tmp_path: Path, stop: int
) -> None:
    whole, steps = run(counted, None)
    assert steps == ALL
    assert run(counted, tmp_path, stop) == (None, stop)
    torch.rand(3)  # dropout must go on with the random numbers it had
    found, more = run(counted, tmp_path)
    assert more == ALL - stop
    assert whole is not None
    assert found is not None
    assert torch.equal(found, whole)


def test_it_may_be_stopped_often(counted: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole, _ = run(counted, None)
    for _ in range(ALL // 4):
        assert run(counted, tmp_path, 4) == (None, 4)
    found, more = run(counted, tmp_path)
    assert more == ALL % 4
    assert whole is not None
    assert found is not None
    assert torch.equal(found, whole)


def test_between_checkpoints_only_the_steps_since_the_last_are_lost(
    counted: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = iter(range(1000))
    counted.setattr(journal, "SECONDS", 3.0)
    counted.setattr(journal.time, "monotonic", lambda: float(next(clock)))  # a second a look
    whole, _ = run(counted, None)
    assert run(counted, tmp_path, 19) == (None, 19)
    found, more = run(counted, tmp_path)
    assert ALL - 19 < more <= ALL - 19 + 4
    assert found is not None
    assert whole is not None
    assert torch.equal(found, whole)


def test_finished_grid_points_are_kept_without_any_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = run(monkeypatch, None)
    assert run(monkeypatch, tmp_path, 15) == (None, 15)
    assert [path.name for path in tmp_path.iterdir()] == ["grid.json"]
    kept = json.loads((tmp_path / "grid.json").read_text())
    assert list(kept) == ["lr=0.1, wd=0.001"]
    assert kept["lr=0.1, wd=0.001"]["steps"] == 10
    found, more = run(monkeypatch, tmp_path)
    assert more == ALL - 10
    assert found is not None
    assert whole is not None
    assert torch.equal(found, whole)


def test_a_divergence_is_kept_too(tmp_path: Path) -> None:
    Finetune(steps=4, batch=16, lrs=(1e30, 0.02), wds=0.0).run(world(scratch=tmp_path))
    kept = json.loads((tmp_path / "grid.json").read_text())
    assert kept["lr=1e+30, wd=0.0"]["score"] is None
    assert kept["lr=0.02, wd=0.0"]["score"] > 0


@pytest.mark.parametrize("name", ["step.pt", "grid.json"])
@pytest.mark.parametrize("damage", [b"", b"\x80\x02not a file", None])
def test_a_damaged_file_costs_only_what_it_held(
    counted: pytest.MonkeyPatch, tmp_path: Path, name: str, damage: bytes | None
) -> None:
    whole, _ = run(counted, None)
    run(counted, tmp_path, 15)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    found, _ = run(counted, tmp_path)
    assert found is not None
    assert whole is not None
    assert torch.equal(found, whole)


def test_a_checkpoint_holds_no_code(counted: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    whole, _ = run(counted, None)
    torch.save({"run": "lr=0.1, wd=0.001", "state": Evil()}, tmp_path / "step.pt")
    found, more = run(counted, tmp_path)
    assert more == ALL
    assert not (tmp_path / "ran").exists()
    assert found is not None
    assert whole is not None
    assert torch.equal(found, whole)
