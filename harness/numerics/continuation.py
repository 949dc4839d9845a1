"""A whole path of strengths, each fit started from its neighbours'.

The optimal weights are a smooth function of the logarithm of the strength. So every fourth strength is solved in turn,
from the strongest, whose optimum is next to the prior, to the weakest, each from the line through the two before it;
then what lies between, all at once, from the line through its neighbours. Of 45 fits at quarter decades, the 33 in
between hardly take an iteration.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from harness.numerics.lbfgs import LIVE, Problems, Solution, minimise

STRIDE = 4
OVERSHOOT = 2.0
"""How far a line is followed beyond its points, in units of their distance."""


def follow(
    given: Problems, strengths: Tensor, start: Tensor | None, *, rtol: float, max_iter: int, memory: int
) -> Solution:
    """Solve the L labels at each of the strengths (G,), which descend: G L problems, b = g L + l.

    Args:
        start: weights (L, C, P) near the optimum at the strongest; the prior's by default.
        memory: bytes of a batch of fits, `LIVE` tensors of weights; at least one fit is made at a time.
    """
    loss, design = given.loss, given.design
    labels, width = torch.arange(loss.labels, device=design.device), design.shape[1]
    weight = design.new_zeros(len(strengths), loss.labels, loss.columns, width)
    curvature = loss.curvature.repeat(len(strengths), 1)
    objective = torch.zeros_like(curvature, dtype=torch.float64)
    iterations = torch.zeros_like(curvature, dtype=torch.int64)
    converged = torch.zeros_like(curvature, dtype=torch.bool)
    size = max(1, memory // (LIVE * loss.columns * width * design.element_size()))
    place = strengths.log().tolist()
    known: list[int] = []
    for stage in stages(len(strengths)):
        for g in stage:
            if known:
                weight[g], curvature[g] = _between(weight, curvature, place, known, g)
            elif start is not None:
                weight[g] = start
            else:
                weight[g, ..., -1] = loss.prior
        problems = (torch.tensor(stage, device=design.device).unsqueeze(1) * loss.labels + labels).flatten()
        for part in torch.split(problems, size):
            at = part // loss.labels, part % loss.labels
            found = minimise(given, part, weight[at], curvature[at], rtol=rtol, max_iter=max_iter)
            weight[at], curvature[at], objective[at] = found.weight, found.curvature, found.objective
            iterations[at], converged[at] = found.iterations, found.converged
        known = sorted(known + stage)
    return Solution(
        weight.flatten(0, 1), curvature.flatten(), objective.flatten(), iterations.flatten(), converged.flatten()
    )


def stages(count: int) -> Iterator[list[int]]:
    """The strengths that are solved together, in order."""
    coarse = sorted({*range(0, count, STRIDE), count - 1})
    yield from ([g] for g in coarse)
    done = set(coarse)
    for stride in (2, 1):
        stage = [g for g in range(0, count, stride) if g not in done]
        done.update(stage)
        if stage:
            yield stage


def _between(weight: Tensor, curvature: Tensor, place: list[float], known: list[int], g: int) -> tuple[Tensor, Tensor]:
    """The point at g on the line through the two nearest solutions around it, or before it; the nearest one's h."""
    after = [k for k in known if k > g][:1]
    pair = ([k for k in known if k < g] + after)[-2:]
    a, b = pair[-1], pair[0]
    share = (place[g] - place[a]) / (place[b] - place[a]) if a != b else 0.0
    nearest = a if share < 0.5 else b
    return torch.lerp(weight[a], weight[b], max(share, -OVERSHOOT)), curvature[nearest]
