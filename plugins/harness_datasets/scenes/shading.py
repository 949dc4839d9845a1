"""Light on a traced scene: sun and sky, soft shadows, ambient occlusion, and reflections of the surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness_datasets.scenes.colours import light_tint, named
from harness_datasets.scenes.geometry import GROUND, Hits, dot, shaded
from harness_datasets.scenes.layout import Body, Camera
from harness_datasets.scenes.solids import Floats
from harness_datasets.scenes.texture import Backdrop, Ground, draw_backdrop, draw_ground, noise


@dataclass(frozen=True)
class Material:
    """albedo (3,): linear RGB. metal: share of light mirrored in that colour. gloss: share mirrored white, head on.

    shininess: exponent of the sun's highlight. variation: how much the albedo varies over the surface.
    """

    albedo: Floats
    metal: float
    gloss: float
    shininess: float
    variation: float


@dataclass(frozen=True)
class Light:
    """The sun's directions (3, L), which fill its disc, and linear RGB (3,) of sun and sky."""

    directions: Floats
    sun: Floats
    sky: Floats


@dataclass(frozen=True)
class Look:
    """All that a layout lacks to be an image."""

    materials: tuple[Material, ...]
    ground: Ground
    backdrop: Backdrop
    light: Light
    key: float


@dataclass(frozen=True)
class Surface:
    """What N rays see: point, unit normal, unit ray and direction to the sun (3, N); owner (N,), a body or GROUND."""

    point: Floats
    normal: Floats
    ray: Floats
    light: Floats
    owner: NDArray[np.int8]

    def part(self, rays: slice) -> Surface:
        """Some of the rays."""
        point, normal, ray, light = (v[:, rays] for v in (self.point, self.normal, self.ray, self.light))
        return Surface(point, normal, ray, light, self.owner[rays])


def _material(rng: Generator, colour: int) -> Material:
    albedo, kind = named(rng, colour), rng.random()
    if kind < 0.5:  # matte
        return Material(albedo, 0.0, 0.0, 8.0, rng.uniform(0.0, 0.5))
    if kind < 0.8:  # glossy
        return Material(albedo, 0.0, rng.uniform(0.04, 0.09), rng.uniform(40, 160), 0.0)
    return Material(albedo, rng.uniform(0.45, 0.75), 0.0, rng.uniform(20, 80), 0.0)


def _light(rng: Generator, softness: tuple[float, float], samples: int) -> Light:
    azimuth, height = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(25, 70))
    to_sun = np.array([math.cos(height) * math.cos(azimuth), math.cos(height) * math.sin(azimuth), math.sin(height)])
    across = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    turn, step = np.arange(samples) * (math.pi * (3 - math.sqrt(5))), (np.arange(samples) + 0.5) / samples
    disc = rng.uniform(*softness) * np.sqrt(step) * np.stack([np.cos(turn), np.sin(turn)])
    ways = to_sun[:, None] + across[:, None] * disc[0] + np.cross(to_sun, across)[:, None] * disc[1]
    ways /= np.linalg.norm(ways, axis=0)
    share = rng.uniform(0.6, 0.88)  # of the light that comes from the sun
    sun, sky = light_tint(rng, 0.18) * (2.2 * share), light_tint(rng, 0.12) * (1.3 * (1 - share) + 0.12)
    return Light(ways.astype(np.float32), sun.astype(np.float32), sky.astype(np.float32))


def draw_look(rng: Generator, bodies: tuple[Body, ...], samples: int) -> Look:
    """Materials, ground, backdrop and a light of `samples` directions."""
    ground = draw_ground(rng)
    backdrop = draw_backdrop(rng, ground)
    light = _light(rng, (0.01, 0.16), samples)
    materials = tuple(_material(rng, body.colour) for body in bodies)
    return Look(materials, ground, backdrop, light, float(rng.uniform(0.17, 0.25)))


def _reaching(surface: Surface, bodies: tuple[Body, ...]) -> tuple[Floats, Floats]:
    """What reaches each point (N,) of the sun, 0 or 1, and of the sky, which bodies hide like spheres of their size.

    No point hides from its own body: all are convex, so its normal tells.
    """
    n = len(surface.owner)
    sun, sky = np.ones(n, np.float32), np.ones(n, np.float32)
    for index, body in enumerate(bodies):
        placed, other = body.placed, surface.owner != index
        sun[shaded(placed, surface.point, surface.light, other)] = 0
        away = placed.centre[:, None] - surface.point
        square = np.maximum(dot(away, away), placed.scale**2)
        facing = np.maximum(dot(away, surface.normal), 0) * other
        sky *= 1 - (0.9 * placed.scale**2) * facing / (square * np.sqrt(square))
    return sun, sky


def _irradiance(light: Light, surface: Surface, bodies: tuple[Body, ...]) -> tuple[Floats, Floats]:
    """The sun's share (N,) that falls on each point, shadows and slant counted, and all light on it (3, N)."""
    sun, sky = _reaching(surface, bodies)
    sun *= np.maximum(dot(surface.normal, surface.light), 0)
    sky *= 0.55 + 0.45 * surface.normal[2]  # the sky lights from above, the ground a little from below
    return sun, light.sun[:, None] * sun + light.sky[:, None] * sky


def _surroundings(look: Look, point: Floats, ray: Floats) -> Floats:
    """Radiance (3, N) that arrives at points against the rays: of the backdrop, or of the ground in full light."""
    seen = look.backdrop.radiance(ray)
    down = np.flatnonzero(ray[2] < -0.05)
    start, way = point.take(down, 1), ray.take(down, 1)
    fall = start - way * (start[2] / way[2])
    albedo = look.ground.albedo(fall[0], fall[1], np.full(len(down), 0.1, np.float32))
    seen[:, down] = albedo * (look.light.sky + 0.6 * look.light.sun)[:, None]
    return seen


def _body(look: Look, body: Body, material: Material, surface: Surface, lit: Floats, irradiance: Floats) -> Floats:
    """Radiance (3, N) of a body: diffuse, mirrored and the sun's highlight. lit (N,): what of the sun gets there."""
    albedo = np.repeat(material.albedo[:, None], lit.size, axis=1)
    if material.variation:
        x, y, z = body.placed.to_local(surface.point - body.placed.centre[:, None])
        albedo *= 1 + material.variation * (noise(45 * x + 30 * z + 128, 45 * y - 30 * z) - 0.5)
    facing = dot(surface.ray, surface.normal)
    mirrored = surface.ray - 2 * facing * surface.normal
    radiance = (1 - material.metal) * albedo * irradiance
    if material.metal or material.gloss:
        grazing = np.maximum(1 + facing, 0)
        fresnel = material.gloss + (0.35 if material.gloss else 0.0) * grazing**4
        radiance += (material.metal * albedo + fresnel) * _surroundings(look, surface.point, mirrored)
    highlight = np.maximum(dot(mirrored, surface.light), 0) ** material.shininess * lit
    strength = material.metal * albedo * 1.5 + (0.9 if material.gloss else 0.04)
    return radiance + strength * highlight * look.light.sun[:, None]


def _floor(look: Look, surface: Surface, distance: Floats, pixel: float, irradiance: Floats) -> Floats:
    """Radiance (3, N) of the ground at a distance (N,), fading into the backdrop."""
    footprint = pixel * distance / np.maximum(-surface.ray[2], 0.02)
    colour = look.ground.albedo(surface.point[0], surface.point[1], footprint) * irradiance
    clear = np.exp(-((distance / look.backdrop.haze) ** 2))
    horizon = look.backdrop.low[:, None]
    return horizon + clear * (colour - horizon)


def radiance(look: Look, bodies: tuple[Body, ...], camera: Camera, hits: Hits, rays: Floats, pixel: float) -> Floats:
    """Linear RGB (3, N) along rays (3, N) from the camera that meet `hits`.

    The L light directions each serve an L-th of the rays, in order. pixel: width of a pixel at distance 1.
    """
    order = hits.body.argsort(kind="stable")  # so that the rays that meet the same thing are one slice
    first = np.searchsorted(hits.body[order], np.arange(GROUND, len(bodies) + 1))
    sky, seen = order[: first[0]], order[first[0] :]
    ground, *owned = (slice(*ends) for ends in pairwise((first - first[0]).tolist()))

    lamps = look.light.directions.take(seen * look.light.directions.shape[1] // order.size, 1)
    ray, distance = rays.take(seen, 1), hits.distance[seen]
    point = camera.origin[:, None] + distance * ray
    surface = Surface(point, hits.normal.take(seen, 1), ray, lamps, hits.body[seen])
    sun, irradiance = _irradiance(look.light, surface, bodies)

    colour = np.empty_like(ray)
    colour[:, ground] = _floor(look, surface.part(ground), distance[ground], pixel, irradiance[:, ground])
    for body, material, part in zip(bodies, look.materials, owned, strict=True):
        colour[:, part] = _body(look, body, material, surface.part(part), sun[part], irradiance[:, part])
    image = np.empty_like(rays)
    image[:, sky] = look.backdrop.radiance(rays.take(sky, 1))
    image[:, seen] = colour
    return image
