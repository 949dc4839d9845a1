"""Nothing a task, model or metric does reaches another cell, the caller's module, or the board of another run."""

from __future__ import annotations

import importlib
import linecache
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_world import ME, Colours, go, make_host, records, small_net, suite
from torch import nn

from harness.api import evaluate, leaderboard, plan, run
from harness.datasets import Split
from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.memory import structure
from harness.metrics import metric
from harness.registry import Entry
from harness.tasks import Needs, TaskData, task


@task("vandal", evidence=Predictions)
class Vandal:
    """Changes the encoder it is given, and says what it found."""

    needs = Needs(encoder=True)

    def run(self, data: TaskData) -> Predictions:
        assert data.encoder is not None
        total = sum(p.sum() for p in data.encoder.parameters()).detach()
        for p in data.encoder.parameters():
            p.data += 1
        data.encoder.train()
        n = sum(len(batch) for batch in data.test.pixels(64))
        return Predictions(total.expand(n, 3))


@task("exits", evidence=Predictions)
class Exits:
    """Leaves the interpreter."""

    def run(self, data: TaskData) -> Predictions:
        raise SystemExit(3)


def host_with(*tasks: type, **datasets: Any) -> Any:
    host = make_host(**datasets)
    for cls in tasks:
        host["task"].add(Entry(cls.name, cls, ME))  # type: ignore[attr-defined]
    return host


def test_a_task_that_changes_its_encoder_changes_no_other(tmp_path: Path) -> None:
    changes = {"models": ("net0",), "tasks": ("vandal@colours",), "metrics": ("nll",), "seeds": (0, 1)}
    go(tmp_path, host_with(Vandal), **changes)
    a, b = (r.score.value for r in records(tmp_path))
    assert a == b
    evidence = sorted((tmp_path / "arrays" / "evidence").rglob("*.safetensors"))
    assert len({path.read_bytes() for path in evidence}) == 1


def test_evaluate_leaves_the_weights_alone(tmp_path: Path) -> None:
    net = small_net(0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    evaluate(net, ["vandal@colours"], preprocess="cifar", metrics=["nll"], host=host_with(Vandal), out=tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(hasattr(p, "is_inference") and p.is_inference() for p in net.parameters())


def test_a_module_may_be_trained_on_after_evaluate(tmp_path: Path) -> None:
    class Caches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.cache = small_net(0), None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.cache is None:
                self.cache = torch.ones(16) * 2
            return self.net(x) * self.cache

    module = Caches()
    evaluate(module, ["knn@colours"], preprocess="cifar", metrics=["top1"], host=make_host(), out=tmp_path)
    module(torch.randn(2, 3, 32, 32)).sum().backward()


def test_code_and_plain_attributes_identify_a_module_held_in_memory() -> None:
    class Scaled(nn.Module):
        def __init__(self, by: float) -> None:
            super().__init__()
            self.by = by

    assert structure(Scaled(1.0)) == structure(Scaled(1.0))
    assert structure(Scaled(1.0)) != structure(Scaled(2.0))
    namespace: dict[str, Any] = {"nn": nn}
    exec("class Typed(nn.Module):\n    pass", namespace)
    assert structure(namespace["Typed"]()) != structure(namespace["Typed"]())
    assert structure(nn.Linear(2, 2)) == structure(nn.Linear(2, 2))


def test_the_board_of_a_run_shows_that_runs_scores(tmp_path: Path) -> None:
    host = make_host()

    def shown(**changes: Any) -> float:
        planned = plan(suite(models=("net0",), tasks=("knn@colours",), metrics=("nll",), **changes), host)
        summary = run(planned, tmp_path, host)
        entry = leaderboard(tmp_path, plan=planned, keys=summary.keys).rows[0].entries[0]
        assert entry.value is not None
        return entry.value

    full, few = shown(), shown(limit=10)
    assert full != few
    assert [shown(), shown(limit=1000), shown(limit=10)] == [full, full, few]


def test_a_failing_metric_leaves_the_finished_cells_of_its_job_alone(tmp_path: Path) -> None:
    go(tmp_path, metrics=("top1",))
    summary = go(tmp_path, metrics=("top1", "raises"))
    assert (summary.reused, summary.failed) == (4, 4)
    assert {f["metric"] for f in summary.failures} == {"raises"}


def test_a_task_that_exits_fails_alone(tmp_path: Path) -> None:
    summary = go(tmp_path, host_with(Exits), tasks=("exits@colours", "knn@colours"), metrics=("top1",))
    assert (summary.done, summary.failed) == (2, 2)
    assert summary.failures[0]["reason"] == "SystemExit: 3"


def test_an_error_that_cannot_be_printed_or_encoded_is_recorded_all_the_same(tmp_path: Path) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError

    host = make_host()
    for name, error in (("mute", MuteError()), ("surrogate", ValueError("caf\udce9.png"))):

        def fails(p: Predictions, error: Exception = error) -> float:
            raise error

        host["metric"].add(Entry(name, metric(name, accepts=Predictions)(fails), ME))
    summary = go(tmp_path, host, models=("net0",), tasks=("knn@colours",), metrics=("mute", "surrogate"))
    reasons = [f["reason"] for f in summary.failures]
    assert reasons == ["MuteError: (its message cannot be printed)", "ValueError: caf?.png"]


def test_both_targets_of_one_source_leave_the_same_images_out(tmp_path: Path) -> None:
    host = make_host(a=Colours("a", broken="x"), b=Colours("b", broken="x"))
    summary = go(tmp_path, host, tasks=("knn@a", "knn@b"), metrics=("top1",), bad_images="exclude")
    assert (summary.done, summary.failed) == (4, 0)


def test_an_image_that_was_mended_is_used_again(tmp_path: Path) -> None:
    go(tmp_path, make_host(colours=Colours(broken="x")), bad_images="exclude")
    mended = Colours(broken="x")
    whole = Colours().split
    mended.split = lambda name: whole(name)  # type: ignore[method-assign]
    summary = go(tmp_path, make_host(colours=mended), bad_images="exclude")
    assert (summary.done, summary.excluded_images) == (8, [])


def test_tasks_that_read_pixels_leave_bad_images_out_too(tmp_path: Path) -> None:
    host = make_host(colours=Colours(broken="x"))
    summary = go(tmp_path, host, tasks=("pixels@colours",), metrics=("top1",), bad_images="exclude")
    assert (summary.done, summary.failed) == (2, 0)
    assert records(tmp_path)[0].score.n == 59


def test_what_a_task_gets_holds_no_test_targets(tmp_path: Path) -> None:
    reached: list[object] = []

    @task("digs", evidence=Predictions)
    class Digs:
        needs = Needs(encoder=True)

        def run(self, data: TaskData) -> Predictions:
            todo: list[Any] = [data.test.source, data.judge]
            while todo:
                one = todo.pop()
                todo += [cell.cell_contents for cell in getattr(one, "__closure__", None) or ()]
                todo += [*getattr(one, "args", ()), *(getattr(one, "keywords", None) or {}).values()]
                todo += [*vars(one).values()] if hasattr(one, "__dict__") and not isinstance(one, type) else []
                if isinstance(one, Split):
                    reached.append(one)
                    assert len(one.targets) == 0
                assert not isinstance(one, Colours)
            return Predictions(torch.zeros(60, 3))

    summary = go(tmp_path, host_with(Digs), models=("net0",), tasks=("digs@colours",), metrics=("top1",))
    assert (summary.done, len(reached)) == (1, 1)


def test_needs_are_checked_when_they_are_declared() -> None:
    with pytest.raises(HarnessError, match="no fold 'trian'; did you mean 'train'"):
        Needs(folds=("trian", "test"))
    with pytest.raises(HarnessError, match="needs the test fold"):
        Needs(folds=("train", "val"))


def test_no_room_for_the_pixel_cache_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.cache import ArrayStore
    from harness.errors import OutputError

    create = ArrayStore.create

    def full(self: ArrayStore, kind: str, *args: Any) -> Any:
        if kind == "pixels":
            raise OutputError("no space")
        return create(self, kind, *args)

    monkeypatch.setattr(ArrayStore, "create", full)
    assert go(tmp_path).done == 8
    assert np.isfinite(records(tmp_path)[0].score.value)


@task("deep", evidence=Predictions)
class Deep:
    """Needs a layer that only some encoders have."""

    needs = Needs(layers=("no_such_layer",))

    def run(self, data: TaskData) -> Predictions:
        raise AssertionError("never reached")


def test_a_layer_that_one_task_wants_in_vain_fails_that_task_alone(tmp_path: Path) -> None:
    summary = go(tmp_path, host_with(Deep), models=("net0",), tasks=("deep@colours", "knn@colours"), metrics=("top1",))
    assert (summary.done, summary.failed) == (1, 1)
    assert (summary.failures[0]["task"], "no_such_layer" in summary.failures[0]["reason"]) == ("deep@colours", True)


def test_images_are_counted_also_when_the_run_stops_early(tmp_path: Path) -> None:
    summary = go(tmp_path, models=("net0",), metrics=("raises",), options={"fail_fast": True})
    assert (summary.failed, summary.images_forwarded) == (1, 150)


def test_left_out_images_are_named_in_every_record_and_on_the_board(tmp_path: Path) -> None:
    for _ in range(2):
        host = make_host(colours=Colours(broken="x"))
        planned = plan(suite(models=("net0",), tasks=("knn@colours",), metrics=("top1",), bad_images="exclude"), host)
        summary = run(planned, tmp_path, host)
        assert summary.excluded_images == ["test7", "train7"]
        assert records(tmp_path)[0].facts["excluded"] == ["test7", "train7"]
        assert "without 2 images that cannot be read" in (tmp_path / "board.md").read_text()


@pytest.mark.parametrize(("limit", "reason"), [(4, "no image is left in the val fold"), (2, "no image is left")])
def test_too_few_images_to_choose_on_is_said(tmp_path: Path, limit: int, reason: str) -> None:
    assert reason in go(tmp_path, limit=limit).failures[0]["reason"]


def test_fewer_training_images_than_classes_is_said(tmp_path: Path) -> None:
    host = make_host()
    wide = Colours()
    wide.split = Colours().split  # type: ignore[method-assign]
    wide._card = wide.card.model_copy(update={"classes": tuple(map(str, range(200)))})
    host["dataset"]._entries["colours"] = [Entry("colours", lambda: wide, ME)]
    assert "72 training images for 200 classes" in go(tmp_path, host).failures[0]["reason"]


def test_a_helper_module_of_ones_own_is_part_of_a_models_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_build.py").write_text("def build():\n    from my_net import Net\n    return Net()\n")
    keys = set()
    for factor in (1, 2):
        (tmp_path / "my_net.py").write_text(
            "import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
            f"        return x.mean((2, 3)) * {factor}\n"
        )
        for name in ("my_net", "my_build"):
            sys.modules.pop(name, None)
        linecache.clearcache()
        importlib.invalidate_caches()
        host = make_host()
        planned = plan(
            suite(models=("py:my_build:build?preprocess=cifar",), tasks=("knn@colours",), metrics=("top1",)), host
        )
        keys |= set(run(planned, tmp_path / f"run{factor}", host).keys.values())
    assert len(keys) == 2
