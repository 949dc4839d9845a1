"""Predictions for views: of the very classifiers that the linear task and fine-tuning make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import finetune_world
import pytest
import torch
from view_world import data, encoder, targets

from harness.datasets import DatasetCard
from harness.encoder import ModuleEncoder
from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.metrics import value
from harness.models import Preprocess
from harness.tasks import Fold, TaskData, parameters
from harness.transforms import FAMILIES, image_seed
from harness_metrics.classification import top1
from harness_metrics.consistency import consistency
from harness_tasks.consistency import Consistency
from harness_tasks.finetune import Finetune
from harness_tasks.linear import Linear

VIEW = "noise[3]"


def judged(given: TaskData, sign: int = 1) -> TaskData:
    """With a judge by top-1, or by its opposite."""

    def judge(evidence: Predictions) -> float:
        return sign * value(top1, evidence.join(targets=targets("val")))

    return replace(given, judge=judge)


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_the_probe_is_that_of_the_linear_task(name: str) -> None:
    given = judged(data(encoder(name), VIEW))
    found = Consistency(VIEW).run(given)
    assert found.scores.shape == (24, 3, 3)
    assert found.parameters.equal(given.test.parameters(VIEW))
    assert found.family == "noise"
    torch.testing.assert_close(found.clean, Linear().run(given).scores)
    for view in range(3):
        moved = Fold("test", {("embedding", "clean"): given.test.layer("embedding", VIEW)[:, view].contiguous()}, None)
        wanted = Linear().run(replace(given, folds={**given.folds, "test": moved})).scores
        torch.testing.assert_close(found.scores[:, view], wanted)
    assert value(top1, Predictions(found.clean, targets("test"))) > 60
    assert value(consistency, found) <= 100


def test_the_probe_is_chosen_by_the_datasets_own_metric() -> None:
    right, wrong = (judged(data(encoder("cnn"), VIEW), sign) for sign in (1, -1))
    found = Consistency(VIEW).run(wrong)
    torch.testing.assert_close(found.clean, Linear().run(wrong).scores)
    assert not torch.allclose(found.clean, Linear().run(right).scores)


TUNED: dict[str, Any] = {"steps": 6, "batch": 16, "lrs": 0.05, "wds": 0.0}


def tuning_world(margin: int) -> TaskData:
    """Fine-tuning's world, for an encoder that crops `margin` pixels from each side."""
    given = finetune_world.world()
    side = finetune_world.SIDE - 2 * margin
    net = given.encoder.module
    cropped = {
        name: replace(fold, source=Cropped(fold.source.images, margin)) for name, fold in given.folds.items()
    }  # fmt: skip
    cropped["test"] = replace(cropped["test"], drawn=drawn)
    preprocess = Preprocess(size=side, crop=side / finetune_world.SIDE)
    return replace(given, folds=cropped, encoder=ModuleEncoder(net, preprocess).eval())


class Cropped(finetune_world.Images):
    """Images whose middle is what the encoder sees."""

    def __init__(self, images: torch.Tensor, margin: int) -> None:
        super().__init__(images)
        self.inside = slice(margin, images.shape[-1] - margin)

    def pixels(self, batch_size: int) -> Any:
        yield from torch.split(self.images[..., self.inside, self.inside], batch_size)


def drawn(view: str) -> torch.Tensor:
    family, n = FAMILIES[view.partition("[")[0]], int(view.partition("[")[2][:-1])
    return torch.stack([family.draw(n, image_seed(family.name, str(i))) for i in range(finetune_world.SIZES["test"])])


@pytest.mark.parametrize(("view", "margin"), [("translation[4]", 1), ("noise[70]", 0), ("hflip[1]", 2)])
def test_the_network_is_that_of_fine_tuning_and_views_are_those_of_a_pass(view: str, margin: int) -> None:
    found = Consistency(view, head="finetune", **TUNED).run(tuning_world(margin))
    finetune = Finetune(view="clean", **TUNED)
    torch.testing.assert_close(found.clean, finetune.run(tuning_world(margin)).scores)
    family, parameters = FAMILIES[found.family], drawn(view)
    for at in (0, parameters.shape[1] - 1):
        given = tuning_world(margin)
        canvas = given.test.source.images
        moved = family.apply(canvas, parameters[:, at], finetune_world.SIDE - 2 * margin)
        seen = replace(given.test, source=finetune_world.Images(moved))
        wanted = finetune.run(replace(given, folds={**given.folds, "test": seen})).scores
        torch.testing.assert_close(found.scores[:, at], wanted, rtol=1e-4, atol=1e-5)
    assert (found.scores - found.clean[:, None]).abs().amax() > 1e-3
    found.check(finetune_world.SIZES["test"], 3)


def test_what_it_asks_for() -> None:
    needs = Consistency("rotation[4]").needs
    assert needs.views == ("clean", "rotation[4]")
    assert needs.folds == ("train", "val", "test")
    assert needs.sample == 200
    assert not needs.encoder
    tuned = Consistency("rotation[4]", head="finetune").needs
    assert tuned.encoder
    assert tuned.features == ()
    assert tuned.views == ("clean",)
    assert tuned.sample == 200


def test_the_same_task_has_one_form() -> None:
    assert Consistency("rotation[16]") == Consistency("rotation", 16)
    assert Consistency(lrs=0.1) == Consistency(lrs=(0.1,))
    own = {name: each for name, each in parameters(Finetune()).items() if name in ("steps", "batch", "lrs", "wds")}
    assert own.items() <= parameters(Consistency()).items()


def test_what_cannot_be_says_why() -> None:
    with pytest.raises(HarnessError, match="the family has 1"):
        Consistency("hflip", 2)
    with pytest.raises(HarnessError, match="a learning rate of 0 trains nothing"):
        Consistency(lrs=0.0)
    card = DatasetCard(name="d", revision="1", kind="multi-label", classes=("x",), splits={"train": 1, "test": 1})
    assert Consistency().skip(card) == "needs one label an image, d is multi-label"
    assert Consistency().skip(card.model_copy(update={"kind": "single-label"})) is None
