"""Linear probes at the 45 published strengths: harness.numerics.logistic against scikit-learn's lbfgs, on one core.

    python -m benchmarks.logistic
    python -m benchmarks.logistic --images 3000 --classes 100 --repeats 1
    python -m benchmarks.logistic --images 50000 --features 2048 --classes 100 --device cuda --no-peer --repeats 1

Features have a power-law spectrum, as embeddings have. scikit-learn fits as the published protocol does: float32, from
the weakest strength to the strongest, warm starts, at most 100 iterations; once with its default tolerance, and once
with tol / n, which is the rule of scikit-learn < 1.4 and so of the published numbers. The harness runs once as it is
by default, and once to the largest rtol at which both its worst and its median objective are no further from the
optimum than those of scikit-learn to tol / n. Each fit's objective, in float64, is shown by the lowest that any found.
Peak memory is what a forked process needs beyond what it starts with; on a GPU, what is allocated there.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks._common import alternate, median, report, speed_ratio
from benchmarks._memory import peak
from harness.numerics.logistic import RTOL, WEIGHT_DECAYS, fit_path, objective

TOLERANCE = 1e-4
RTOLS = [10.0**-power for power in range(3, 10)]
SIZES = {"images": 5000, "features": 256, "classes": 10, "repeats": 3, "seed": 0}
DEFAULT, EQUAL = f"harness, rtol {RTOL:.0e}", "harness, equal gap"
TIGHT, LOOSE = "scikit-learn, tol / n", "scikit-learn, tol"


class Found(NamedTuple):
    """Weights (G, C, D), biases (G, C), and iterations over all fits."""

    weight: Tensor
    bias: Tensor
    iterations: int


def embeddings(images: int, width: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Overlapping Gaussian classes of one size (N, D), float32, with standard deviations that fall as rank^-0.8."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, width + 1) ** -0.8
    targets = torch.randperm(images, generator=generator) % classes
    centres = 0.35 * torch.randn(classes, width, generator=generator)
    rotation = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q
    points = centres[targets] + torch.randn(images, width, generator=generator)
    return (points * scale) @ rotation, targets


def scikit_learn(x: Tensor, y: Tensor, tol: float) -> Found:
    """Fitted one after the other."""
    model = LogisticRegression(solver="lbfgs", warm_start=True, tol=tol)
    weight, bias, iterations = [], [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in WEIGHT_DECAYS.tolist():
            model.set_params(C=1 / decay).fit(x.numpy(), y.numpy())
            weight.append(model.coef_.copy())
            bias.append(model.intercept_.copy())
            iterations += int(model.n_iter_[0])
    return Found(torch.from_numpy(np.stack(weight)), torch.from_numpy(np.stack(bias)), iterations)


def harness(x: Tensor, y: Tensor, rtol: float) -> Found:
    """Fitted along the path."""
    path = fit_path(x, y, WEIGHT_DECAYS, int(y.max()) + 1, rtol=rtol)
    return Found(path.weight, path.bias, int(path.iterations.sum()))


def equal_rtol(x: Tensor, y: Tensor, reached: Tensor, lowest: Tensor) -> float:
    """The largest rtol whose objectives exceed the lowest by no more than those reached by scikit-learn."""
    for rtol in RTOLS:
        found = harness(x, y, rtol)
        gap = objective(found.weight, found.bias, x, y, WEIGHT_DECAYS) / lowest - 1
        bound = reached / lowest - 1
        if gap.max() <= bound.max() and gap.median() <= bound.median():
            return rtol
    return RTOLS[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--device", default="cpu", help="of the harness; seconds are then by the clock")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()

    torch.set_num_threads(1)
    x, y = embeddings(args.images, args.features, args.classes, args.seed)
    placed = x.to(args.device), y.to(args.device)
    found: dict[str, Found] = {}
    solvers: dict[str, Callable[[], Found]] = {DEFAULT: lambda: harness(*placed, RTOL)}

    def objectives(name: str) -> Tensor:
        return objective(found[name].weight.cpu(), found[name].bias.cpu(), x, y, WEIGHT_DECAYS)

    def run(name: str) -> None:
        found[name] = solvers[name]()

    with threadpool_limits(1):
        if args.peer:
            solvers[TIGHT] = lambda: scikit_learn(x, y, TOLERANCE / len(x))
            solvers[LOOSE] = lambda: scikit_learn(x, y, TOLERANCE)
            run(DEFAULT)
            run(TIGHT)
            lowest = torch.minimum(objectives(DEFAULT), objectives(TIGHT))
            rtol = equal_rtol(x, y, objectives(TIGHT), lowest)
            solvers[EQUAL] = lambda: harness(*placed, rtol)
        timings = alternate({name: partial(run, name) for name in solvers}, args.repeats)
        memory = {name: peak(solver, args.device) for name, solver in solvers.items()}
    reached = {name: objectives(name) for name in solvers}
    lowest = torch.stack(list(reached.values())).amin(0)
    gaps = {name: reached[name] / lowest - 1 for name in solvers}
    clock: Literal["cpu", "wall"] = "cpu" if args.device == "cpu" else "wall"
    seconds = {name: getattr(median(timings[name]), clock) for name in solvers}
    rows = [
        (name, seconds[name], found[name].iterations, f"1 + {gaps[name].max():.0e}", f"1 + {gaps[name].median():.0e}",
         memory[name] >> 20)
        for name in solvers
    ]  # fmt: skip
    operations = 4 * args.images * args.features * args.classes * (found[DEFAULT].iterations + len(WEIGHT_DECAYS))
    print(f"{args.images:,} x {args.features}, {args.classes} classes, 45 strengths, {args.device}, one CPU thread")
    print(f"products of {DEFAULT}: {operations / seconds[DEFAULT] / 1e9:,.0f} GFLOP/s over the whole time\n")
    ratios = [f"{TIGHT} / {name}: {speed_ratio(timings[TIGHT], timings[name], clock):.2f}"
              for name in (DEFAULT, EQUAL) if args.peer]  # fmt: skip
    headers = ("", f"{clock} s", "iterations", "objective / lowest: worst", "median", "peak MiB")
    report(headers, rows, "\n".join([*ratios, f"rtol at equal gap: {rtol:.0e}"] if args.peer else ()))


if __name__ == "__main__":
    main()
