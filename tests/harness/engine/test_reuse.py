"""Compute once, never repeat; what changes a score changes its key, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_world import ME, Colours, go, make_host, records, small_net

from harness.api import evaluate
from harness.evidence import Predictions
from harness.metrics import Metric
from harness.registry import Entry


def test_each_image_is_forwarded_once_whatever_wants_it(tmp_path: Path) -> None:
    summary = go(tmp_path)
    assert (summary.done, summary.failed, summary.reused) == (8, 0, 0)
    assert summary.images_forwarded == summary.images_wanted == 2 * 150


def test_the_same_command_again_repeats_nothing(tmp_path: Path) -> None:
    go(tmp_path)
    before = {
        path: path.stat().st_mtime_ns
        for path in tmp_path.rglob("*.json")
        if path.name not in ("summary.json", "suite.json", "board.json")
    }
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
    summary = go(tmp_path, tasks=("embedded@colours",), metrics=("distance",))
    assert (summary.done, summary.images_forwarded) == (1, 2 * 60)


def test_pair_metrics_compare_two_models_variant_by_variant(tmp_path: Path) -> None:
    go(tmp_path, models=("net0", "net1", "net2"), tasks=("embedded@colours",), metrics=("distance",))
    found = records(tmp_path)
    assert [(r.model, r.partner) for r in found] == [("net0", "net1"), ("net0", "net2"), ("net1", "net2")]
    assert all([s.variant for s in r.scores] == ["embedding", "0"] and r.score.value > 0 for r in found)
    assert go(tmp_path, models=("net0", "net1", "net2"), tasks=("embedded@colours",), metrics=("distance",)).reused == 3


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


def test_force_computes_everything_anew(tmp_path: Path) -> None:
    go(tmp_path)
    summary = go(tmp_path, options={"force": True})
    assert (summary.done, summary.reused, summary.images_forwarded) == (8, 0, 300)


def test_a_task_may_ask_for_the_live_encoder_and_its_pixels(tmp_path: Path) -> None:
    summary = go(tmp_path, tasks=("pixels@colours",), metrics=("top1",))
    assert summary.failed == 0
    assert [r.score.value for r in records(tmp_path)] == [100.0, 100.0]


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
