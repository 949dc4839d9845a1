from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.errors import HarnessError
from harness_datasets.scenes import dataset
from harness_datasets.scenes.dataset import Scenes
from harness_datasets.scenes.render import COLOURS, SHAPES, render


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six scenes instead of three thousand, rendered in this process, and nothing left in memory."""
    monkeypatch.setattr(dataset, "SIZES", {"train": 4, "test": 2})
    monkeypatch.setattr(dataset, "STARTS", {"train": 0, "test": 4})
    monkeypatch.setattr(dataset, "CHUNK", 4)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    dataset.scenes.cache_clear()
    yield
    dataset.scenes.cache_clear()


def cache_file(cache: Path) -> Path:
    (path,) = cache.rglob("*.npz")
    return path


def test_images_and_targets_are_the_renderers() -> None:
    split = Scenes().checked("test")
    expected = [render(i, seed=dataset.SEED, size=64) for i in (4, 5)]
    assert all(np.array_equal(image, scene.image) for image, scene in zip(split.images, expected, strict=True))
    assert split.targets.tolist() == [scene.shape for scene in expected]
    assert Scenes("colour").checked("test").targets.tolist() == [scene.colour for scene in expected]
    assert np.array_equal(Scenes("shapes").checked("test").targets, [scene.shapes_present for scene in expected])
    assert list(split.ids) == ["scenes/0004", "scenes/0005"]


def test_annotations_are_those_of_the_image() -> None:
    fields, scene = Scenes().split("test").fields, render(5, seed=dataset.SEED, size=64)
    assert all(len(field) == 2 for field in fields.values())
    expected = {
        "boxes": scene.boxes,
        "labels": scene.labels,
        "normals": scene.normals,
        "instance_masks": scene.instance_mask,
        "object_masks": scene.object_mask,
        "semantic_masks": scene.semantic_mask,
    }
    assert fields.keys() == expected.keys()
    for name, value in expected.items():
        for found in (fields[name][1], fields[name][-1], fields[name][1:][0]):
            assert np.array_equal(found, value)
    with pytest.raises(IndexError):
        fields["boxes"][2]


def test_targets_share_the_pixels() -> None:
    shape, colour, shapes = (Scenes(target).card for target in ("shape", "colour", "shapes"))
    assert shape.source == colour.source == shapes.source
    assert (shape.classes, colour.classes, shapes.classes) == (SHAPES, COLOURS, SHAPES)
    assert (shape.kind, colour.kind, shapes.kind) == ("single-label", "single-label", "multi-label")
    assert (shape.primary_metric, shapes.primary_metric) == ("top1", "map")
    assert np.shares_memory(Scenes("colour").split("train").images, Scenes().split("train").images)


def test_scenes_are_rendered_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Scenes().split("train").images.copy()
    monkeypatch.setattr(dataset, "_render", lambda n: pytest.fail("rendered again"))
    dataset.scenes.cache_clear()
    Scenes().prepare()
    assert np.array_equal(Scenes().split("train").images, first)
    assert f"scenes-v{dataset.VERSION}" in str(cache_file(cache))


@pytest.mark.parametrize("damage", ["truncated", "altered", "other"])
def test_a_damaged_cache_file_is_rendered_again(cache: Path, damage: str) -> None:
    first = Scenes().split("train").images.copy()
    path = cache_file(cache)
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    damaged = {"truncated": bytes(content[:5000]), "altered": bytes(content), "other": b"not a zip"}
    path.write_bytes(damaged[damage])
    dataset.scenes.cache_clear()
    assert np.array_equal(Scenes().split("train").images, first)
    with np.load(path) as mended:
        assert np.array_equal(mended["images"][:4], first)


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert len(Scenes().checked("train")) == 4


def test_an_unknown_target_suggests_the_nearest() -> None:
    with pytest.raises(HarnessError, match="no target 'color'; did you mean 'colour'"):
        Scenes("color")
