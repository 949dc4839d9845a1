"""Batched, preconditioned L-BFGS for many L2-regularised linear classifiers on the same images.

Problem b minimises f_b(W) = mean_i loss_b(x_i W) + l2_b / 2 |W|^2, where the last row of W, the bias, is not penalised.
All problems advance together, and an iteration takes two GEMMs whatever the line search does: one for the logits of
all search directions, along which every trial step is elementwise, and one for all gradients. The recursion is
Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4, with the inverse of the diagonal h variance + l2 as
its initial matrix; h is fitted to the latest pair, as their equation 7.20 does with one number for the whole matrix.
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
BLOCK = {"cpu": 1 << 18, "cuda": 1 << 25}
"""Logits that a loss visits at a time: what fits a core's cache, or fills a GPU."""
LIVE_TENSORS = 3
"""Tensors of the logits' size alive at once."""


@dataclass(frozen=True)
class Solution:
    """Where the optimiser left each of B problems."""

    weight: Tensor
    """(P, B, C)"""
    objective: Tensor
    """(B,) float64"""
    iterations: Tensor
    """(B,) int64"""
    converged: Tensor
    """(B,) bool"""


class Pair:
    """A step and the change of the gradient along it, (P, A, C); `rho` (A,) is 0 where rounding spoilt the pair."""

    def __init__(self, step: Tensor, change: Tensor) -> None:
        curvature = dot(step, change)
        rounding = torch.finfo(step.dtype).eps * (dot(step, step) * dot(change, change)).sqrt()
        self.step, self.change = step, change
        self.rho = torch.where(curvature > rounding, 1 / curvature, 0)

    def keep(self, kept: Tensor) -> None:
        """Drop the problems that are not in the mask (A,)."""
        self.step, self.change, self.rho = self.step[:, kept], self.change[:, kept], self.rho[kept]


class Ray:
    """The logits of A problems (N, A, C), and how they move along the problems' search directions."""

    def __init__(self, design: Tensor, loss: Loss, problems: Tensor) -> None:
        self.design, self.loss, self.problems = design, loss, problems
        self.logits = loss.prior[problems].repeat(len(design), 1, 1)
        self.move = torch.zeros_like(self.logits)
        self.residual = torch.zeros_like(self.logits)

    def aim(self, direction: Tensor) -> None:
        """Set the direction (P, A, C)."""
        torch.mm(self.design, direction.flatten(1), out=self.move.flatten(1))

    def mean_loss(self, step: Tensor, which: Tensor | slice) -> Tensor:
        """Return the mean losses (K,) a step (K,) ahead, for the problems `which`, and set their residuals."""
        problems, step = self.problems[which], step.to(self.logits.dtype).unsqueeze(1)
        total = torch.zeros(len(problems), dtype=torch.float64, device=step.device)
        block = max(1, BLOCK.get(step.device.type, BLOCK["cuda"]) // (len(problems) * self.loss.columns))
        for start in range(0, len(self.logits), block):
            rows = slice(start, start + block)
            logits = torch.addcmul(self.logits[rows][:, which], self.move[rows][:, which], step)
            total += self.loss(logits, rows, problems)
            self.residual[rows, which] = logits
        return total / len(self.logits)

    def advance(self, step: Tensor) -> None:
        """Move the logits a step (A,) ahead."""
        self.logits.addcmul_(self.move, step.to(self.logits.dtype).unsqueeze(1))

    def gradient(self) -> Tensor:
        """Return the gradient of the mean loss (P, A, C) where the residuals were last set."""
        return torch.mm(self.design.T, self.residual.flatten(1)).view(-1, *self.residual.shape[1:]) / len(self.design)

    def keep(self, kept: Tensor) -> None:
        """Drop the problems that are not in the mask (A,)."""
        del self.move, self.residual
        self.problems, self.logits = self.problems[kept], self.logits[:, kept]
        self.move, self.residual = torch.empty_like(self.logits), torch.empty_like(self.logits)


class Batch:
    """The A problems that still run: where each of them is, and what L-BFGS remembers of it."""

    def __init__(self, design: Tensor, variance: Tensor, loss: Loss, l2: Tensor, problems: Tensor) -> None:
        self.ray = Ray(design, loss, problems)
        self.variance = variance[:, None, None]
        self.penalty = l2[problems].repeat(len(variance), 1).unsqueeze(2)
        self.penalty[-1] = 0
        self.curvature = loss.curvature[problems]
        self.weight = design.new_zeros(len(variance), len(problems), loss.columns)
        self.weight[-1] = loss.prior[problems]
        self.objective = self.ray.mean_loss(torch.zeros_like(problems), slice(None))
        self.gradient = self.ray.gradient()
        self.stalled = torch.zeros_like(problems, dtype=torch.bool)
        self.history: deque[Pair] = deque(maxlen=HISTORY)

    def direction(self) -> Tensor:
        """Return the search directions (P, A, C), by the two-loop recursion."""
        q = -self.gradient
        alphas = []
        for pair in reversed(self.history):
            alphas.append(pair.rho * dot(pair.step, q))
            q.addcmul_(pair.change, alphas[-1].unsqueeze(1), value=-1)
        q.div_(self.curvature.unsqueeze(1) * self.variance + self.penalty)
        for pair, alpha in zip(self.history, reversed(alphas), strict=True):
            q.addcmul_(pair.step, (alpha - pair.rho * dot(pair.change, q)).unsqueeze(1))
        return q

    def step(self, direction: Tensor, slope: Tensor) -> None:
        """Search along the directions (P, A, C), with these slopes (A,), and move there."""
        self.ray.aim(direction)
        length = self._search(direction, slope)
        self.ray.advance(length)
        step = direction * length.to(direction.dtype).unsqueeze(1)
        self.weight += step
        gradient = torch.addcmul(self.ray.gradient(), self.penalty, self.weight)
        self.history.append(Pair(step, gradient - self.gradient))
        self.gradient = gradient
        self._fit_curvature(self.history[-1])

    def _search(self, direction: Tensor, slope: Tensor) -> Tensor:
        """Return step lengths (A,) with sufficient decrease, and set the objective there.

        The rule is Armijo's, the next trial the vertex of the interpolating parabola. A problem that finds no step
        within the rounding of its objective has stalled: its step is 0.
        """
        ceiling = self.objective * (1 + NOISE * torch.finfo(direction.dtype).eps)
        penalty, along, beyond = self._penalty_along(direction)
        length, value = torch.ones_like(slope), torch.empty_like(slope)
        searching: Tensor | slice = slice(None)
        for _ in range(BACKTRACKS):
            value[searching] = self.ray.mean_loss(length[searching], searching)
            reached = value + penalty + length * (along + length * beyond)
            short = ~(reached <= ceiling + ARMIJO * length * slope)
            if not short.any():
                break
            searching = short.nonzero().squeeze(1)
            vertex = -slope * length.square() / (2 * (reached - self.objective - slope * length))
            length = torch.where(short, vertex.fmin(0.5 * length).fmax(0.1 * length), length)
        self.stalled = short
        self.objective = torch.where(short, self.objective, reached)
        return torch.where(short, 0, length)

    def _penalty_along(self, direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the penalty's coefficients (A,) as a quadratic in the step length, float64."""
        weight, ahead = self.penalty * self.weight, self.penalty * direction
        terms = 0.5 * dot(weight, self.weight), dot(weight, direction), 0.5 * dot(ahead, direction)
        return terms[0].double(), terms[1].double(), terms[2].double()

    def _fit_curvature(self, pair: Pair) -> None:
        """Fit h, so that h variance best explains the pair without the penalty, which is known exactly."""
        change = pair.change - self.penalty * pair.step
        curvature = dot(change, change / self.variance) / dot(change, pair.step)
        fits = (pair.rho > 0) & (curvature > 0) & curvature.isfinite()
        self.curvature = torch.where(fits, curvature, self.curvature)

    def keep(self, kept: Tensor) -> None:
        """Drop the problems that are not in the mask (A,)."""
        self.ray.keep(kept)
        self.penalty, self.weight, self.gradient = self.penalty[:, kept], self.weight[:, kept], self.gradient[:, kept]
        self.curvature, self.objective, self.stalled = self.curvature[kept], self.objective[kept], self.stalled[kept]
        for pair in self.history:
            pair.keep(kept)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return each problem's inner product (A,) of two tensors (P, A, C)."""
    return (a * b).sum((0, 2))


def minimise(
    design: Tensor, variance: Tensor, loss: Loss, l2: Tensor, problems: Tensor, *, rtol: float, max_iter: int
) -> Solution:
    """Minimise the problems with these indices (B,) into the loss and into the strengths l2.

    The columns of the design (N, P) should be nearly uncorrelated; `variance` (P,) is their mean square, and the last
    column is ones. A problem stops when the decrease that its quadratic model promises, -gradient . direction / 2, is
    at most `rtol` of its objective: a rule without units, which holds at strengths where the gradient vanishes.
    """
    batch = Batch(design, variance, loss, l2, problems)
    size = len(problems)
    solution = Solution(
        design.new_zeros(len(variance), size, loss.columns),
        design.new_zeros(size, dtype=torch.float64),
        problems.new_zeros(size),
        torch.zeros_like(problems, dtype=torch.bool),
    )
    running = torch.arange(size, device=design.device)
    for iteration in range(max_iter + 1):
        direction = batch.direction()
        slope = dot(batch.gradient, direction).double()
        converged = (slope.abs() / 2 <= rtol * batch.objective) & ~batch.stalled
        done = converged | batch.stalled | (iteration == max_iter)
        if done.any():
            solution.weight[:, running[done]] = batch.weight[:, done]
            solution.objective[running[done]] = batch.objective[done]
            solution.iterations[running[done]] = iteration
            solution.converged[running] = converged
            if done.all():
                break
            batch.keep(~done)
            running, direction, slope = running[~done], direction[:, ~done], slope[~done]
        batch.step(direction, slope)
    return solution
