"""The embed task hands over what it asked for."""

from __future__ import annotations

import pytest
import torch

from harness.tasks import Fold, TaskData, tap
from harness_tasks.embed import Embed, layer_names


def given(task: Embed, layers: tuple[str, ...]) -> TaskData:
    """A test fold with other features at each of `layers`, as the host resolves the task's patterns to them."""
    taps = [tap(layer, "flat") if task.flat else layer for layer in layers]
    (view,) = task.needs.views
    features = {(name, view): torch.full((7, 3 + at), float(at)) for at, name in enumerate(taps)}
    return TaskData({"test": Fold("test", features, None)}, ("a", "b"), False, lambda _: 0.0, layers=layers)


def test_one_layer_has_no_name() -> None:
    task = Embed()
    assert task.needs.features == (("embedding", "clean"),)
    assert task.needs.folds == ("test",)
    found = task.run(given(task, ("embedding",)))
    assert found.features.shape == (7, 3)
    assert found.targets is None
    found.check(7, 2)


@pytest.mark.parametrize("flat", [False, True])
def test_several_layers_are_variants_the_deepest_first(flat: bool) -> None:
    task = Embed(layers=("stage*", "embedding"), flat=flat)
    mark = "//flat" if flat else ""
    assert task.needs.layers == (f"stage*{mark}", f"embedding{mark}")
    found = task.run(given(task, ("stage1", "stage2", "embedding")))
    assert list(found) == ["embedding", "stage2", "stage1"]
    assert [found[name].features.shape[1] for name in found] == [5, 4, 3]
    assert found["stage1"].features.eq(0).all()


def test_view_and_sample_are_passed_on() -> None:
    task = Embed(view="whole", sample=200)
    assert (task.needs.views, task.needs.sample) == (("whole",), 200)
    assert task.run(given(task, ("embedding",))).features.shape == (7, 3)
    assert Embed().needs.sample is None


@pytest.mark.parametrize("layers", ["0", 0, ("0",), (0,), [0]])
def test_the_same_layers_have_one_form(layers: object) -> None:
    assert Embed(layers=layers).layers == layer_names(layers) == ("0",)  # type: ignore[arg-type]
    assert Embed(layers=layers) == Embed(layers="0")  # type: ignore[arg-type]
