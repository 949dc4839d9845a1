"""Rays against the solids of `scenes`, against oracles that know neither their planes nor their quadrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.stats import ortho_group

from harness_datasets.scenes.geometry import GROUND, SKY, Placed, shaded, trace
from harness_datasets.scenes.layout import draw_layout
from harness_datasets.scenes.solids import ASPECTS, SHAPES, Solid, solid


def depth_outside(body: Solid, points: np.ndarray) -> np.ndarray:
    """How far the points (3, N) are outside the hull of balls that `body` says it is: an oracle without its planes and
    quadrics. Inside, at most zero; the hull of 64 points on a rim is within 0.2 % of a round one."""
    if body.rounding:
        low, high = body.points[2].min(), body.points[2].max()
        axis = np.stack([0 * points[0], 0 * points[0], np.clip(points[2], low, high)])
        return np.linalg.norm(points - axis, axis=0) - body.rounding
    hull = ConvexHull(body.points.T)
    return (hull.equations[:, :3] @ points + hull.equations[:, 3:]).max(0)


def placed_at_random(shape: int, rng: np.random.Generator) -> Placed:
    rotation = ortho_group.rvs(3, random_state=rng)
    rotation *= np.sign(np.linalg.det(rotation))
    body = solid(shape, int(rng.integers(ASPECTS)))
    return Placed(body, rotation.astype(np.float32), np.array([0.4, -0.7, 9.0], np.float32), 1.3)


def rays_towards(body: Placed, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    origin = body.centre + np.float32([5.0, 3.0, 2.0])
    aim = body.centre[:, None] + body.radius * rng.uniform(-1, 1, (3, n)).astype(np.float32)
    ray = aim - origin[:, None]
    return origin, ray / np.linalg.norm(ray, axis=0)


def to_solid(body: Placed, points: np.ndarray) -> np.ndarray:
    return body.rotation.T @ (points - body.centre[:, None]) / body.scale


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
@pytest.mark.parametrize("step", [0, ASPECTS - 1])
def test_every_solid_has_the_surface_of_the_unit_sphere(shape: int, step: int) -> None:
    body = solid(shape, step)
    if body.rounding:
        length = float(np.ptp(body.points[2]))
        area = 4 * math.pi * body.rounding**2 + 2 * math.pi * body.rounding * length
    else:
        area = ConvexHull(body.points.T).area
    assert area == pytest.approx(4 * math.pi, rel=3e-3)


@pytest.mark.parametrize("step", [0, ASPECTS - 1])
@pytest.mark.parametrize("shape", [k for k, name in enumerate(SHAPES) if name != "sphere"])
def test_a_solid_lies_on_an_edge_or_a_face_at_least(shape: int, step: int) -> None:
    body = solid(shape, step)
    for rest in body.rests:
        assert np.linalg.norm(rest) == pytest.approx(1, abs=1e-6)
        assert (rest @ body.points > body.extent(rest) - body.rounding - 1e-5).sum() >= 2


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_rays_meet_solids_where_marching_along_them_does(shape: int) -> None:
    rng = np.random.default_rng(shape)
    body = placed_at_random(shape, rng)
    origin, rays = rays_towards(body, rng, 150)
    hits = trace([body], origin, rays)
    steps = np.linspace(2, 12, 300)
    marched = to_solid(body, (origin[:, None, None] + rays[:, None] * steps[:, None]).reshape(3, -1))
    outside = depth_outside(body.solid, marched).reshape(len(steps), -1)
    met, deepest = hits.body == 0, outside.min(0)
    assert 20 < met.sum() < 130
    assert met[deepest < -0.01].all()
    assert not met[deepest > 0.03].any()
    clear = met & (deepest < -0.01)
    entered = steps[(outside < 0).argmax(0)]
    late = entered[clear] - hits.distance[clear]
    assert -0.02 < late.min() < late.max() < 2 * (steps[1] - steps[0])
    surface = to_solid(body, origin[:, None] + hits.distance[met] * rays[:, met])
    assert np.abs(depth_outside(body.solid, surface)).max() < 3e-3


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_normals_are_unit_and_point_out_of_the_surface(shape: int) -> None:
    rng = np.random.default_rng(100 + shape)
    body = placed_at_random(shape, rng)
    origin, rays = rays_towards(body, rng, 400)
    hits = trace([body], origin, rays)
    met = hits.body == 0
    normal, rays = hits.normal[:, met], rays[:, met]
    np.testing.assert_allclose(np.linalg.norm(normal, axis=0), 1, atol=1e-5)
    assert ((normal * rays).sum(0) < 1e-3).all()
    surface, local = to_solid(body, origin[:, None] + hits.distance[met] * rays), body.rotation.T @ normal
    # A step along the normal must gain its whole length in depth, which no other direction does.
    gained = depth_outside(body.solid, surface + 0.02 * local) - depth_outside(body.solid, surface)
    np.testing.assert_allclose(gained, 0.02, atol=1e-3)


def test_normals_of_a_sphere_are_in_closed_form() -> None:
    shape = SHAPES.index("sphere")
    drawn = (draw_layout(np.random.default_rng([3, i]), 64) for i in range(60))
    found = next(one for one in drawn if one.bodies[one.main].shape == shape)
    ball = found.bodies[found.main].placed
    rays = found.camera.rays(64, np.zeros((1, 2), np.float32)).astype(np.float64)
    at = found.hits.body == found.main
    away = (found.camera.origin - ball.centre).astype(np.float64)
    b = away @ rays[:, at]
    distance = -b - np.sqrt(b * b - away @ away + ball.scale**2)
    normal = (away[:, None] + distance * rays[:, at]) / ball.scale
    np.testing.assert_allclose(found.hits.normal[:, at], normal, atol=2e-3)
    np.testing.assert_allclose(found.hits.distance[at], distance, atol=1e-3)


def test_a_sphere_shades_the_disc_under_it() -> None:
    ball = Placed(solid(SHAPES.index("sphere"), 0), np.eye(3, dtype=np.float32), np.float32([1, 2, 3]), 0.8)
    x, y = np.meshgrid(np.linspace(-2, 4, 61), np.linspace(-1, 5, 61))
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()]).astype(np.float32)
    up = np.broadcast_to(np.float32([[0], [0], [1]]), points.shape)
    away = np.hypot(points[0] - 1, points[1] - 2)
    hidden = np.zeros(points.shape[1], bool)
    hidden[shaded(ball, points, up, np.ones(points.shape[1], bool))] = True
    clear = np.abs(away - 0.8) > 1e-3
    np.testing.assert_array_equal(hidden[clear], (away < 0.8)[clear])
    assert not shaded(ball, points, up, np.zeros(points.shape[1], bool)).size


def test_a_cube_shades_nothing_above_it() -> None:
    cube = Placed(solid(SHAPES.index("cube"), 0), np.eye(3, dtype=np.float32), np.float32([0, 0, 0]), 1.0)
    under_and_over = np.float32([[0, 0], [0, 0], [-0.8, 0.8]])  # both within the bounding sphere
    assert np.abs(under_and_over[2]).max() < cube.radius
    up = np.float32([[0, 0], [0, 0], [1, 1]])
    assert shaded(cube, under_and_over, up, np.ones(2, bool)).tolist() == [0]


def test_every_ray_of_an_empty_plain_meets_ground_or_sky() -> None:
    origin = np.float32([0, 0, 2])
    rays = np.float32([[0, 0.6, 0], [0, 0, 1], [-1, -0.8, 0]])
    hits = trace([], origin, rays)
    assert hits.body.tolist() == [GROUND, GROUND, SKY]
    np.testing.assert_allclose(hits.distance, [2, 2.5, np.inf])
