"""The probe at every layer is the linear task, or knn, with that layer for the embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from probe_data import data

from harness.datasets import DatasetCard
from harness.metrics import value
from harness.tasks import Fold, TargetsWithheldError, TaskData
from harness_metrics.classification import top1
from harness_tasks.knn import KNN
from harness_tasks.layers import Layers
from harness_tasks.linear import Linear

LAYERS = ("stage1", "stage2", "embedding")


def staged(view: str = "clean", multilabel: bool = False) -> tuple[TaskData, torch.Tensor]:
    """A problem whose layers see 3, 8 and all of its 20 features."""
    whole, targets = data(multilabel)
    folds = {}
    for name, fold in whole.folds.items():
        x = fold.embeddings
        features = {(layer, view): x[:, :width] for layer, width in zip(LAYERS, (3, 8, 20), strict=True)}
        folds[name] = Fold(name, features, fold.given)
    return replace(whole, folds=folds, layers=LAYERS), targets


def alone(whole: TaskData, layer: str) -> TaskData:
    folds = {n: Fold(n, {("embedding", "clean"): f.layer(layer)}, f.given) for n, f in whole.folds.items()}
    return replace(whole, folds=folds, layers=("embedding",))


def test_each_layer_is_the_linear_task() -> None:
    whole, targets = staged()
    found = Layers().run(whole)
    assert list(found) == ["embedding", "stage2", "stage1"]
    for layer in LAYERS:
        assert found[layer].scores.equal(Linear().run(alone(whole, layer)).scores)
        assert found[layer].temperature == Linear().run(alone(whole, layer)).temperature
    right = {layer: value(top1, found[layer].join(targets=targets)) for layer in LAYERS}
    assert right["embedding"] > right["stage1"] + 5


def test_each_layer_is_knn() -> None:
    whole, _ = staged()
    found = Layers(probe="knn").run(whole)
    for layer in LAYERS:
        assert found[layer].scores.equal(KNN().run(alone(whole, layer))["k=20"].scores)


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_another_view_and_labels(probe: Literal["linear", "knn"]) -> None:
    whole, _ = staged("whole", multilabel=True)
    task = Layers(layers="stage*", probe=probe, view="whole")
    assert task.needs.features == (("stage*", "whole"),)
    assert task.needs.folds == ("train", "val", "test")
    found = task.run(replace(whole, layers=("stage1", "stage2")))
    assert list(found) == ["stage2", "stage1"]
    assert all(each.multilabel and each.scores.shape == (100, 4) for each in found.values())


def test_progress_is_told_by_the_layer() -> None:
    whole, _ = staged()
    told: list[tuple[int, int]] = []
    Layers(probe="knn").run(replace(whole, progress=lambda done, total: told.append((done, total))))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_it_reads_no_test_targets_and_refuses_what_its_probe_refuses() -> None:
    whole, _ = staged()
    with pytest.raises(TargetsWithheldError):
        _ = whole.test.targets
    card = DatasetCard(name="d", revision="1", classes=("x",), splits={"train": 1, "test": 1}, kind="continuous")
    assert Layers().skip(card) == Linear().skip(card)
    assert Layers().skip(card) is not None
    assert Layers().skip(card.model_copy(update={"kind": "single-label"})) is None
    assert Layers(layers=0).layers == ("0",)


def test_its_version_follows_those_of_its_probes() -> None:
    """The numbers are theirs: when one of them changes, so must this version, and this line."""
    assert (Linear.version, KNN.version, Layers.version) == (2, 1, 1)
