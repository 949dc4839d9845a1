"""Drawing a scene: bodies on the ground, a camera that looks at one of them, and what of each is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness_datasets.scenes.colours import COLOURS
from harness_datasets.scenes.geometry import Hits, Placed, trace
from harness_datasets.scenes.solids import ASPECTS, SHAPES, Floats, solid

BODIES = (0.4, 0.3, 0.2, 0.1)  # shares of the scenes of one to four bodies
MARGIN = 1.3  # the main body has at least this many times the visible pixels of any other ...
MAIN_AREA = 0.08  # ... and at least this share of the image
LEAST_AREA = 0.01  # every body of a scene has at least this share of the image visible
TRIES = 10  # at placing a body before the scene is drawn anew
TUMBLED = 0.2  # share of bodies in any orientation, touching the ground, rather than lying on a side


@dataclass(frozen=True)
class Body:
    """A placed solid with its classes."""

    placed: Placed
    shape: int
    colour: int


@dataclass(frozen=True)
class Camera:
    """A pinhole at `origin`; the rows of `axes` (3, 3) are right, up and backward; `slope` is tan(half the view)."""

    origin: Floats
    axes: Floats
    slope: float

    def rays(self, size: int, offsets: Floats) -> Floats:
        """Unit world rays (3, S * size * size) through S points of each pixel, offsets (S, 2) from its centre."""
        centre = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
        x = centre[None, None, :] + offsets[:, 0, None, None] * (2 / size)
        y = centre[None, :, None] + offsets[:, 1, None, None] * (2 / size)
        x, y = np.broadcast_arrays(x * self.slope, -y * self.slope)
        ray = np.stack([x.ravel(), y.ravel(), np.full(x.size, -1, np.float32)]).astype(np.float32)
        ray /= np.sqrt((ray * ray).sum(0))
        world: Floats = self.axes.T @ ray
        return world


@dataclass(frozen=True)
class Layout:
    """A scene before it is shaded. hits: what the ray through each pixel's centre meets, row by row."""

    bodies: tuple[Body, ...]
    main: int
    camera: Camera
    hits: Hits


def _rotation(w: float, x: float, y: float, z: float) -> Floats:
    """The rotation matrix of a quaternion of any length."""
    k = 2 / (w * w + x * x + y * y + z * z)
    return np.array(
        [
            [1 - k * (y * y + z * z), k * (x * y - w * z), k * (x * z + w * y)],
            [k * (x * y + w * z), 1 - k * (x * x + z * z), k * (y * z - w * x)],
            [k * (x * z - w * y), k * (y * z + w * x), 1 - k * (x * x + y * y)],
        ],
        np.float32,
    )


def _lying_on(rest: Floats, yaw: float) -> Floats:
    """A rotation that takes the unit direction `rest` to straight down, turned by `yaw` about the vertical."""
    x, y, z = rest.tolist()
    # The shortest turn from `rest` to (0, 0, -1); straight up has none, so flip about x.
    tip = _rotation(0, 1, 0, 0) if z > 0.9999 else _rotation(1 - z, -y, x, 0)
    return _rotation(math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)) @ tip


def _place(rng: Generator, shape: int, scale: float, at: tuple[float, float]) -> Placed:
    """A solid of the shape on the ground above `at`, its pose and aspect at random."""
    body = solid(shape, int(rng.integers(ASPECTS)))
    if rng.random() < TUMBLED:
        rotation = _rotation(*rng.standard_normal(4).tolist())
    else:
        rotation = _lying_on(body.rests[rng.integers(len(body.rests))], rng.uniform(0, 2 * math.pi))
    height = scale * body.extent(-rotation[2])
    return Placed(body, rotation, np.array([*at, height], np.float32), scale)


def _camera(rng: Generator, main: Placed) -> Camera:
    """A camera on the main body, so far away that the body covers a drawn share of the image."""
    slope = math.tan(math.radians(rng.uniform(28, 52)) / 2)
    share = math.exp(rng.uniform(math.log(0.12), math.log(0.4)))
    distance = main.scale * math.sqrt(math.pi / share) / (2 * slope)
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(5, 42))
    ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
    backward, right, up = np.array([ce * ca, ce * sa, se]), np.array([-sa, ca, 0.0]), np.array([-se * ca, -se * sa, ce])
    reach = 0.35 * distance * slope  # how far off the middle of the image the body may be
    target = main.centre + right * rng.uniform(-reach, reach) + up * rng.uniform(-0.4 * reach, reach)
    roll = math.radians(rng.normal(0, 2.5))
    c, s = math.cos(roll), math.sin(roll)
    axes = np.stack([c * right + s * up, c * up - s * right, backward])
    return Camera((target + distance * backward).astype(np.float32), axes.astype(np.float32), slope)


def _ground_point(rng: Generator, camera: Camera) -> tuple[float, float] | None:
    """Where a random point of the image lies on the ground; none above the horizon."""
    x, y = rng.uniform(-0.9, 0.9, 2) * camera.slope
    ray = camera.axes.T @ np.array([x, y, -1.0])
    if ray[2] > -0.05:
        return None
    point = camera.origin - ray * (camera.origin[2] / ray[2])
    return float(point[0]), float(point[1])


def _companion(rng: Generator, camera: Camera, others: list[Placed]) -> tuple[Placed, int] | None:
    """A body in view and its shape, touching neither the others nor the camera; none when there is no room."""
    for _ in range(TRIES):
        at = _ground_point(rng, camera)
        if at is None:
            continue
        shape = int(rng.integers(len(SHAPES)))
        body = _place(rng, shape, others[0].scale * rng.uniform(0.4, 0.85), at)
        clear = math.dist(body.centre, camera.origin) > 2 * body.radius
        if clear and all(math.dist(body.centre, o.centre) > body.radius + o.radius for o in others):
            return body, shape
    return None


def _draw(rng: Generator, shape: int, companions: int) -> tuple[list[Placed], list[int], Camera] | None:
    """The main body, then its companions, and the camera; none when they do not fit."""
    bodies, shapes = [_place(rng, shape, rng.uniform(0.8, 1.25), (0.0, 0.0))], [shape]
    camera = _camera(rng, bodies[0])
    for _ in range(companions):
        companion = _companion(rng, camera, bodies)
        if companion is None:
            return None
        bodies.append(companion[0])
        shapes.append(companion[1])
    return bodies, shapes, camera


def draw_layout(rng: Generator, size: int) -> Layout:
    """A scene whose main body stands out.

    What fails is drawn anew, except for the number of bodies, their colours, which is the main one, and its shape: what
    fails more often would become rarer, and these would come to depend on one another.
    """
    count = 1 + int(rng.choice(len(BODIES), p=BODIES))
    main, shape = int(rng.integers(count)), int(rng.integers(len(SHAPES)))
    colours = rng.integers(len(COLOURS), size=count)
    while True:
        drawn = _draw(rng, shape, count - 1)
        if drawn is None:
            continue
        placed, shapes, camera = drawn
        placed[0], placed[main] = placed[main], placed[0]
        shapes[0], shapes[main] = shapes[main], shapes[0]
        hits = trace(placed, camera.origin, camera.rays(size, np.zeros((1, 2), np.float32)))
        if _stands_out(np.bincount(hits.body[hits.body >= 0], minlength=count), main, size):
            bodies = (Body(*of) for of in zip(placed, shapes, colours.tolist(), strict=True))
            return Layout(tuple(bodies), main, camera, hits)


def _stands_out(area: NDArray[np.intp], main: int, size: int) -> bool:
    """Whether bodies with these numbers of visible pixels make a scene."""
    others = np.delete(area, main).max(initial=0)
    enough = area.min() >= LEAST_AREA * size**2 and area[main] >= MAIN_AREA * size**2
    return bool(enough and area[main] >= MARGIN * others)
