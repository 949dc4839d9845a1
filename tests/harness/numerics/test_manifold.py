"""The geometry of manifolds that are known, and against plain loops over explicit bases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from harness.numerics import manifold as module
from harness.numerics import nnk
from harness.numerics.manifold import Geometry, manifold
from harness.numerics.nnk import Kernel, Mode, neighbourhoods

MODES: tuple[Mode, ...] = ("exact", "reference")
KERNELS: tuple[Kernel, ...] = ("cosine", "gaussian")


def cloud(n: int, width: int, seed: int = 0) -> Tensor:
    """Features (1, n, width) whose variance falls off, around a mean."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, width, generator=generator) * torch.arange(1, width + 1) ** -0.5 + 0.2).unsqueeze(0)


def placed(x: Tensor, width: int = 40) -> Tensor:
    """Points (n, d) in a random subspace of more dimensions, (1, n, width)."""
    generator = torch.Generator().manual_seed(7)
    basis = torch.linalg.qr(torch.randn(width, x.shape[1], generator=generator, dtype=torch.float64)).Q
    return (x.double() @ basis.T).unsqueeze(0)


def circle(n: int, height: float = 0.0) -> Tensor:
    """(n, 3) points evenly on a circle of the unit sphere."""
    angle = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    radius = math.sqrt(1 - height**2)
    return torch.stack([radius * angle.cos(), radius * angle.sin(), torch.full_like(angle, height)], 1)


def sphere(n: int, dimensions: int) -> Tensor:
    """(n, dimensions) points at random on the unit sphere."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(n, dimensions, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def equal(a: Geometry, b: Geometry, atol: float = 1e-7) -> None:
    for field in ("neighbours", "diameter", "affinity"):
        torch.testing.assert_close(getattr(a, field), getattr(b, field), rtol=0, atol=atol)


@pytest.mark.parametrize("height", [0.0, 0.6])
@pytest.mark.parametrize("n", [12, 30])
def test_on_a_circle_both_sides_are_neighbours_and_the_tangent_turns_by_a_step(n: int, height: float) -> None:
    found = manifold(placed(circle(n, height)), 10)
    step = 2 * math.pi / n
    assert (found.neighbours == 2).all()
    across = 2 * math.sqrt(1 - height**2) * math.sin(step)
    torch.testing.assert_close(found.diameter, torch.full((1, n), across, dtype=torch.float64))
    torch.testing.assert_close(found.affinity, torch.full((1, n), math.cos(step), dtype=torch.float64))


def test_affinity_falls_with_curvature() -> None:
    """Circles of points equally far apart: the smaller the circle, the more it turns from one to the next."""
    spacing = 0.1
    affinities = []
    for n in (60, 30, 15, 8):
        radius = spacing / (2 * math.sin(math.pi / n))
        affinities.append(float(manifold(placed(circle(n, math.sqrt(1 - radius**2))), 7).affinity.mean()))
    assert affinities == sorted(affinities, reverse=True)
    assert affinities[0] > 0.99
    assert affinities[-1] < 0.75


@pytest.mark.parametrize("dimensions", [3, 5, 8])
def test_neighbours_on_a_sphere_follow_its_dimension(dimensions: int) -> None:
    """The nearest facet of a convex hull in d dimensions has d corners, some of which may get no weight."""
    found = manifold(placed(sphere(400, dimensions)), 50).neighbours
    assert int(found.max()) <= dimensions
    assert float(found.mean()) > dimensions - 1


@pytest.mark.parametrize("mode", MODES)
def test_four_neighbours_in_space_span_all_of_it(mode: Mode) -> None:
    """Narrow kernels leave more neighbours than dimensions, whose span then holds that of any neighbour."""
    found = manifold(placed(sphere(200, 3)), 30, mode=mode, kernel="gaussian")
    whole = found.neighbours >= 4
    assert float(whole.double().mean()) > 0.5
    assert float(found.affinity[whole].min()) > 1 - 1e-4  # four that are flat to 1e-4 count as a plane
    assert float(found.affinity[~whole].min()) < 0.99


def test_a_small_patch_of_a_sphere_is_flat_and_a_large_one_is_not() -> None:
    """Where three neighbours span a plane, it is the tangent's."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(300, 2, generator=generator, dtype=torch.float64) - 0.5
    medians = []
    for size in (0.02, 2.0):
        x = torch.cat([size * flat, torch.ones(300, 1, dtype=torch.float64)], 1)
        medians.append(float(manifold(placed(x), 30).affinity.median()))
    assert medians[0] > 0.999
    assert medians[1] < medians[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_plain_loops_over_explicit_bases(kernel: Kernel, mode: Mode) -> None:
    x = cloud(60, 25)
    found, hoods = manifold(x, 12, mode=mode, kernel=kernel), neighbourhoods(x, 12, mode=mode, kernel=kernel)
    unit = torch.nn.functional.normalize(x[0].double(), dim=1).numpy()
    members = [index[weight > 0] for index, weight in zip(hoods.index.numpy(), hoods.weight.numpy(), strict=True)]
    projections = []
    for at in members:
        _, size, basis = np.linalg.svd(unit[at] - unit[at].mean(0), full_matrices=False)
        basis = basis[size > 1e-4 * max(size[0], 1e-300)]
        projections.append((basis.T @ basis, len(basis)))
    for i, at in enumerate(members):
        assert found.neighbours[0, i] == len(at)
        assert float(found.diameter[0, i]) == pytest.approx(max(pdist(unit[at]), default=0))
        (own, d), overlaps = projections[i], []
        for j in at:
            other, e = projections[j]
            overlaps.append(math.sqrt(np.trace(own @ other) / min(d, e)) if min(d, e) else 1.0)
        assert float(found.affinity[0, i]) == pytest.approx(np.mean(overlaps), abs=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
def test_rotation_scale_and_order_change_nothing(kernel: Kernel) -> None:
    x = cloud(80, 30)
    plain = manifold(x, 15, kernel=kernel)
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(30, 30, generator=generator, dtype=torch.float64)).Q
    equal(manifold(x.double() @ turn, 15, kernel=kernel), plain)
    equal(manifold(x * 1e-3, 15, kernel=kernel), plain)
    equal(manifold(x * torch.rand(1, 80, 1, generator=generator).add(0.1), 15, kernel=kernel), plain, 1e-5)
    order = torch.randperm(80, generator=generator)
    mixed = manifold(x[:, order], 15, kernel=kernel)
    equal(mixed, Geometry(plain.neighbours[:, order], plain.diameter[:, order], plain.affinity[:, order]))


def test_chunks_and_the_way_products_are_made_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cloud(120, 30).view(3, 40, 30)
    plain = manifold(x, 15)
    monkeypatch.setattr(nnk, "CHUNK", 700)
    monkeypatch.setattr(module, "CHUNK", 700)
    monkeypatch.setattr(nnk, "TOGETHER", 1)
    equal(manifold(x, 15), plain, 1e-12)
    monkeypatch.setattr(module, "WHOLE", 10)
    equal(manifold(x, 15), plain, 1e-9)
    equal(manifold(x, 15, batched=True), plain, 1e-9)


def test_constant_features_are_a_flat_point() -> None:
    found = manifold(torch.ones(2, 5, 3), 4)
    assert found.neighbours.shape == (2, 5)
    assert (found.neighbours == 1).all()
    assert (found.diameter == 0).all()
    assert (found.affinity == 1).all()


def test_rows_of_zeros_are_points_like_others() -> None:
    x = cloud(20, 8)
    x[0, 3] = 0
    found = manifold(x, 10)
    for field in (found.neighbours, found.diameter, found.affinity):
        assert field.isfinite().all()
    assert float(found.neighbours[0, 3]) >= 1
