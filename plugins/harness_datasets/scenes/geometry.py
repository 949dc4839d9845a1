"""Rays against placed solids, in closed form. Arrays hold one column per ray: (3, N) float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness_datasets.scenes.solids import Convex, Floats, Solid

SKY, GROUND = -2, -1  # what a ray meets when it meets no body
TINY = np.float32(1e-9)


@dataclass(frozen=True)
class Placed:
    """A solid in the world: x -> centre + scale * rotation @ x. The ground is the plane z = 0."""

    solid: Solid
    rotation: Floats
    centre: Floats
    scale: float

    @property
    def radius(self) -> float:
        """Radius of the bounding sphere about `centre`."""
        return self.scale * self.solid.radius

    def to_local(self, vectors: Floats) -> Floats:
        """World directions (3, N) in the solid's own frame; distances along a ray keep their meaning."""
        inverse: Floats = self.rotation.T / np.float32(self.scale)
        return inverse @ vectors


@dataclass(frozen=True)
class Hits:
    """What each ray meets: distance (N,), body (N,) an index, GROUND or SKY, and the unit world normal (3, N)."""

    distance: Floats
    body: NDArray[np.int8]
    normal: Floats


def dot(a: Floats, b: Floats) -> Floats:
    """Column-wise inner product of (3, N) and (3, N) or (3, 1)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _between_planes(planes: Floats, origin: Floats, ray: Floats) -> tuple[Floats, Floats]:
    facing = planes[:, :3] @ ray
    facing = np.where(np.abs(facing) < TINY, TINY, facing)
    t = (planes[:, 3:] - planes[:, :3] @ origin) / facing
    entering = facing < 0
    return np.where(entering, t, -np.inf).max(0), np.where(entering, np.inf, t).min(0)


def _in_quadric(quadric: tuple[float, float, float], origin: Floats, ray: Floats) -> tuple[Floats, Floats]:
    qa, qb, qc = quadric
    (ox, oy, oz), (dx, dy, dz) = origin, ray
    a = dx * dx + dy * dy + qa * (dz * dz)
    a = np.where(np.abs(a) < TINY, TINY, a)
    b = ox * dx + oy * dy + (qa * oz + qb / 2) * dz
    c = ox * ox + oy * oy + (qa * oz + qb) * oz + qc
    discriminant = b * b - a * c
    root = np.sqrt(np.maximum(discriminant, 0))
    first, last = (-b - root) / a, (-b + root) / a
    if qa < 0:  # a ray steeper than the cone's side is inside before or after both crossings, never between
        steep, down = a < 0, dz < 0
        near = np.where(steep, np.where(down, first, -np.inf), first)
        far = np.where(steep, np.where(down, np.inf, last), last)
        return np.where((discriminant < 0) & ~steep, np.inf, near), far
    return np.where(discriminant < 0, np.inf, first), last


def span(convex: Convex, origin: Floats, ray: Floats) -> tuple[Floats, Floats]:
    """Where rays origin + t * ray are inside: enter and leave (N,), empty where enter > leave. Origin (3, N)."""
    nearest = -dot(origin, ray) / dot(ray, ray)  # from the point nearest the body float32 loses nothing by cancelling
    start = origin + nearest * ray
    enter, leave = _between_planes(convex.planes, start, ray) if len(convex.planes) else (-np.inf, np.inf)
    if convex.quadric is not None:
        first, last = _in_quadric(convex.quadric, start, ray)
        enter, leave = np.maximum(enter, first), np.minimum(leave, last)
    return enter + nearest, leave + nearest


def outward(convex: Convex, point: Floats) -> Floats:
    """Unit normals (3, N) at surface points (3, N): of the constraint nearest to being broken."""
    normal = np.empty_like(point)
    excess = np.full(point.shape[1], -np.inf, np.float32)
    if len(convex.planes):
        over = convex.planes[:, :3] @ point - convex.planes[:, 3:]
        face = over.argmax(0)
        normal[:], excess = convex.planes[face, :3].T, over.max(0)
    if convex.quadric is not None:
        a, b, c = convex.quadric
        x, y, z = point
        gradient = np.stack([x, y, a * z + b / 2])
        length = np.sqrt(np.maximum(dot(gradient, gradient), TINY))
        curved = (x * x + y * y + (a * z + b) * z + c) / (2 * length) > excess
        normal = np.where(curved, gradient / length, normal)
    return normal


def _meet(body: Placed, index: int, origin: Floats, rays: Floats, hits: Hits) -> None:
    """Write `body` into `hits` wherever it is nearer than what is there."""
    to_centre = body.centre - origin
    along = to_centre @ rays
    close = np.flatnonzero(along * along > to_centre @ to_centre - body.radius**2)
    ray = body.to_local(rays.take(close, 1))
    start = np.broadcast_to(body.to_local(-to_centre[:, None]), ray.shape)
    for part in body.solid.parts:
        enter, leave = span(part, start, ray)
        won = np.flatnonzero((enter < leave) & (enter > 0) & (enter < hits.distance.take(close)))
        at, t = close[won], enter[won]
        hits.distance[at], hits.body[at] = t, index
        normal = body.rotation @ outward(part, start.take(won, 1) + t * ray.take(won, 1))
        for component, values in zip(hits.normal, normal, strict=True):
            component[at] = values


def trace(bodies: list[Placed], origin: Floats, rays: Floats) -> Hits:
    """The first surface that each ray meets, from one origin (3,) along unit rays (3, N)."""
    n = rays.shape[1]
    falling = rays[2] < -1e-4
    distance = np.where(falling, -origin[2] / np.where(falling, rays[2], np.float32(-1)), np.float32(np.inf))
    normal = np.zeros((3, n), np.float32)
    normal[2] = falling
    hits = Hits(distance, np.where(falling, np.int8(GROUND), np.int8(SKY)), normal)
    for index, body in enumerate(bodies):
        _meet(body, index, origin, rays, hits)
    return hits


def shaded(body: Placed, points: Floats, light: Floats, among: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the points (3, N), of those `among` (N,), from which `body` hides the light in directions (3, N)."""
    to_centre = body.centre[:, None] - points
    along = dot(to_centre, light)
    near_line = dot(to_centre, to_centre) - along * along < body.radius**2
    close = np.flatnonzero(near_line & (along > -body.radius) & among)
    start, ray = body.to_local(-to_centre.take(close, 1)), body.to_local(light.take(close, 1))
    hidden = np.zeros(len(close), bool)
    for part in body.solid.parts:
        enter, leave = span(part, start, ray)
        hidden |= (enter < leave) & (leave > 0)
    return close[hidden]
