"""Rendering scenes: an image, and targets exact at the centres of its pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness_datasets.scenes.colours import COLOURS, GAMMA
from harness_datasets.scenes.geometry import GROUND, trace
from harness_datasets.scenes.layout import Layout, draw_layout
from harness_datasets.scenes.shading import draw_look, radiance
from harness_datasets.scenes.solids import SHAPES, Floats

__all__ = ["COLOURS", "LEAST_SIZE", "SHAPES", "VERSION", "Scene", "render", "render_many"]

VERSION = 1  # of the content: to be raised whenever a pixel or a target changes
LEAST_SIZE = 16  # pixels; below it, bodies that fill a hundredth of the image are no longer visible
SAMPLES = np.array([[-0.375, -0.125], [0.125, -0.375], [-0.125, 0.375], [0.375, 0.125]], np.float32)  # a rotated grid
LAMPS = len(SAMPLES)  # directions to the sun's disc: one for each ray of a pixel, so that shadows are soft


@dataclass(frozen=True)
class Scene:
    """An image and its targets. K: visible bodies, 1 to 4, in no order; S: len(SHAPES).

    Pixel values average four rays per pixel; masks, boxes and normals are of the ray through each pixel's centre.
    """

    image: NDArray[np.uint8]  # (H, W, 3) sRGB
    main: int  # the body with the most visible pixels: at least 8 % of the image, 1.3 times those of any other
    shape: int  # of the main body, an index into SHAPES
    colour: int  # of the main body, an index into COLOURS
    labels: NDArray[np.int64]  # (K,) the shape of each body
    boxes: NDArray[np.float32]  # (K, 4) left, top, right, bottom in pixels, around the visible pixels of each body
    shapes_present: NDArray[np.bool_]  # (S,)
    instance_mask: NDArray[np.uint8]  # (H, W) 0: ground or backdrop, 1 + k: body k
    object_mask: NDArray[np.uint8]  # (H, W) 1: the main body, 0: all else
    semantic_mask: NDArray[np.uint8]  # (H, W) 0: ground or backdrop, 1 + s: shape s
    normals: NDArray[np.float32]  # (H, W, 3) unit, x right, y up, z to the camera; zeros on the backdrop


def render(index: int, *, seed: int, size: int = 64) -> Scene:
    """Scene `index` of the series `seed`, which fix it, with `size` x `size` pixels.

    Shape and colour of the main body are uniform, and these, the number of bodies, the ground, backdrop, light and
    materials are independent of one another: nothing but its looks tells the shape.
    A scene of another size may be another scene. Raises HarnessError for a negative index or seed, or a size below
    LEAST_SIZE.
    """
    if index < 0 or seed < 0 or size < LEAST_SIZE:
        raise HarnessError(
            f"scenes: cannot render index {index}, seed {seed}, size {size}: "
            f"give an index and a seed of at least 0 and a size of at least {LEAST_SIZE} pixels"
        )
    rng = np.random.default_rng([seed, index])
    layout = draw_layout(rng, size)
    return _scene(layout, _image(rng, layout, size), size)


def render_many(indices: Iterable[int], *, seed: int, size: int = 64) -> list[Scene]:
    """`render` of each index, in order."""
    return [render(index, seed=seed, size=size) for index in indices]


def _image(rng: Generator, layout: Layout, size: int) -> NDArray[np.uint8]:
    look = draw_look(rng, layout.bodies, LAMPS)
    rays = layout.camera.rays(size, SAMPLES)
    hits = trace([body.placed for body in layout.bodies], layout.camera.origin, rays)
    linear = radiance(look, layout.bodies, layout.camera, hits, rays, 2 * layout.camera.slope / size)
    linear *= look.key / linear.mean()
    film = _film(linear).reshape(3, len(SAMPLES), size, size).mean(1)
    encoded = film ** np.float32(1 / GAMMA) * 255 + 0.5
    return np.ascontiguousarray(encoded.astype(np.uint8).transpose(1, 2, 0))


def _film(light: Floats) -> Floats:
    """An S-shaped response to linear light, with values in [0, 1]: dark stays dark, highlights keep their colour."""
    return np.minimum(light * (2.3 * light + 0.05) / (light * (2.3 * light + 0.6) + 0.12), 1)


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _scene(layout: Layout, image: NDArray[np.uint8], size: int) -> Scene:
    """The image with the targets of its layout."""
    instance = (np.maximum(layout.hits.body, GROUND) + 1).astype(np.uint8).reshape(size, size)
    labels = np.array([body.shape for body in layout.bodies])
    shapes_present = np.zeros(len(SHAPES), bool)
    shapes_present[labels] = True
    normals: Floats = (layout.camera.axes @ layout.hits.normal).T.reshape(size, size, 3)
    main = layout.bodies[layout.main]
    return Scene(
        image=image,
        main=layout.main,
        shape=main.shape,
        colour=main.colour,
        labels=labels,
        boxes=np.array([_box(instance == 1 + k) for k in range(len(labels))], np.float32),
        shapes_present=shapes_present,
        instance_mask=instance,
        object_mask=(instance == 1 + layout.main).astype(np.uint8),
        semantic_mask=np.append(0, 1 + labels).astype(np.uint8)[instance],
        normals=np.ascontiguousarray(normals),
    )
