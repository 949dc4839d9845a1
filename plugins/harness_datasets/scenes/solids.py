"""The solids of a scene: convex bodies, each an intersection of half-spaces and at most a quadric, or a union of such.

Every solid has the surface area of the unit sphere. By Cauchy's formula the mean area of a convex body's projection
over all directions is a quarter of its surface, so apparent size tells nothing about shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

RIM = 64  # points standing for a circle where only the extent of a solid matters: within 0.13 % of its radius


@dataclass(frozen=True)
class Convex:
    """The points x with planes[:, :3] @ x <= planes[:, 3] and, for quadric (a, b, c), x² + y² + a z² + b z + c <= 0.

    Of a double cone (a < 0) only the lower half counts; a half-space must cut the upper one off.
    """

    planes: Floats = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    quadric: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Solid:
    """A convex body about its origin, before it is placed.

    parts: its union. points (3, M) and rounding: it is the convex hull of balls of radius `rounding` at `points`.
    rests (F, 3): outward unit normals of the sides it can lie on.
    """

    parts: tuple[Convex, ...]
    points: Floats
    rounding: float
    rests: Floats

    @cached_property
    def radius(self) -> float:
        """Radius of the bounding sphere about the origin."""
        return float(np.sqrt((self.points**2).sum(0).max())) + self.rounding

    def extent(self, direction: Floats) -> float:
        """Largest projection of the solid on the unit `direction` (3,): its support function."""
        return float((direction @ self.points).max()) + self.rounding


def _planes(normals: ArrayLike, offsets: ArrayLike) -> Floats:
    """Half-spaces (P, 4) of unit normals from normals (P, 3) of any length and their offsets (P,)."""
    n, d = np.asarray(normals, np.float64), np.asarray(offsets, np.float64)
    return (np.column_stack([n, d]) / np.linalg.norm(n, axis=1, keepdims=True)).astype(np.float32)


def _circle(radius: float, z: float) -> Floats:
    angle = np.linspace(0, 2 * math.pi, RIM, endpoint=False)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(RIM, z)]).astype(np.float32)


def _vectors(rows: object) -> Floats:
    return np.array(rows, np.float32)


def _polyhedron(normals: ArrayLike, offsets: ArrayLike, corners: ArrayLike) -> Solid:
    planes = _planes(normals, offsets)
    return Solid((Convex(planes),), _vectors(corners).T, 0.0, planes[:, :3])


def _unit_area(area: float) -> float:
    """Scale that gives a solid of this surface area that of the unit sphere."""
    return math.sqrt(4 * math.pi / area)


def sphere(aspect: float) -> Solid:
    """The unit sphere; it has no aspect."""
    rests = _vectors([[0, 0, -1]])
    return Solid((Convex(quadric=(1.0, 0.0, -1.0)),), np.zeros((3, 1), np.float32), 1.0, rests)


def cube(aspect: float) -> Solid:
    """A cube; it has no aspect."""
    h = _unit_area(24)
    corners = h * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return _polyhedron(np.concatenate([np.eye(3), -np.eye(3)]), [h] * 6, corners)


def cylinder(aspect: float) -> Solid:
    """A cylinder whose height is `aspect` times its diameter."""
    r = _unit_area(2 * math.pi + 4 * math.pi * aspect)
    h = r * aspect
    body = Convex(_planes([[0, 0, 1], [0, 0, -1]], [h, h]), (0.0, 0.0, -r * r))
    points = np.concatenate([_circle(r, h), _circle(r, -h)], axis=1)
    return Solid((body,), points, 0.0, _vectors([[0, 0, -1], [1, 0, 0]]))


def cone(aspect: float) -> Solid:
    """A cone whose height is `aspect` times the diameter of its base; its origin is halfway up."""
    slope = 2 * aspect
    r = _unit_area(math.pi * (1 + math.hypot(1, slope)))
    h, k2 = r * aspect, 1 / slope**2  # half the height; x² + y² <= k2 (h - z)²
    body = Convex(_planes([[0, 0, 1], [0, 0, -1]], [h, h]), (-k2, 2 * k2 * h, -k2 * h * h))
    points = np.concatenate([_circle(r, -h), _vectors([[0], [0], [h]])], axis=1)
    side = np.array([slope, 0, 1]) / math.hypot(slope, 1)
    return Solid((body,), points, 0.0, _vectors([[0, 0, -1], side]))


def capsule(aspect: float) -> Solid:
    """A cylinder with round ends; its straight part is `aspect` times its diameter."""
    r = _unit_area(4 * math.pi * (1 + aspect))
    h = r * aspect
    body = Convex(_planes([[0, 0, 1], [0, 0, -1]], [h, h]), (0.0, 0.0, -r * r))
    ends = tuple(Convex(quadric=(1.0, -2 * z, z * z - r * r)) for z in (h, -h))
    return Solid((body, *ends), _vectors([[0, 0, h], [0, 0, -h]]).T, r, _vectors([[1, 0, 0]]))


def pyramid(aspect: float) -> Solid:
    """A square pyramid whose height is `aspect` times the side of its base; its origin is halfway up."""
    slope = 2 * aspect
    a = _unit_area(4 + 4 * math.hypot(1, slope))  # half the side
    h = a * aspect
    normals = [[0, 0, -1], [slope, 0, 1], [-slope, 0, 1], [0, slope, 1], [0, -slope, 1]]
    corners = [[a, a, -h], [a, -a, -h], [-a, a, -h], [-a, -a, -h], [0, 0, h]]
    return _polyhedron(normals, [h] * 5, corners)


def octahedron(aspect: float) -> Solid:
    """A regular octahedron; it has no aspect."""
    r = _unit_area(4 * math.sqrt(3))
    normals = [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    return _polyhedron(normals, [r] * 8, r * np.concatenate([np.eye(3), -np.eye(3)]))


def prism(aspect: float) -> Solid:
    """A prism on an equilateral triangle; its length is `aspect` times the triangle's side."""
    side = _unit_area(math.sqrt(3) / 2 + 3 * aspect)
    inner, h = side / math.sqrt(12), side * aspect / 2
    angles = [math.radians(a) for a in (90, 210, 330)]
    around = [[math.cos(a), math.sin(a)] for a in angles]
    normals = [[-x, -y, 0] for x, y in around] + [[0, 0, 1], [0, 0, -1]]
    corners = [[2 * inner * x, 2 * inner * y, z] for x, y in around for z in (-h, h)]
    return _polyhedron(normals, [inner] * 3 + [h] * 2, corners)


# What builds each shape, and between which aspects it varies.
SOLIDS: dict[str, tuple[Callable[[float], Solid], tuple[float, float]]] = {
    "sphere": (sphere, (1.0, 1.0)),
    "cube": (cube, (1.0, 1.0)),
    "cylinder": (cylinder, (0.6, 1.6)),
    "cone": (cone, (0.8, 1.4)),
    "capsule": (capsule, (0.6, 1.5)),
    "pyramid": (pyramid, (0.75, 1.3)),
    "octahedron": (octahedron, (1.0, 1.0)),
    "prism": (prism, (0.7, 1.7)),
}
SHAPES: tuple[str, ...] = tuple(SOLIDS)
ASPECTS = 16  # evenly spaced aspects that each shape comes in


@cache
def solid(shape: int, step: int) -> Solid:
    """The solid of SHAPES[shape] with aspect `step` of ASPECTS."""
    build, (least, most) = SOLIDS[SHAPES[shape]]
    return build(least + (most - least) * step / (ASPECTS - 1))
