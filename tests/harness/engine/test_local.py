"""The engine: compute once, never repeat, never lose, never stop at one failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import evaluate, leaderboard, plan, run
from harness.cache import ArrayStore
from harness.datasets import Dataset, DatasetCard, Split
from harness.encoder import ModuleEncoder
from harness.errors import HarnessError, OutputError
from harness.evidence import Embeddings, Predictions
from harness.metrics import Metric, metric
from harness.models import PRESETS, Model, ModelCard
from harness.plugins import Host
from harness.records import Record, RecordStore, Summary, read_record
from harness.registry import Entry, Origin
from harness.suite import Suite
from harness.tasks import Needs, TaskData, task

ME = Origin("test")
CIFAR = PRESETS["cifar"]


class Colours(Dataset):
    """Three classes of images that differ in their dominant channel."""

    def __init__(self, target: str = "label", revision: str = "1", broken: str = "", classes: int = 3) -> None:
        self.broken, self.read = broken, 0
        self._card = DatasetCard(
            name="colours", revision=revision + broken, target=target, classes=tuple("abc"[:classes]),
            splits={"train": 90, "test": 60},
        )  # fmt: skip

    @property
    def card(self) -> DatasetCard:
        return self._card

    def split(self, name: str) -> Split:
        rng, n = np.random.default_rng(len(name)), self.card.splits[name]
        y = rng.integers(0, 3, n)
        x = rng.integers(0, 120, (n, 12, 12, 3)).astype(np.uint8)
        x[np.arange(n), :, :, y] += 60
        images: list[object] = list(x)
        if self.broken:
            images[7] = b"not an image"
        return Split(
            images,
            (y if len(self.card.classes) == 3 else np.zeros(n)).astype(np.int64),
            [f"{name}{i}" for i in range(n)],
        )


def small_net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def model(seed: int, fail: bool = False) -> Model:
    def load() -> ModuleEncoder:
        if fail:
            raise RuntimeError("no such weights")
        return ModuleEncoder(small_net(seed), CIFAR)

    return Model(f"net{seed}", ModelCard(paradigm="none"), load, CIFAR, {"seed": seed})


@task("cheat", evidence=Predictions)
class Cheat:
    """Asks for what it must not see."""

    def run(self, data: TaskData) -> Predictions:
        return Predictions(torch.nn.functional.one_hot(data.test.targets).float())


@task("pixels", evidence=Predictions)
class Pixels:
    """Needs the live encoder; classifies by the brightest channel."""

    needs = Needs(encoder=True)

    def run(self, data: TaskData) -> Predictions:
        assert data.encoder is not None
        batches = [(batch, data.encoder(batch)["embedding"]) for batch in data.test.pixels(16)]
        assert all(len(batch) == len(embedding) for batch, embedding in batches)
        return Predictions(torch.cat([batch.float().mean((2, 3)) for batch, _ in batches]))


@task("embed", evidence=Embeddings)
class Embed:
    """Hands the test embeddings of two layers on, by variant."""

    needs = Needs(folds=("test",), layers=("embedding", "0"))

    def run(self, data: TaskData) -> dict[str, Embeddings]:
        return {layer: Embeddings(data.test.layer(layer)) for layer in self.needs.layers}


@metric("distance", accepts=Embeddings, pair=True, bounds=(0, float("inf")), higher_is_better=False)
def distance(a: Embeddings, b: Embeddings) -> torch.Tensor:
    """Distance of two models' embeddings of each image, (N,)."""
    return (a.features - b.features).norm(dim=1)


@metric("raises", accepts=Predictions)
def raises(p: Predictions) -> float:
    """Always fails."""
    raise ZeroDivisionError("on purpose")


def make_host(**datasets: Dataset) -> Host:
    host = Host()
    for seed in range(3):
        host["model"].add(Entry(f"net{seed}", model(seed), ME))
    host["model"].add(Entry("broken", model(9, fail=True), ME))
    for name, dataset in ({"colours": Colours()} | datasets).items():
        host["dataset"].add(Entry(name, lambda *a, _d=dataset, **k: _d, ME))
    for cls in (Cheat, Pixels, Embed):
        host["task"].add(Entry(cls.name, cls, ME))
    for one in (distance, raises):
        host["metric"].add(Entry(one.name, one, ME))
    return host


def suite(**changes: object) -> Suite:
    fields = {
        "models": ("net0", "net1"),
        "tasks": ("knn@colours", "linear@colours"),
        "metrics": ("top1", "nll"),
        "resamples": 20,
    }
    return Suite.model_validate(fields | changes)


def go(out: Path, host: Host | None = None, options: dict | None = None, **changes: object) -> Summary:
    host = host or make_host()
    return run(plan(suite(**changes), host), out, host, **(options or {}))


def records(out: Path, status: str = "done") -> list[Record]:
    found = [read_record(path) for path in RecordStore(out / "records").paths()]
    return sorted((r for r in found if r.status == status), key=lambda r: tuple(map(str, r.cell)))


def test_each_image_is_forwarded_once_whatever_wants_it(tmp_path: Path) -> None:
    summary = go(tmp_path)
    assert (summary.done, summary.failed, summary.reused) == (8, 0, 0)
    assert summary.images_forwarded == summary.images_wanted == 2 * 150


def test_the_same_command_again_repeats_nothing(tmp_path: Path) -> None:
    go(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json") if path.name != "summary.json"}
    summary = go(tmp_path)
    assert (summary.done, summary.reused, summary.images_forwarded) == (0, 8, 0)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_new_metric_touches_neither_image_nor_task(tmp_path: Path) -> None:
    go(tmp_path)
    evidence = {p: p.stat().st_mtime_ns for p in (tmp_path / "arrays" / "evidence").rglob("*.safetensors")}
    for pixels in (tmp_path / "arrays").rglob("*.npy"):
        pixels.unlink()  # nothing but the stored evidence is left to compute from
    summary = go(tmp_path, metrics=("top1", "nll", "ece"))
    assert (summary.done, summary.reused, summary.failed, summary.images_forwarded) == (4, 8, 0, 0)
    assert evidence == {p: p.stat().st_mtime_ns for p in evidence}


def test_a_new_task_on_stored_embeddings_touches_no_image(tmp_path: Path) -> None:
    go(tmp_path, tasks=("knn@colours",))
    assert go(tmp_path).images_forwarded == 0


def test_a_new_layer_costs_one_more_pass_and_shares_the_decoded_pixels(tmp_path: Path) -> None:
    go(tmp_path)
    summary = go(tmp_path, tasks=("embed@colours",), metrics=("distance",))
    assert (summary.done, summary.images_forwarded) == (1, 2 * 60)


def test_pair_metrics_compare_two_models_variant_by_variant(tmp_path: Path) -> None:
    go(tmp_path, models=("net0", "net1", "net2"), tasks=("embed@colours",), metrics=("distance",))
    found = records(tmp_path)
    assert [(r.model, r.partner) for r in found] == [("net0", "net1"), ("net0", "net2"), ("net1", "net2")]
    assert all([s.variant for s in r.scores] == ["embedding", "0"] and r.score.value > 0 for r in found)
    assert go(tmp_path, models=("net0", "net1", "net2"), tasks=("embed@colours",), metrics=("distance",)).reused == 3


def test_scores_and_keys_do_not_depend_on_how_the_run_is_carried_out(tmp_path: Path) -> None:
    go(tmp_path / "a", options={"batch_size": 7, "workers": 1})
    go(tmp_path / "b", options={"batch_size": 64, "workers": 3, "pixel_cache": 0, "arrays": tmp_path / "elsewhere"})
    a, b = records(tmp_path / "a"), records(tmp_path / "b")
    assert [(r.key, r.cell) for r in a] == [(r.key, r.cell) for r in b]
    assert [r.score.value for r in a] == pytest.approx([r.score.value for r in b], abs=1e-4)


@pytest.mark.parametrize(
    "changes",
    [{"limit": 40}, {"seeds": (1,)}, {"precision": "bf16"}, {"decoder": "pil"}, {"resamples": 21},
     {"tasks": ("knn[temperature=0.1]@colours", "linear[rtol=1e-3]@colours")}],
    ids=str,
)  # fmt: skip
def test_what_can_change_a_score_changes_its_key(tmp_path: Path, changes: dict) -> None:
    go(tmp_path)
    first = {r.key for r in records(tmp_path)}
    assert go(tmp_path, **changes).reused == 0
    assert len({r.key for r in records(tmp_path)} - first) == 8


def test_dataset_revision_and_metric_version_change_the_key(tmp_path: Path) -> None:
    go(tmp_path)
    assert go(tmp_path, make_host(colours=Colours(revision="2"))).reused == 0
    host = make_host()
    newer = Metric("nll", lambda p: 1.0 * p.targets, Predictions, version=2)
    host["metric"]._entries["nll"] = [Entry("nll", newer, ME)]
    assert go(tmp_path, host).reused == 4


def test_tasks_choose_by_the_primary_metric_so_its_version_is_in_their_key(tmp_path: Path) -> None:
    go(tmp_path)
    host = make_host()
    newer = Metric("top1", lambda p: 100.0 * (p.scores.argmax(1) == p.targets), Predictions, version=2)
    host["metric"]._entries["top1"] = [Entry("top1", newer, ME)]
    assert go(tmp_path, host).reused == 0


def test_a_limit_at_least_as_large_as_the_split_is_no_limit(tmp_path: Path) -> None:
    go(tmp_path)
    assert go(tmp_path, limit=90).reused == 8


def test_one_failing_cell_fails_alone_and_is_tried_again(tmp_path: Path) -> None:
    for _ in range(2):
        summary = go(tmp_path, models=("net0", "broken"), metrics=("top1", "raises"))
        assert summary.failed == 2 + 4
    assert (summary.done, summary.reused) == (0, 2)
    reasons = {(f["model"], f["metric"]): f["reason"] for f in summary.failures}
    assert reasons["net0", "raises"] == "ZeroDivisionError: on purpose"
    assert reasons["broken", "top1"] == "RuntimeError: no such weights"
    failed = records(tmp_path, "failed")
    assert len(failed) == 6
    assert all("Traceback" in r.provenance["traceback"] for r in failed)


def test_fail_fast_stops_at_the_first(tmp_path: Path) -> None:
    summary = go(tmp_path, models=("broken", "net0"), options={"fail_fast": True})
    assert (summary.failed, summary.done) == (1, 0)


def test_skipped_pairs_have_records_with_the_reason(tmp_path: Path) -> None:
    summary = go(tmp_path, metrics=("top1", "top5"))
    assert summary.skipped == 2
    assert {(r.metric["name"], r.reason) for r in records(tmp_path, "skipped")} == {("top5", "colours has 3 classes")}


def test_force_computes_everything_anew(tmp_path: Path) -> None:
    go(tmp_path)
    summary = go(tmp_path, options={"force": True})
    assert (summary.done, summary.reused, summary.images_forwarded) == (8, 0, 300)


def test_a_task_cannot_see_test_targets(tmp_path: Path) -> None:
    summary = go(tmp_path, tasks=("cheat@colours",), metrics=("top1",))
    assert summary.done == 0
    assert "targets of the test fold are withheld" in summary.failures[0]["reason"]


def test_a_task_may_ask_for_the_live_encoder_and_its_pixels(tmp_path: Path) -> None:
    summary = go(tmp_path, tasks=("pixels@colours",), metrics=("top1",))
    assert summary.failed == 0
    assert [r.score.value for r in records(tmp_path)] == [100.0, 100.0]


def test_a_corrupt_image_fails_the_cells_that_need_it_by_name_and_count(tmp_path: Path) -> None:
    summary = go(
        tmp_path, make_host(colours=Colours(broken="x"), fine=Colours(revision="3")), tasks=("knn@colours", "knn@fine")
    )
    assert (summary.failed, summary.done) == (4, 4)
    assert "1 of 90 images of colours@1x/train cannot be read (first: image train7:" in summary.failures[0]["reason"]


def test_corrupt_images_are_left_out_where_the_suite_says_so(tmp_path: Path) -> None:
    for expected in ((8, 0), (0, 8)):
        summary = go(tmp_path, make_host(colours=Colours(broken="x")), bad_images="exclude")
        assert (summary.done, summary.reused, summary.failed) == (*expected, 0)
    assert records(tmp_path)[0].score.n == 59


def test_excluded_images_are_named(tmp_path: Path) -> None:
    assert go(tmp_path, make_host(colours=Colours(broken="x")), bad_images="exclude").excluded_images == [
        "test7",
        "train7",
    ]


def test_one_class_only_is_a_clear_failure(tmp_path: Path) -> None:
    host = make_host()
    colours = Colours()
    whole = colours.split
    colours.split = lambda name: (s := whole(name)) and Split(s.images, np.zeros(len(s), np.int64), s.ids)  # type: ignore[method-assign]
    host["dataset"]._entries["colours"] = [Entry("colours", lambda: colours, ME)]
    assert "1 class" in go(tmp_path, host).failures[0]["reason"]


def test_nan_embeddings_name_the_image_and_the_layer(tmp_path: Path) -> None:
    class Nan(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x), 4), float("nan"))

    board = evaluate(Nan(), ["knn@colours"], preprocess="cifar", metrics=["top1"], out=tmp_path, host=make_host())
    assert "failed" in str(board)
    assert "layer 'embedding' gave NaN or infinite values for image train0" in records(tmp_path, "failed")[0].reason


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
    assert "newer harness" in go(tmp_path).warnings[0]


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
import test_local as t
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
    code = SLOW.format(folder=str(Path(__file__).parent), out=str(out))
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


def test_evaluate_gives_the_module_back_as_it_came(tmp_path: Path) -> None:
    net = small_net(0).train()
    net[0].eval()
    modes = [part.training for part in net.modules()]
    board = evaluate(
        {"mine": net}, ["knn@colours"], preprocess="cifar", metrics=["top1"], host=make_host(), out=tmp_path
    )
    assert [part.training for part in net.modules()] == modes
    assert "mine" in str(board)
    assert records(tmp_path)[0].score.value > 90


def test_other_weights_are_another_model(tmp_path: Path) -> None:
    for seed in (0, 1):
        evaluate(small_net(seed), ["knn@colours"], preprocess="cifar", metrics=["top1"], host=make_host(), out=tmp_path)
    assert len({r.key for r in records(tmp_path)}) == 2


def test_leftovers_of_killed_writers_are_swept_after_a_day(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path / "arrays")
    old, young = store.create("pixels", "a" * 64, (3,), np.uint8), store.create("pixels", "b" * 64, (3,), np.uint8)
    os.utime(old.temporary, (0, 0))
    go(tmp_path)
    assert (old.temporary.exists(), young.temporary.exists()) == (False, True)
