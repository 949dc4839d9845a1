"""Tasks: declared once, given what they need, and never the test targets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch

from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.tasks import EMBEDDING, Feature, Fold, Needs, TargetsWithheldError, Task, TaskData, parameters, task
from harness.testing.worlds import MemoryImages
from harness.views import CLEAN


def fold(name: str, given: torch.Tensor | None = None) -> Fold:
    features = {(EMBEDDING, CLEAN): torch.zeros(3, 2), ("deep", "flip"): torch.ones(3, 4)}
    return Fold(name, features, given)


def test_a_declaration_adds_what_is_left_out() -> None:
    @task("t", evidence=Predictions, version=3, episodic=True)
    class T:
        k: int = 5

        def run(self, data: TaskData) -> Any: ...

    made: Any = T(k=7)
    assert isinstance(made, Task)
    assert (T.name, T.evidence, T.version, T.episodic) == ("t", Predictions, 3, True)
    assert made.needs == Needs(("train", "val", "test"), (EMBEDDING,), (CLEAN,), False)
    assert made.skip(None) is None
    assert parameters(made) == {"k": 7}
    with pytest.raises(AttributeError):
        made.k = 3


def test_a_declaration_keeps_what_is_there() -> None:
    @task("t", evidence=Predictions)
    @dataclass(frozen=True)
    class T:
        layer: str = "deep"

        @property
        def needs(self) -> Needs:
            return Needs(layers=(self.layer,))

        def skip(self, card: Any) -> str | None:
            return "never"

        def run(self, data: TaskData) -> Any: ...

    assert T("stem").needs.layers == ("stem",)
    assert T().skip(None) == "never"


def test_a_variation_of_a_task_has_its_own_name_and_parameters(toys: ModuleType) -> None:
    @task("sharper", evidence=Predictions, version=2)
    class Sharper(toys.Centroid):  # type: ignore[misc]
        power: float = 2.0

    assert (Sharper.name, Sharper.version, toys.Centroid.name, toys.Centroid.version) == ("sharper", 2, "centroid", 1)
    assert parameters(Sharper(power=3.0)) == {"scale": 1.0, "noise": 0.0, "layer": "embedding", "power": 3.0}


def test_a_task_needs_a_method_run() -> None:
    with pytest.raises(HarnessError, match=r"task 't': T needs a method run\(data\)"):
        task("t", evidence=Predictions)(type("T", (), {}))


def test_the_test_targets_are_withheld() -> None:
    with pytest.raises(TargetsWithheldError, match="targets of the test fold are withheld"):
        _ = fold("test").targets
    assert fold("train", torch.arange(3)).targets.tolist() == [0, 1, 2]


def test_features_by_layer_and_view() -> None:
    found = fold("train")
    assert found.embeddings.shape == (3, 2)
    assert found.layer("deep", "flip").shape == (3, 4)
    with pytest.raises(KeyError):
        found.layer("deep")


def test_pixels_are_for_those_who_ask() -> None:
    with pytest.raises(HarnessError, match=r"declare Needs\(encoder=True\)"):
        fold("train").pixels(4)
    with pytest.raises(HarnessError, match=r"declare Needs\(encoder=True\)"):
        fold("train").augmented([0], 1, lambda image, place: image)
    source = MemoryImages(torch.arange(5 * 3 * 64).view(5, 3, 8, 8).byte())
    own = Fold("train", {}, None, source)
    assert [len(batch) for batch in own.pixels(4)] == [4, 1]
    assert torch.equal(next(own.augmented([4, 4], 2, lambda image, place: image + place))[1], source.images[4] + 1)


def test_features_are_every_layer_of_every_view() -> None:
    needs = Needs(layers=("a", "b"), views=("clean", "whole"))
    assert needs.features == (("a", "clean"), ("b", "clean"), ("a", "whole"), ("b", "whole"))
    assert Needs(encoder=True).features == ()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"views": ("rotation",)}, "rotation is made of the test fold alone, and the train fold is needed"),
        ({"views": ("blur[4]", "hue")}, "made of the test fold alone"),
        ({"views": ("simclr[2]", "clean"), "encoder": True, "folds": ("test",)}, "pixels are of one view of an image"),
    ],
)
def test_what_a_family_of_views_cannot_give(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=re.escape(message)):
        Needs(**asked)


def test_what_a_family_of_views_can_give() -> None:
    assert Needs(views=("clean", "rotation")).of_fold("train") == (Feature("embedding", "clean"),)
    assert len(Needs(("test",), views=("rotation",)).of_fold("test")) == 1


def test_task_data() -> None:
    data = TaskData({n: fold(n) for n in ("train", "val", "test")}, ("a", "b"), False, lambda evidence: 0.0)
    assert (data.train.name, data.val.name, data.test.name, data.num_classes) == ("train", "val", "test", 2)
