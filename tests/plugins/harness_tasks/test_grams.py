"""The grams task stacks what the host made; and whole runs, of a CNN, a ViT and a network of the tiny zoo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_world import ME, go, make_host, records
from torch import Tensor

from harness.errors import HarnessError
from harness.plugins import Host
from harness.registry import Entry
from harness.tasks import Fold, TaskData
from harness_metrics import cka
from harness_tasks.grams import GramsTask


def given(task: GramsTask, layers: tuple[str, ...], *shape: int) -> TaskData:
    """A test fold with products of their own at each layer, as the host resolves the task's patterns to them."""
    (view,) = task.needs.views
    features: dict[tuple[str, str], Tensor] = {}
    for at, name in enumerate(layers):
        values = 10.0 * at + torch.arange(shape[-2] if len(shape) > 2 else 1)
        features[f"{name}//gram[{task.block}]", view] = values[:, None].expand(shape)
    return TaskData({"test": Fold("test", features, None)}, ("a", "b"), False, lambda _: 0.0, layers=layers)


def test_one_entry_a_layer_the_embedding_last() -> None:
    task = GramsTask(block=4)
    assert task.needs.layers == ("*//gram[4]", "embedding//gram[4]")
    assert (task.needs.folds, task.needs.sample) == (("test",), 2000)
    found = task.run(given(task, ("embedding", "stage1", "stage2"), 7, 4))
    assert found.layers == ("stage1", "stage2", "embedding")
    assert found.values.shape == (7, 3, 4)
    assert found.values[0, :, 0].tolist() == [10, 20, 0]
    found.check(7, 2)


def test_one_entry_a_layer_and_view() -> None:
    task = GramsTask(block=4, view="simclr[2]", sample=7)
    assert (task.needs.views, task.needs.sample) == (("simclr[2]",), 7)
    found = task.run(given(task, ("stage1", "embedding"), 7, 2, 4))
    assert found.layers == ("stage1#0", "stage1#1", "embedding#0", "embedding#1")
    assert found.values.shape == (7, 4, 4)
    assert found.values[0, :, 0].tolist() == [0, 1, 10, 11]


@pytest.mark.parametrize("layers", ["stage1", ("stage1",), ("stage1", "embedding")])
def test_layers_are_chosen(layers: object) -> None:
    assert GramsTask(layers=layers).needs.layers == ("stage1//gram[64]", "embedding//gram[64]")  # type: ignore[arg-type]


def test_blocks_of_3_are_too_small() -> None:
    with pytest.raises(HarnessError, match="blocks of 4 images or more, got 3"):
        GramsTask(block=3)


def host() -> Host:
    made = make_host()
    entries = [("task", "grams", GramsTask), *(("metric", name, getattr(cka, name)) for name in METRICS)]
    for kind, name, each in entries:
        if name not in made[kind]:
            made[kind].add(Entry(name, each, ME))
    return made


METRICS = ("cka", "cka_biased", "cka_rbf", "cka_layers", "cka_class", "class_r2", "cka_views")


def test_a_cnn_a_vit_and_a_network_of_the_tiny_zoo(tmp_path: Path) -> None:
    models = ("timm:resnet18?pretrained=0", "timm:vit_tiny_patch16_224?pretrained=0", "tiny-random")
    tasks = ("grams[block=8]@colours", "grams[block=8,view=simclr[2],layers=embedding]@colours")
    assert not go(tmp_path, host(), models=models, tasks=tasks, metrics=METRICS, limit=16).failures
    found = {
        (*sorted(filter(None, (r.model, r.partner))), r.task, r.metric["name"]): r.scores for r in records(tmp_path)
    }
    variants = {key: [score.variant for score in scores] for key, scores in found.items()}
    for model in models:
        layers = variants[model, tasks[0], "class_r2"]
        assert layers[0] == "embedding"
        assert variants[model, tasks[0], "cka_class"] == layers
        assert len(variants[model, tasks[0], "cka_layers"]) == len(layers) * (len(layers) - 1) / 2 > 2
        assert variants[model, tasks[1], "cka_views"] == ["embedding"]
        assert (model, tasks[0], "cka_views") not in found  # skipped: there are no views
    untrained = variants[models[0], tasks[0], "class_r2"]
    assert "layer4.1" in untrained
    assert "layer4.1.residual" not in untrained  # timm starts them at 0
    assert len(variants[models[1], tasks[0], "class_r2"]) == 13
    for name in ("cka", "cka_biased", "cka_rbf"):
        assert variants[models[0], models[1], tasks[0], name][0] == "embedding~embedding"


def test_results_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    found = []
    for size in (7, 60):
        choice = {"models": ("net0", "net1"), "tasks": ("grams[block=16]@colours",), "metrics": ("cka", "class_r2")}
        assert not go(tmp_path / str(size), host(), {"batch_size": size}, **choice).failures
        found.append([s.value for r in records(tmp_path / str(size)) for s in r.scores])
    assert len(found[0]) > 20
    assert found[0] == pytest.approx(found[1], abs=1e-5)
