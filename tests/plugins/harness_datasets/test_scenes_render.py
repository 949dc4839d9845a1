"""The renderer of `scenes`: rays against oracles, targets against their image, labels without shortcuts."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from harness.errors import HarnessError
from harness_datasets.scenes import layout
from harness_datasets.scenes.colours import PALETTE
from harness_datasets.scenes.layout import BODIES, LEAST_AREA, MAIN_AREA, MARGIN, draw_layout
from harness_datasets.scenes.render import COLOURS, LEAST_SIZE, SHAPES, Scene, render, render_many

SIZE = 64
FIELDS = tuple(Scene.__dataclass_fields__)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return render_many(range(24), seed=11, size=SIZE)


@pytest.fixture(scope="module")
def many() -> list[Scene]:
    """As many as a test of proportions wants, at the least size."""
    return render_many(range(960), seed=12, size=LEAST_SIZE)


def same(a: Scene, b: Scene) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


def test_bodies_stand_on_the_ground_apart_and_in_front_of_the_camera() -> None:
    for i in range(40):
        found = draw_layout(np.random.default_rng([4, i]), LEAST_SIZE)
        placed = [body.placed for body in found.bodies]
        assert found.camera.origin[2] > 0
        np.testing.assert_allclose(found.camera.axes @ found.camera.axes.T, np.eye(3), atol=1e-5)
        for k, body in enumerate(placed):
            np.testing.assert_allclose(body.rotation @ body.rotation.T, np.eye(3), atol=1e-5)
            points = body.centre[:, None] + body.scale * (body.rotation @ body.solid.points)
            assert points[2].min() - body.scale * body.solid.rounding == pytest.approx(0, abs=1e-4)
            assert all(math.dist(body.centre, o.centre) > body.radius + o.radius for o in placed[:k])


# --- scenes ------------------------------------------------------------------------------------------------------


def test_a_scene_depends_on_its_seed_and_index_alone(scenes: list[Scene]) -> None:
    assert same(scenes[5], render(5, seed=11, size=SIZE))
    backwards = render_many(range(7, 3, -1), seed=11, size=SIZE)
    assert all(same(a, b) for a, b in zip(backwards, scenes[7:3:-1], strict=True))
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda i: render(i, seed=11, size=SIZE), range(8)))
    assert all(same(a, b) for a, b in zip(threaded, scenes, strict=False))


def test_other_seeds_and_indices_give_other_scenes(scenes: list[Scene]) -> None:
    assert not any(np.array_equal(a.image, b.image) for a, b in pairwise(scenes))
    assert not np.array_equal(scenes[0].image, render(0, seed=12, size=SIZE).image)


@pytest.mark.parametrize("size", [LEAST_SIZE, 33, 96])
def test_sizes(size: int) -> None:
    scene = render(2, seed=0, size=size)
    assert scene.image.shape == scene.normals.shape == (size, size, 3)
    assert scene.instance_mask.shape == scene.semantic_mask.shape == (size, size)
    types = (scene.image.dtype, scene.instance_mask.dtype, scene.semantic_mask.dtype, scene.normals.dtype)
    assert types == (np.uint8, np.uint8, np.uint8, np.float32)


@pytest.mark.parametrize(("index", "seed", "size"), [(-1, 0, 64), (0, -1, 64), (0, 0, LEAST_SIZE - 1)])
def test_what_cannot_be_rendered_is_refused(index: int, seed: int, size: int) -> None:
    with pytest.raises(HarnessError, match="cannot render"):
        render(index, seed=seed, size=size)


def test_boxes_are_tight_around_the_instances(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.boxes.shape == (len(scene.labels), 4)
        assert scene.boxes.dtype == np.float32
        for k, box in enumerate(scene.boxes):
            rows, columns = np.nonzero(scene.instance_mask == 1 + k)
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_masks_agree_with_the_labels(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert set(np.unique(scene.instance_mask)) - {0} == set(range(1, 1 + len(scene.labels)))
        assert ((scene.instance_mask == 0) == (scene.semantic_mask == 0)).all()
        for k, label in enumerate(scene.labels):
            assert (scene.semantic_mask[scene.instance_mask == 1 + k] == 1 + label).all()
        assert scene.object_mask.dtype == np.uint8
        assert ((scene.object_mask == 1) == (scene.instance_mask == 1 + scene.main)).all()
        assert (scene.semantic_mask[scene.object_mask == 1] == 1 + scene.shape).all()
        assert set(np.flatnonzero(scene.shapes_present)) == set(scene.labels.tolist())
        assert scene.shapes_present.shape == (len(SHAPES),)


def test_the_main_body_stands_out(scenes: list[Scene]) -> None:
    for scene in scenes:
        area = np.bincount(scene.instance_mask.ravel(), minlength=1 + len(scene.labels))[1:]
        assert scene.shape == scene.labels[scene.main]
        assert area[scene.main] >= MAIN_AREA * SIZE**2
        assert area[scene.main] >= MARGIN * np.delete(area, scene.main).max(initial=0)
        assert area.min() >= LEAST_AREA * SIZE**2


def test_normals_are_unit_face_the_camera_and_vanish_on_the_backdrop(scenes: list[Scene]) -> None:
    backdrops = 0
    for scene in scenes:
        length = np.linalg.norm(scene.normals, axis=2)
        backdrop = length == 0
        backdrops += int(backdrop.any())
        np.testing.assert_allclose(length[~backdrop], 1, atol=1e-5)
        assert not backdrop[scene.instance_mask > 0].any()
        ground = scene.normals[(scene.instance_mask == 0) & ~backdrop]
        np.testing.assert_allclose(ground, np.broadcast_to(ground[0], ground.shape), atol=1e-6)
        assert ground[0, 1] > 0.6  # up in the image, as the camera stands nearly upright
        # No ray is more than 35 degrees off the axis, so no visible surface turns further away than that.
        assert scene.normals[..., 2].min() > -math.sin(math.radians(35))
    assert backdrops


def test_the_main_body_has_its_colour() -> None:
    """Its median hue is nearer to the named one than to any other, but for odd light or mirrors."""
    right = []
    for scene in render_many(range(60), seed=13, size=32):
        pixels = np.median(scene.image[scene.instance_mask == 1 + scene.main], axis=0) / 255
        spread = np.ptp(pixels)
        if COLOURS[scene.colour] == "grey":
            right.append(spread < 0.25)
            continue
        r, g, b = pixels
        hue = math.degrees(math.atan2(math.sqrt(3) * (g - b), 2 * r - g - b))
        away = [abs((hue - PALETTE[name][0] + 180) % 360 - 180) for name in COLOURS if name != "grey"]
        right.append(int(np.argmin(away)) == scene.colour)
    assert np.mean(right) > 0.8


def test_images_are_well_exposed(scenes: list[Scene]) -> None:
    images = np.stack([scene.image for scene in scenes]).astype(np.float64)
    means = images.mean((1, 2, 3))
    assert 60 < means.min() < means.max() < 200
    assert images.std((1, 2, 3)).min() > 12
    assert (images == 255).all(3).mean() < 0.03


# --- no shortcuts ------------------------------------------------------------------------------------------------


def test_classes_are_balanced(many: list[Scene]) -> None:
    assert chisquare(np.bincount([s.shape for s in many], minlength=len(SHAPES))).pvalue > 1e-3
    assert chisquare(np.bincount([s.colour for s in many], minlength=len(COLOURS))).pvalue > 1e-3
    numbers = np.bincount([len(s.labels) for s in many], minlength=1 + len(BODIES))[1:]
    assert chisquare(numbers, np.multiply(BODIES, len(many))).pvalue > 1e-3


def test_shape_colour_and_number_are_independent(many: list[Scene]) -> None:
    columns = {
        "shape": [s.shape for s in many],
        "colour": [s.colour for s in many],
        "number": [len(s.labels) - 1 for s in many],
    }
    for one, other in (("shape", "colour"), ("shape", "number"), ("colour", "number")):
        table = np.zeros((8, 8))
        np.add.at(table, (columns[one], columns[other]), 1)
        table = table[:, table.sum(0) > 0]
        assert chi2_contingency(table).pvalue > 1e-3, (one, other)


def test_drawing_anew_changes_no_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise shapes that fail more often, or pairs of classes that do, would be rarer."""

    def classes(i: int) -> tuple[int, int, int, list[int]]:
        found = draw_layout(np.random.default_rng([5, i]), LEAST_SIZE)
        return len(found.bodies), found.main, found.bodies[found.main].shape, [b.colour for b in found.bodies]

    before, judge, refusals = [classes(i) for i in range(12)], layout._stands_out, iter([True, True, False] * 99)
    monkeypatch.setattr(layout, "_stands_out", lambda *scene: judge(*scene) and not next(refusals))
    assert [classes(i) for i in range(12)] == before


def test_the_surroundings_do_not_tell_the_shape(many: list[Scene]) -> None:
    """The mean colour of what is not a body, in thirds of each channel, against the shape of the main body."""
    around = np.stack([s.image[s.instance_mask == 0].mean(0) for s in many])
    thirds = (around[:, :, None] > np.quantile(around, [1 / 3, 2 / 3], axis=0).T).sum(2)
    for channel in thirds.T:
        table = np.zeros((len(SHAPES), 3))
        np.add.at(table, ([s.shape for s in many], channel), 1)
        assert chi2_contingency(table).pvalue > 1e-3
