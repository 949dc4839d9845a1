"""A failing cell fails alone, with a reason; what does not apply is skipped with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_world import ME, Colours, go, make_host, records
from torch import nn

from harness.api import evaluate
from harness.datasets import Split
from harness.engine import used
from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.metrics import metric
from harness.registry import Entry


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


def test_a_task_cannot_see_test_targets(tmp_path: Path) -> None:
    summary = go(tmp_path, tasks=("cheat@colours",), metrics=("top1",))
    assert summary.done == 0
    assert "targets of the test fold are withheld" in summary.failures[0]["reason"]


def test_a_corrupt_image_fails_the_cells_that_need_it_by_name_and_count(tmp_path: Path) -> None:
    summary = go(
        tmp_path, make_host(colours=Colours(broken="x"), fine=Colours(revision="3")), tasks=("knn@colours", "knn@fine")
    )
    assert (summary.failed, summary.done) == (4, 4)
    assert "1 of 90 images of colours/train cannot be read (first: image train7:" in summary.failures[0]["reason"]


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


def test_bad_images_are_looked_for_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    find = used.find_corrupt
    monkeypatch.setattr(used, "find_corrupt", lambda *args: looked.append(len(args[1])) or find(*args))
    host = make_host()
    go(tmp_path, host, tasks=("pixels@colours",), metrics=("top1",), bad_images="exclude")
    assert [n for n in looked if n] == [90, 60]


def test_a_pair_says_that_images_could_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any) -> Any:
        raise HarnessError("the folder is gone")

    @metric("apart", accepts=Predictions, pair=True)
    def apart(a: Predictions, b: Predictions) -> float:
        return 0.0

    monkeypatch.setattr(used, "find_corrupt", gone)
    host = make_host()
    host["metric"].add(Entry("apart", apart, ME))
    summary = go(tmp_path, host, tasks=("pixels@colours",), metrics=("top1", "apart"), bad_images="exclude")
    reason = summary.failures[-1]["reason"]
    assert reason == "pixels@colours of net0 has no evidence to compare: the folder is gone"


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


def test_a_metric_of_another_type_of_evidence_leaves_no_record(tmp_path: Path) -> None:
    summary = go(tmp_path, tasks=("knn@colours", "embedded@colours"), metrics=("top1", "distance"))
    assert [skip["metric"] for skip in summary.skips] == ["distance", "top1"]
    assert not records(tmp_path, "skipped")
