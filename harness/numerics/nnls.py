"""Many small non-negative quadratic programs, min over theta >= 0 of 1/2 theta' K theta - theta' q, in float64.

Two definitions of what is wanted; see `exact` and `reference`. On a CPU each program is solved by itself with LAPACK,
which batching does not beat; elsewhere all are solved together. Both ways do the same arithmetic.

A kernel matrix K is singular when points coincide, or outnumber their dimensions. It is held to be numerically so where
its Cholesky factor has a pivot below 1e-5 (of a unit diagonal), and what then happens is said below.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv
from scipy.optimize import nnls
from threadpoolctl import ThreadpoolController
from torch import Tensor

Array = NDArray[np.float64]

PIVOT = 1e-5
SLACK = 1e-10
"""How far below 0 a coefficient or a gradient is still rounding, in units of the greatest q."""
CUTOFF = 1e-8
"""The least share of the greatest q that counts as a coefficient."""
STEPS = 30
"""Exchanges after which pivoting is taken to go round in circles; ten are rare."""
RANK = 1e-12
"""The share of the largest eigenvalue below which one is rounding."""
TOLERANCE, RIDGE = 1e-10, 1e-8
INDEFINITE = "a kernel matrix is not positive semi-definite"


def exact(kernel: Tensor, query: Tensor, *, batched: bool | None = None) -> Tensor:
    """Return theta (M, k), float64: the minima for kernel matrices K (M, k, k) and vectors q (M, k).

    By block principal pivoting (Kim & Park, SIAM J. Sci. Comput. 33(6), 2011) with exchanges of all wrong signs at
    once. Where these go round in circles, or K is numerically singular, the minimum is found by SciPy's active sets,
    which grow from nothing, on the eigenvectors of K whose eigenvalues exceed 1e-12 of the largest: points that
    coincide count once. Coefficients below 1e-8 of the greatest q are 0.

    Args:
        batched: all programs together, or one by one; by default together unless on a CPU.

    Raises ValueError if the shapes do not fit.
    """
    kernel, query = _checked(kernel, query)
    scale = query.amax(1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1)
    query = query / scale
    if _together(kernel, batched):
        theta, solved = _pivot_together(kernel, query)
    else:
        theta, solved = _one_by_one(_pivot, kernel, query)
    left = ~solved
    if left.any():
        theta[left] = _one_by_one(_active_sets, kernel[left], query[left])[0]
    return torch.where(theta > CUTOFF, theta, 0) * scale


def reference(kernel: Tensor, query: Tensor, *, batched: bool | None = None) -> Tensor:
    """Return theta (M, k), float64, as ``non_negative_qpsolver`` of STAC-USC/PyNNK_graph_construction finds it.

    It solves K theta = q, leaves out whatever is not positive (to 1e-10), and solves again until nothing is left out.
    What was left out never returns, so this is no minimum in general. Where some q exceed 1 - 1e-10, those are the
    coefficients, and all others 0. Where K is numerically singular the published code goes on with half a
    factorisation, and finds what rounding makes of it; here 1e-8 is added to the diagonal.

    Arguments and errors as `exact`; ValueError also where K is not positive semi-definite.
    """
    kernel, query = _checked(kernel, query)
    if _together(kernel, batched):
        return _prune_together(kernel, query)
    return _one_by_one(_prune, kernel, query)[0]


def one_thread() -> AbstractContextManager[object]:
    """Keeps NumPy's and SciPy's BLAS to one thread: for matrices this small, several cost up to fifty times as much."""
    limits: AbstractContextManager[object] = _pools().limit(limits=1, user_api="blas")
    return limits


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def _checked(kernel: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    if query.ndim != 2 or not query.shape[1] or kernel.shape != (*query.shape, query.shape[1]):
        raise ValueError(f"expected K (M, k, k) and q (M, k), k > 0: got {tuple(kernel.shape)}, {tuple(query.shape)}")
    return kernel.double(), query.double()


def _together(kernel: Tensor, batched: bool | None) -> bool:
    return kernel.device.type != "cpu" if batched is None else batched


def _one_by_one(solve: Callable[[Array, Array], Array | None], kernel: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Return the solutions (M, k), 0 where there is none, and which there are, (M,)."""
    theta = np.zeros(query.shape)
    solved = np.ones(len(query), dtype=bool)
    with one_thread():
        for i, (matrix, vector) in enumerate(zip(kernel.cpu().numpy(), query.cpu().numpy(), strict=True)):
            found = solve(matrix, vector)
            if found is None:
                solved[i] = False
            else:
                theta[i] = found
    return torch.from_numpy(theta).to(kernel.device), torch.from_numpy(solved).to(kernel.device)


def _pivot(kernel: Array, query: Array) -> Array | None:
    """One minimum, or None where pivoting finds none. `passive` are the coefficients that are not held at 0."""
    factor, theta, failed = dposv(kernel.T, query)
    if failed or factor.diagonal().min() < PIVOT:
        return None
    passive = theta >= -SLACK
    for _ in range(STEPS):
        at = passive.nonzero()[0]
        if not len(at):
            return None
        rows = kernel.take(at, 0)
        theta = dposv(rows.take(at, 1).T, query.take(at), overwrite_a=True)[1]
        sign = theta @ rows - query  # the gradient, and in its stead the coefficient where that is free
        sign[at] = theta
        wrong = sign < -SLACK
        if not wrong.any():
            return np.where(passive, sign, 0)
        passive ^= wrong
    return None


def _pivot_together(kernel: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """`_pivot` of all, and which of them have a minimum, (M,)."""
    theta, solved = torch.zeros_like(query), torch.zeros_like(query[:, 0], dtype=torch.bool)
    live, passive = torch.arange(len(query), device=query.device), torch.ones_like(query, dtype=torch.bool)
    for step in range(STEPS):
        free, singular = _solve_together(kernel, query, passive, check=step == 0)
        gradient = (kernel @ free.unsqueeze(2)).squeeze(2) - query
        wrong = torch.where(passive, free, gradient) < -SLACK
        done = ~(wrong.any(1) | singular)
        theta[live[done]], solved[live[done]] = free[done], True
        on = ~(done | singular)
        if not on.any():
            break
        live, kernel, query, passive = live[on], kernel[on], query[on], (passive ^ wrong)[on]
    return theta, solved


def _active_sets(kernel: Array, query: Array) -> Array:
    """One minimum of a singular matrix, the one that Lawson & Hanson's active sets reach."""
    value, vector = np.linalg.eigh(kernel)
    kept = value > RANK * value[-1]
    root, basis = np.sqrt(value[kept]), vector[:, kept]
    return np.asarray(nnls(root[:, None] * basis.T, basis.T @ query / root, maxiter=100 * len(query))[0])


def _prune(kernel: Array, query: Array, ridge: float = 0.0) -> Array:
    """What one-way pruning makes of one program."""
    if query.max() > 1 - TOLERANCE:
        return np.where(query > 1 - TOLERANCE, query, 0)
    theta, at = np.zeros_like(query), (query > TOLERANCE).nonzero()[0]
    system, first = kernel.take(at, 0).take(at, 1), True
    while len(at):
        factor, found, failed = dposv(system.T, query.take(at))
        if failed or (first and factor.diagonal().min() < PIVOT):
            if ridge:
                raise ValueError(INDEFINITE)
            return _prune(kernel + RIDGE * np.eye(len(query)), query, RIDGE)
        if found.min() >= -TOLERANCE:
            theta[at] = np.where(found < TOLERANCE, 0, found)
            break
        kept = (found > TOLERANCE).nonzero()[0]
        system, at, first = system.take(kept, 0).take(kept, 1), at.take(kept), False
    return theta


def _prune_together(kernel: Tensor, query: Tensor) -> Tensor:
    """`_prune` of all."""
    twin = query > 1 - TOLERANCE
    theta, passive = torch.where(twin, query, 0), query > TOLERANCE
    live = (~twin.any(1) & passive.any(1)).nonzero().squeeze(1)
    singular = _solve_together(kernel[live], query[live], passive[live], check=True)[1]
    kernel = kernel.clone()
    kernel[live[singular]] += RIDGE * torch.eye(query.shape[1], dtype=kernel.dtype, device=kernel.device)
    kernel, query, passive = kernel[live], query[live], passive[live]
    while len(live):
        found, failed = _solve_together(kernel, query, passive)
        if failed.any():
            raise ValueError(INDEFINITE)
        left = torch.where(found < TOLERANCE, found.abs(), 0).amax(1)
        passive = passive & (found > TOLERANCE)
        on = (left > TOLERANCE) & passive.any(1)
        theta[live[~on]] = torch.where(found < TOLERANCE, 0, found)[~on]
        live, kernel, query, passive = live[on], kernel[on], query[on], passive[on]
    return theta


def _solve_together(kernel: Tensor, query: Tensor, passive: Tensor, *, check: bool = False) -> tuple[Tensor, Tensor]:
    """Return the solutions of K theta = q among the passive coefficients, the others 0, and which K are singular.

    Args:
        check: singular are those with a small pivot too, not only those that cannot be factorised.
    """
    inside = passive.unsqueeze(2) & passive.unsqueeze(1)
    system = torch.where(inside, kernel, 0).diagonal_scatter(
        torch.where(passive, kernel.diagonal(dim1=1, dim2=2), 1), dim1=1, dim2=2
    )
    factor, failed = torch.linalg.cholesky_ex(system)
    singular = failed > 0
    if check:
        singular |= ~(factor.diagonal(dim1=1, dim2=2).amin(1) >= PIVOT)
    return torch.cholesky_solve((query * passive).unsqueeze(2), factor).squeeze(2) * passive, singular
