"""Every task of representations by every metric of its evidence, on the tiny zoo, a CNN and a ViT, through the host."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from representation_world import go, records, world

from harness.planning import Cell
from harness.records import Record, Summary
from harness_metrics import METRICS

MODULES = (
    "spectrum", "dimension", "distribution", "transferability", "geometry", "invariance", "equivariance", "consistency",
    "attribution", "reconstruction", "detail", "cka", "similarity",
)  # fmt: skip
NEW = [getattr(import_module(f"harness_metrics.{module}"), name).name for module in MODULES for name in METRICS[module]]
MODELS = ("tiny-supervised", "cnn", "vit")
FINETUNED = "consistency[simclr[2],head=finetune,steps=2,lrs=0.01,wds=0,batch=8,sample=8]"
PASSED = (
    "grams[block=4]", "grams[*2*,view=simclr[2],block=4]", "embed[*2*|embedding]", "embed[*2*|embedding,flat=true]",
    "views[rotation[4]]", "views[simclr[3],layers=*2*,reference=none]", "nnk", "nnk[simclr[6],sample=12]",
)  # fmt: skip
"""Tasks of stored features."""
MANY = ("alpha_req_11_100", "h_score", "svcca", "pwcca")
"""Metrics that need more images than there are dimensions."""
TASKS = (
    *PASSED, "layers[*2*]", "layers[*2*,probe=knn]", "consistency[rotation[4]]", FINETUNED, "attribute[sample=6]",
    "attribute[sample=6,method=cam]", "attribute[sample=6,method=rollout]",
    "attribute[sample=6,head=finetune,steps=2,batch=8]", "occlude[sample=2,mask=8,stride=8]",
    "reconstruct[sample=2,iterations=2]", "detail",
)  # fmt: skip


OURS = (
    "nnk_neighbours", "nnk_diameter", "nnk_affinity", "view_cosine", "view_retrieval", "equivariance_r2", "consistency",
    "attribution_ssim", "attribution_rank", "decoding_r2", "cka_views", "cka_class", "class_r2",
)  # fmt: skip
"""Metrics of quantities whose definition no paper gives."""


class Undefined(NamedTuple):
    """Why a metric has no value on a task (both patterns) where one of the models is among these (all: none named)."""

    task: str
    metric: str
    reason: str
    models: tuple[str, ...] = ()

    def holds(self, cell: Cell) -> bool:
        among = not self.models or cell.model in self.models or cell.partner in self.models
        return among and all(map(re.fullmatch, self[:2], (cell.task.removesuffix("@squares"), cell.metric)))


UNDEFINED = (
    Undefined(r"grams\[block=4\]", "cka_views", "needs two of each image"),
    Undefined(r"embed.*", "alpha_req_11_100", "the fit is over ranks 11 to 100, the features have 39"),
    Undefined(r"embed.*", "h_score", "40 images in 39 dimensions is the same for any features"),
    Undefined(r"embed.*", "svcca|pwcca", "directions of 40 images: .* take more images"),
    Undefined(r".*reference=none.*", "invariance_(cosine|mahalanobis|curve)", "needs a reference set to whiten by"),
    Undefined(r"consistency\[simclr.*", "consistency_curve", "no grid of one parameter"),
    Undefined(r"attribute.*method=cam.*", ".*", "the embedding is not the mean of layer 'blocks.11.norm1'", ("vit",)),
    Undefined(r"attribute.*rollout.*", ".*", "no attention rollout: .*no tokens", ("tiny-supervised", "cnn")),
    Undefined(r"occlude.*", "(deletion|insertion)_auc", "these maps explain no class"),
    Undefined(r"reconstruct.*", "lpips", "without torchvision's weights"),
)


class Run(NamedTuple):
    out: Path
    summary: Summary
    done: list[Record]


@pytest.fixture(scope="module", autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No third-party plugins and no downloaded weights, from before the runs that tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_NO_PLUGINS", "1")
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        yield


@pytest.fixture(scope="module")
def matrix(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("matrix")
    summary = go(out, world(), MODELS, TASKS, ["top1", *NEW])
    return Run(out, summary, records(out, "done"))


def test_no_cell_fails(matrix: Run) -> None:
    assert matrix.summary.failures == []
    assert matrix.summary.cells == matrix.summary.done + len(matrix.summary.undefined)
    assert not matrix.summary.warnings


def test_undefined_are_these_cells_and_no_others(matrix: Run) -> None:
    told = matrix.summary.undefined
    found = {Cell(u["model"], u["task"], u["metric"], 0, u.get("partner")): u["reason"] for u in told}
    for cell, reason in found.items():
        assert any(each.holds(cell) and re.search(each.reason, reason) for each in UNDEFINED), (cell, reason)
        assert "\n" not in reason
    for record in matrix.done:
        assert not any(each.holds(record.cell) for each in UNDEFINED), record.cell
    assert all(any(each.holds(cell) for cell in found) for each in UNDEFINED)


@pytest.mark.parametrize("model", MODELS)
def test_every_metric_has_a_value_on_every_model(matrix: Run, model: str) -> None:
    found = {record.metric["name"] for record in matrix.done if model in (record.model, record.partner)}
    assert found == {"top1", *NEW} - {*MANY, "lpips"}


@pytest.mark.parametrize("model", MODELS)
def test_every_task_has_evidence_of_every_model(matrix: Run, model: str) -> None:
    none = {"attribute[sample=6,method=cam]"} if model == "vit" else {"attribute[sample=6,method=rollout]"}
    assert {r.task.removesuffix("@squares") for r in matrix.done if r.model == model} == set(TASKS) - none


def test_scores_are_finite_and_within_their_bounds(matrix: Run) -> None:
    for record in matrix.done:
        low, high = record.metric["bounds"]
        for score in record.scores:
            assert math.isfinite(score.value), record.cell
            assert (-math.inf if low is None else low) <= score.value <= (math.inf if high is None else high)
            if score.low is not None and score.high is not None:
                assert score.low <= score.high


def test_scores_do_not_depend_on_the_batch_size(matrix: Run, tmp_path: Path) -> None:
    go(tmp_path, world(), MODELS, PASSED, NEW, batch_size=7)
    before = {(r.cell, s.variant): s.value for r in matrix.done for s in r.scores}
    found = {(r.cell, s.variant): s.value for r in records(tmp_path, "done") for s in r.scores}
    assert len(found) > 500
    for name, value in found.items():
        assert value == pytest.approx(before[name], rel=2e-4, abs=2e-4), name


def test_metrics_that_need_many_images_have_a_value_where_there_are(tmp_path: Path) -> None:
    summary = go(tmp_path, world(test=720), MODELS, ["embed"], MANY, size=32)
    assert (summary.failures, summary.undefined) == ([], [])
    assert summary.done == 2 * 3 + 2 * 3  # of models, and of pairs of them


@pytest.mark.parametrize("name", OURS)
def test_our_own_definitions_say_so_in_the_line_that_the_board_shows(name: str) -> None:
    module = next(module for module in MODULES if name in METRICS[module])
    assert "our definition" in getattr(import_module(f"harness_metrics.{module}"), name).__doc__.splitlines()[0]
