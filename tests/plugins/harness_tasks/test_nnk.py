"""NNK geometry as a task: what it asks for, and that images stay with their own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.datasets import DatasetCard
from harness.errors import HarnessError, UndefinedError
from harness.numerics.manifold import manifold
from harness.tasks import Fold, TaskData
from harness_tasks.nnk import NNK


def never(_: Any) -> float:
    raise AssertionError("an unfitted task chooses nothing")


def given(features: Tensor, targets: list[int], view: str = "clean", layer: str = "embedding") -> TaskData:
    """Test images of two classes."""
    fold = Fold("test", {(layer, view): features}, torch.tensor(targets))
    return TaskData({"test": fold}, ("cat", "dog"), False, never)


def card(kind: Any) -> DatasetCard:
    return DatasetCard(
        name="some", revision="1", kind=kind, classes=("a", "b"), splits={"train": 9, "test": 9}, domain="synthetic"
    )


def cloud(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) + 0.3


def test_it_asks_for_the_test_images_alone() -> None:
    needs = NNK().needs
    assert (needs.folds, needs.views, needs.layers, needs.sample) == (("test",), ("clean",), ("embedding",), None)
    needs = NNK(of="simclr[50]", layer="layer3").needs
    assert (needs.folds, needs.views, needs.layers, needs.sample) == (("test",), ("simclr[50]",), ("layer3",), 200)
    assert NNK(sample=30).needs.sample == NNK(of="blur[8]", sample=30).needs.sample == 30


def test_only_the_semantic_manifold_needs_one_label_an_image() -> None:
    assert NNK().skip(card("single-label")) is None
    assert "some is multi-label" in str(NNK().skip(card("multi-label")))
    assert NNK(of="simclr[50]").skip(card("multi-label")) is None


@pytest.mark.parametrize("task", [NNK(k=6), NNK(k=6, mode="reference"), NNK(k=6, kernel="gaussian")])
def test_images_of_a_class_are_among_themselves(task: NNK) -> None:
    x, targets = cloud(20, 12), [0, 1] * 8 + [0] * 4
    found = task.run(given(x, targets))
    assert found.neighbours.shape == found.diameter.shape == found.affinity.shape == (20, 1)
    found.check(20, 2)
    for c in (0, 1):
        rows = torch.tensor(targets) == c
        alone = manifold(x[rows].unsqueeze(0), 6, mode=task.mode, kernel=task.kernel)
        assert found.neighbours[rows, 0].tolist() == alone.neighbours[0].tolist()
        assert found.diameter[rows, 0].tolist() == pytest.approx(alone.diameter[0].tolist())
        assert found.affinity[rows, 0].tolist() == pytest.approx(alone.affinity[0].tolist())


def test_the_parameters_reach_the_numbers() -> None:
    data = given(cloud(30, 12), [0] * 15 + [1] * 15)
    tasks = [NNK(), NNK(k=3), NNK(mode="reference"), NNK(kernel="gaussian")]
    found = [tuple(task.run(data).affinity.flatten().tolist()) for task in tasks]
    assert len(set(found)) == len(tasks)


def test_views_of_an_image_are_among_themselves() -> None:
    x = cloud(4, 9, 12)
    found = NNK(of="simclr[9]").run(given(x, [0, 0, 1, 1], "simclr[9]"))
    assert found.neighbours.shape == (4, 9)
    found.check(4, 2)
    for i in range(4):
        alone = NNK(of="simclr[9]").run(given(x[i : i + 1], [0], "simclr[9]"))
        assert found.neighbours[i].equal(alone.neighbours[0])
        torch.testing.assert_close(found.affinity[i], alone.affinity[0])


def test_views_on_a_ring_tell_its_size() -> None:
    """An image whose views turn evenly: two neighbours each; the smaller the ring, the more invariant."""
    angle = 2 * math.pi * torch.arange(16) / 16
    rings = [torch.stack([size * angle.cos(), size * angle.sin(), torch.ones(16)], 1) for size in (0.1, 0.5)]
    found = NNK(of="rotation[16]").run(given(torch.stack(rings), [0, 1], "rotation[16]"))
    assert (found.neighbours == 2).all()
    assert float(found.diameter[0].max()) < float(found.diameter[1].min())


def test_a_class_of_two_images_has_no_geometry() -> None:
    with pytest.raises(UndefinedError, match=r"class 'dog' is undefined: it has 2 test images, 3 are needed"):
        NNK().run(given(cloud(8, 5), [0] * 6 + [1] * 2))


def test_a_class_without_test_images_is_no_matter() -> None:
    assert len(NNK().run(given(cloud(6, 5), [1] * 6))) == 6


def test_the_same_features_for_all_have_no_geometry() -> None:
    with pytest.raises(UndefinedError, match="all features are the same"):
        NNK().run(given(torch.ones(8, 5), [0, 1] * 4))
    with pytest.raises(UndefinedError, match="all features are the same"):
        NNK(of="blur[4]").run(given(torch.ones(2, 4, 5), [0, 1], "blur[4]"))


def test_an_image_whose_views_are_all_alike_is_a_point() -> None:
    x = cloud(3, 5, 8)
    x[1] = x[1, :1]
    found = NNK(of="blur[5]").run(given(x, [0, 0, 1], "blur[5]"))
    assert found.neighbours[1].tolist() == [1] * 5
    assert found.diameter[1].tolist() == [0] * 5
    assert found.affinity[1].tolist() == [1] * 5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mode": "best"}, r"nnk\[mode=best\]: the mode must be exact or reference"),
        ({"kernel": "rbf"}, r"nnk\[kernel=rbf\]: the kernel must be cosine or gaussian"),
        ({"k": 1}, "two candidates"),
        ({"of": "simclr[2]"}, "3 views of an image"),
        ({"of": "hflip"}, "3 views of an image"),
        ({"of": "clean"}, "no view family 'clean'"),
        ({"of": "simcl[50]"}, "did you mean 'simclr'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        NNK(**parameters)
