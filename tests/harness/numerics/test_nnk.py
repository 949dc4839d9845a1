"""NNK neighbourhoods against SciPy, and against the published algorithm from its description."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import nnls as scipy_nnls
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances
from torch import Tensor

from harness.numerics import nnk, nnls
from harness.numerics.nnk import Kernel, Mode, neighbourhoods

Array = NDArray[np.float64]
MODES: tuple[Mode, ...] = ("exact", "reference")
KERNELS: tuple[Kernel, ...] = ("cosine", "gaussian")
WAYS = pytest.mark.parametrize("batched", [False, True])


def cloud(n: int, width: int, seed: int = 0) -> Tensor:
    """Features (n, width) whose variance falls off, around a mean, as those of networks do."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator) * torch.arange(1, width + 1) ** -0.5 + 0.2


def kernels(x: Tensor, k: int, kernel: Kernel) -> tuple[Array, Array, Array]:
    """Candidates (n, k), K (n, k, k) and q (n, k), by scikit-learn's distances and a sort."""
    unit = x.double().numpy()
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = cosine_similarity(unit)
    index = np.array([[j for j in np.argsort(-row, kind="stable") if j != i][:k] for i, row in enumerate(cosine)])
    distance = euclidean_distances(unit)
    sigma = np.mean([row[j] for row, j in zip(distance, index[:, -1], strict=True)]) / 3
    full = 0.5 + 0.5 * cosine if kernel == "cosine" else np.exp(-(distance**2) / (2 * sigma**2))
    local = np.array([full[np.ix_(at, at)] for at in index])
    return index, local, np.array([full[i, at] for i, at in enumerate(index)])


def by_scipy(kernel: Array, query: Array) -> Array:
    """The minimum, as least squares on the Cholesky factor."""
    factor = cholesky(kernel)
    return np.asarray(scipy_nnls(factor, solve_triangular(factor, query, trans="T"))[0])


def by_pruning(kernel: Array, query: Array, tolerance: float = 1e-10) -> Array:
    """The published solver as it is described: start with all candidates of a positive kernel; solve; drop those whose
    solution is not above the tolerance, for good; stop once whatever fell below is within the tolerance of zero. A
    candidate that coincides with the query makes it a neighbour of those that do, weighted by their kernels.
    """
    if max(query) > 1 - tolerance:
        return np.array([q if q > 1 - tolerance else 0.0 for q in query])
    kept = [i for i, q in enumerate(query) if q > tolerance]
    while True:
        solution = dict.fromkeys(range(len(query)), 0.0)
        if kept:
            solution |= dict(zip(kept, cho_solve(cho_factor(kernel[np.ix_(kept, kept)]), query[kept]), strict=True))
        fallen = [abs(value) for value in solution.values() if value < tolerance]
        if max(fallen, default=0.0) <= tolerance:
            return np.array([value if value >= tolerance else 0.0 for value in solution.values()])
        kept = [i for i in kept if solution[i] > tolerance]


def weights(x: Tensor, k: int, mode: Mode, kernel: Kernel, batched: bool | None = None) -> tuple[Array, Array]:
    """Candidates (n, k) and theta (n, k), in order of the candidates' index, so that ties do not matter."""
    found = neighbourhoods(x.unsqueeze(0), k, mode=mode, kernel=kernel, batched=batched)
    index, order = found.index.sort(1)
    return index.numpy(), found.weight.gather(1, order).numpy()


@WAYS
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("width", [24, 64, 300])
def test_exact_neighbours_are_scipys(width: int, kernel: Kernel, batched: bool) -> None:
    x = cloud(150, width)
    index, local, query = kernels(x, 20, kernel)
    expected = np.array([by_scipy(*each) for each in zip(local, query, strict=True)])
    order = index.argsort(1)
    found, theta = weights(x, 20, "exact", kernel, batched)
    assert (found == np.take_along_axis(index, order, 1)).all()
    expected = np.take_along_axis(expected, order, 1)
    assert ((theta > 0) == (expected > 0)).all()
    np.testing.assert_allclose(theta, expected, atol=1e-7)


@WAYS
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("width", [24, 64, 300])
def test_reference_neighbours_are_the_published_algorithms(width: int, kernel: Kernel, batched: bool) -> None:
    x = cloud(150, width)
    index, local, query = kernels(x, 20, kernel)
    expected = np.array([by_pruning(*each) for each in zip(local, query, strict=True)])
    order = index.argsort(1)
    found, theta = weights(x, 20, "reference", kernel, batched)
    assert (found == np.take_along_axis(index, order, 1)).all()
    expected = np.take_along_axis(expected, order, 1)
    assert ((theta > 0) == (expected > 0)).all()
    np.testing.assert_allclose(theta, expected, atol=1e-7)


def violation(kernel: Tensor, query: Tensor, theta: Tensor) -> Tensor:
    """How far each theta (M, k) is from the Karush-Kuhn-Tucker conditions: q >= 0, gradient >= 0, and 0 where q > 0."""
    gradient = (kernel.double() @ theta.double().unsqueeze(2)).squeeze(2) - query
    return torch.where(theta > 0, gradient.abs(), torch.maximum(-gradient, -theta)).amax(1).clamp(min=0)


def test_the_reference_is_another_definition() -> None:
    _, local, query = kernels(cloud(150, 24), 20, "cosine")
    found = [solve(torch.tensor(local), torch.tensor(query)) for solve in (nnls.exact, nnls.reference)]
    missed = [violation(torch.tensor(local), torch.tensor(query), theta) for theta in found]
    assert float(missed[0].max()) <= 1e-6
    assert float((missed[1] > 1e-6).double().mean()) > 0.1


def test_the_violation_is_that_of_the_conditions() -> None:
    kernel, query = torch.eye(2).expand(3, 2, 2), torch.tensor([[1.0, -0.5]]).expand(3, 2)
    theta = torch.tensor([[1.0, 0.0], [0.9, 0.0], [1.0, -0.2]])
    assert violation(kernel, query, theta).tolist() == pytest.approx([0.0, 0.1, 0.2])


@WAYS
@pytest.mark.parametrize("rank", [1, 3, 12])
def test_singular_matrices_are_solved_too(rank: int, batched: bool) -> None:
    """More candidates than dimensions: no Cholesky factor, and yet a minimum."""
    generator = torch.Generator().manual_seed(rank)
    x = torch.rand(40, 31, rank, generator=generator, dtype=torch.float64)
    gram = x @ x.mT / rank
    kernel, query = gram[:, :-1, :-1], gram[:, :-1, -1]
    theta = nnls.exact(kernel, query, batched=batched)
    assert float(violation(kernel, query, theta).max()) <= 1e-6
    assert int((theta > 0).sum(1).max()) <= rank
    objective = (theta.unsqueeze(1) @ (kernel @ theta.unsqueeze(2) / 2 - query.unsqueeze(2))).flatten()
    for i in range(40):
        best = scipy_nnls(x[i, :-1].T.numpy() / rank**0.5, x[i, -1].numpy() / rank**0.5)[0]
        least = best @ kernel[i].numpy() @ best / 2 - best @ query[i].numpy()
        assert float(objective[i]) == pytest.approx(least, abs=1e-9)


@WAYS
def test_coinciding_points_count_once_and_in_the_reference_each(batched: bool) -> None:
    x = cloud(12, 40).double()
    x[1:4] = x[0]
    for mode, number in (("exact", 1), ("reference", 3)):
        theta = weights(x, 11, mode, "cosine", batched)[1]
        assert ((theta[:4] > 0).sum(1) == number).all()
        assert theta[:4].max() == pytest.approx(1)


@WAYS
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_constant_features_have_an_answer(kernel: Kernel, mode: Mode, batched: bool) -> None:
    theta = weights(torch.ones(6, 4), 5, mode, kernel, batched)[1]
    assert ((theta > 0).sum(1) == (1 if mode == "exact" else 5)).all()


@WAYS
@pytest.mark.parametrize("mode", MODES)
def test_no_positive_kernel_is_no_neighbour(mode: Mode, batched: bool) -> None:
    solve = getattr(nnls, mode)
    assert solve(torch.eye(4).unsqueeze(0), torch.zeros(1, 4), batched=batched).tolist() == [[0.0] * 4]


@WAYS
def test_a_far_point_keeps_its_exact_neighbours(batched: bool) -> None:
    """What the exact definition calls a neighbour does not depend on how far all of them are."""
    x = cloud(60, 30)
    _, local, query = kernels(x, 20, "cosine")
    near = nnls.exact(torch.tensor(local), torch.tensor(query), batched=batched)
    far = nnls.exact(torch.tensor(local), torch.tensor(query * 1e-20), batched=batched)
    assert ((near > 0) == (far > 0)).all()
    torch.testing.assert_close(far * 1e20, near)


@WAYS
def test_matrices_that_are_no_kernels_are_refused_by_the_reference(batched: bool) -> None:
    with pytest.raises(ValueError, match="positive semi-definite"):
        nnls.reference(-torch.eye(3).unsqueeze(0), torch.full((1, 3), 0.5), batched=batched)


@pytest.mark.parametrize("mode", MODES)
def test_both_ways_agree_where_pivoting_goes_back_and_forth(mode: Mode) -> None:
    """Random programs, of any sign, as hard as kernels never are."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 12, 14, generator=generator, dtype=torch.float64) * torch.logspace(0, -2, 14)
    query = torch.randn(500, 12, generator=generator, dtype=torch.float64) / 4
    solve = getattr(nnls, mode)
    one, all_ = (solve(x @ x.mT, query, batched=batched) for batched in (False, True))
    assert ((one > 0) == (all_ > 0)).all()
    torch.testing.assert_close(one, all_, rtol=1e-6, atol=1e-9)
    if mode == "exact":
        assert float((violation(x @ x.mT, query, one) / one.amax(1).clamp(min=1)).max()) <= 1e-6


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("mode", MODES)
def test_order_and_chunks_change_nothing(mode: Mode, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    x = cloud(90, 40)  # fewer than k * k / 2, which have all their products made, and more
    whole = neighbourhoods(x.unsqueeze(0), 15, mode=mode, kernel=kernel)
    dense = torch.zeros(90, 90, dtype=torch.float64).scatter(1, whole.index, whole.weight)
    for name, value in (("CHUNK", 1000), ("TOGETHER", 1)):
        monkeypatch.setattr(nnk, name, value)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    parts = neighbourhoods(x[order].unsqueeze(0), 15, mode=mode, kernel=kernel)
    mixed = torch.zeros(90, 90, dtype=torch.float64).scatter(1, parts.index, parts.weight)
    torch.testing.assert_close(mixed, dense[order][:, order], rtol=0, atol=1e-9)


def test_sets_are_apart_from_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cloud(100, 30).view(5, 20, 30)
    together = neighbourhoods(x, 50)
    assert together.index.shape == (100, 19)
    assert (together.index // 20 == torch.arange(100).unsqueeze(1) // 20).all()
    assert (together.index != torch.arange(100).unsqueeze(1)).all()
    monkeypatch.setattr(nnk, "TOGETHER", 800)
    apart = neighbourhoods(x, 50)
    assert apart.index.equal(together.index)
    assert apart.weight.equal(together.weight)
    alone = neighbourhoods(x[3:4], 50)
    assert alone.weight.equal(together.weight[60:80])


def test_a_point_is_no_neighbour_of_its_own_among_many_copies() -> None:
    x = torch.cat([torch.ones(30, 5), cloud(5, 5)]).unsqueeze(0)
    found = neighbourhoods(x, 4)
    assert (found.index != torch.arange(35).unsqueeze(1)).all()
    assert all(len(set(row)) == 4 for row in found.index.tolist())


def test_unusable_input_is_refused() -> None:
    for x, k in ((torch.ones(3, 4), 2), (torch.ones(1, 1, 4), 2), (torch.ones(1, 3, 4), 0)):
        with pytest.raises(ValueError, match="expected features"):
            neighbourhoods(x, k)
    with pytest.raises(ValueError, match=r"expected K \(M, k, k\)"):
        nnls.exact(torch.ones(2, 3, 3), torch.ones(2, 4))
