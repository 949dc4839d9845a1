"""Batched, preconditioned L-BFGS for many L2-regularised linear classifiers on the same images.

Problem b minimises f_b(W) = mean_i loss_b(W x_i) + l2_b / 2 |W|^2, where the last column of W, the bias, is not
penalised. All problems advance together: an evaluation takes two GEMMs over blocks of images, whose logits are gone
before the next block, so that memory does not grow with the images. The recursion is Nocedal & Wright, Numerical
Optimization, 2nd ed., algorithm 7.4, with the inverse of the diagonal h variance + l2 as its initial matrix; h is
fitted to the latest pair, as their equation 7.20 does with one number for the whole matrix.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.numerics.losses import Loss

HISTORY = 10
ARMIJO = 1e-4
BACKTRACKS = 20
NOISE = 16
"""Rounding of an objective, in units of the dtype's epsilon."""
BLOCK = {"cpu": 1 << 21, "cuda": 1 << 27}
"""Logits of a block of images: what the last cache holds, or fills a GPU."""
TILE = {"cpu": 1 << 17, "cuda": 1 << 27}
"""Logits that a loss visits at a time: what a core's own cache holds."""
ROWS = 512
"""Images of a block, at least, lest the GEMMs get thin."""
LIVE = 2 * HISTORY + 8
"""Tensors of the weights' size alive at once."""


@dataclass(frozen=True)
class Solution:
    """Where the optimiser left each of B problems."""

    weight: Tensor
    """(B, C, P)"""
    curvature: Tensor
    """(B,) the last h."""
    objective: Tensor
    """(B,) float64"""
    iterations: Tensor
    """(B,) int64"""
    converged: Tensor
    """(B,) bool"""


@dataclass(frozen=True)
class Problems:
    """B = len(l2) problems: their images, loss and strengths.

    The columns of the design (N, P) should be nearly uncorrelated; `variance` (P,) is their mean square, and the last
    column is ones. `l2` is (B,) float64.
    """

    design: Tensor
    variance: Tensor
    loss: Loss
    l2: Tensor

    def penalty(self, problems: Tensor) -> Tensor:
        """(A, 1, P): l2, and 0 for the bias."""
        penalty = self.l2[problems].to(self.design.dtype).repeat(len(self.variance), 1).T.unsqueeze(1).contiguous()
        penalty[..., -1] = 0
        return penalty

    def evaluate(self, weight: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        """Return objectives (A,), float64, and gradients (A, C, P) at the weights (A, C, P) of these problems."""
        active, columns, _ = weight.shape
        flat, device = weight.flatten(0, 1), self.design.device.type
        block = max(ROWS, BLOCK.get(device, BLOCK["cuda"]) // len(flat))
        gradient = torch.zeros_like(flat)
        total = torch.zeros(active, dtype=torch.float64, device=weight.device)
        for start in range(0, len(self.design), block):
            rows = slice(start, start + block)
            design = self.design[rows]
            logits = torch.mm(flat, design.T).view(active, columns, len(design))
            tile = max(1, TILE.get(device, TILE["cuda"]) // (columns * len(design)))
            for first in range(0, active, tile):
                some = slice(first, first + tile)
                total[some] += self.loss(logits[some], rows, problems[some])
            gradient.addmm_(logits.flatten(0, 1), design)
        l2, penalised = self.l2[problems], weight[..., :-1]
        gradient = gradient.div_(len(self.design)).view_as(weight)
        gradient[..., :-1].addcmul_(penalised, wide(l2.to(weight.dtype)))
        return total / len(self.design) + l2 / 2 * penalised.square().sum((1, 2), dtype=torch.float64), gradient


class Pair:
    """A step and the change of the gradient along it, (A, C, P); `rho` (A,) is 0 where rounding spoilt the pair."""

    def __init__(self, step: Tensor, change: Tensor) -> None:
        curvature = dot(step, change)
        rounding = torch.finfo(step.dtype).eps * (dot(step, step) * dot(change, change)).sqrt()
        self.step, self.change = step, change
        self.rho = torch.where(curvature > rounding, 1 / curvature, 0)

    def keep(self, kept: Tensor) -> None:
        """Drop the problems that are not in the mask (A,)."""
        self.step, self.change, self.rho = self.step[kept], self.change[kept], self.rho[kept]


class Batch:
    """The A problems that still run: where each of them is, and what L-BFGS remembers of it."""

    def __init__(self, given: Problems, problems: Tensor, weight: Tensor, curvature: Tensor) -> None:
        self.given, self.problems, self.weight, self.curvature = given, problems, weight, curvature
        self.penalty = given.penalty(problems)
        self.objective, self.gradient = given.evaluate(weight, problems)
        self.stalled = torch.zeros_like(problems, dtype=torch.bool)
        self.history: deque[Pair] = deque(maxlen=HISTORY)

    def direction(self) -> Tensor:
        """Return the search directions (A, C, P), by the two-loop recursion."""
        q = -self.gradient
        alphas = []
        for pair in reversed(self.history):
            alphas.append(pair.rho * dot(pair.step, q))
            q.addcmul_(pair.change, wide(alphas[-1]), value=-1)
        q.div_(wide(self.curvature) * self.given.variance + self.penalty)
        for pair, alpha in zip(self.history, reversed(alphas), strict=True):
            q.addcmul_(pair.step, wide(alpha - pair.rho * dot(pair.change, q)))
        return q

    def step(self, direction: Tensor, slope: Tensor) -> None:
        """Search along the directions (A, C, P), with these slopes (A,), and move there.

        The rule is Armijo's, the next trial the vertex of the interpolating parabola. A problem that finds no step
        within the rounding of its objective has stalled: it stays where it is.
        """
        ceiling = self.objective * (1 + NOISE * torch.finfo(direction.dtype).eps)
        length = torch.ones_like(slope)
        weight, objective, gradient = self._trial(direction, length, slice(None))
        for _ in range(BACKTRACKS):
            short = ~(objective <= ceiling + ARMIJO * length * slope)
            if not short.any():
                break
            again = short.nonzero().squeeze(1)
            vertex = -slope * length.square() / (2 * (objective - self.objective - slope * length))
            length = torch.where(short, vertex.fmin(0.5 * length).fmax(0.1 * length), length)
            weight[again], objective[again], gradient[again] = self._trial(direction, length, again)
        self.stalled = ~(objective <= ceiling + ARMIJO * length * slope)
        if self.stalled.any():
            weight[self.stalled] = self.weight[self.stalled]
            objective[self.stalled], gradient[self.stalled] = self.objective[self.stalled], self.gradient[self.stalled]
        self.history.append(Pair(weight - self.weight, gradient - self.gradient))
        self.weight, self.objective, self.gradient = weight, objective, gradient
        self._fit_curvature(self.history[-1])

    def _trial(self, direction: Tensor, length: Tensor, which: Tensor | slice) -> tuple[Tensor, Tensor, Tensor]:
        step = wide(length[which].to(direction.dtype))
        weight = torch.addcmul(self.weight[which], direction[which], step)
        return weight, *self.given.evaluate(weight, self.problems[which])

    def _fit_curvature(self, pair: Pair) -> None:
        """Fit h, so that h variance best explains the pair without the penalty, which is known exactly."""
        change = torch.addcmul(pair.change, self.penalty, pair.step, value=-1)
        curvature = dot(change, change / self.given.variance) / dot(change, pair.step)
        fits = (pair.rho > 0) & (curvature > 0) & curvature.isfinite()
        self.curvature = torch.where(fits, curvature, self.curvature)

    def keep(self, kept: Tensor) -> None:
        """Drop the problems that are not in the mask (A,)."""
        for name in ("problems", "penalty", "weight", "gradient", "curvature", "objective", "stalled"):
            setattr(self, name, getattr(self, name)[kept])
        for pair in self.history:
            pair.keep(kept)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return each problem's inner product (A,) of two tensors (A, C, P)."""
    return torch.bmm(a.flatten(1).unsqueeze(1), b.flatten(1).unsqueeze(2)).view(len(a))


def wide(number: Tensor) -> Tensor:
    """A number a problem (A,) as (A, 1, 1)."""
    return number.view(-1, 1, 1)


def minimise(
    given: Problems, problems: Tensor, weight: Tensor, curvature: Tensor, *, rtol: float, max_iter: int
) -> Solution:
    """Minimise the problems with these indices (B,), from weights (B, C, P) and an estimate (B,) of their h.

    A problem stops when the decrease that its quadratic model promises, -gradient . direction / 2, is at most `rtol`
    of its objective: a rule without units, which holds at strengths where the gradient vanishes.
    """
    batch, size = Batch(given, problems, weight, curvature), len(problems)
    objective = torch.zeros(size, dtype=torch.float64, device=weight.device)
    converged = torch.zeros_like(problems, dtype=torch.bool)
    solution = Solution(weight.clone(), curvature.clone(), objective, problems.new_zeros(size), converged)
    running = torch.arange(size, device=weight.device)
    for iteration in range(max_iter + 1):
        direction = batch.direction()
        slope = dot(batch.gradient, direction).double()
        reached = (slope.abs() / 2 <= rtol * batch.objective) & ~batch.stalled
        done = reached | batch.stalled | (iteration == max_iter)
        if done.any():
            at = running[done]
            solution.weight[at], solution.curvature[at] = batch.weight[done], batch.curvature[done]
            solution.objective[at], solution.iterations[at] = batch.objective[done], iteration
            solution.converged[running] = reached
            if done.all():
                break
            batch.keep(~done)
            running, direction, slope = running[~done], direction[~done], slope[~done]
        batch.step(direction, slope)
    return solution
