"""Linear probes at a grid of strengths: harness.numerics.logistic against scikit-learn's lbfgs, on one core.

    python -m benchmarks.logistic
    python -m benchmarks.logistic --images 10000 --features 512 --strengths 45 --repeats 1

Features have a power-law spectrum, as embeddings have. scikit-learn fits as the published protocol does: float32, from
the weakest strength to the strongest, warm starts, at most 100 iterations; once with its default tolerance, and once
with tol / n, which is the rule of scikit-learn < 1.4 and so of the published numbers. Each fit's objective, in
float64, is shown by the lowest that the three found: the worst and the median of the grid.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks._common import alternate, median, report, speed_ratio
from harness.numerics.logistic import fit_path

TOLERANCE = 1e-4
SIZES = {"images": 5000, "features": 256, "classes": 10, "strengths": 15, "repeats": 3, "seed": 0}


def embeddings(images: int, width: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Overlapping Gaussian classes (N, D), float32, with standard deviations that fall as rank^-0.8."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, width + 1) ** -0.8
    targets = torch.randint(classes, (images,), generator=generator)
    centres = 0.35 * torch.randn(classes, width, generator=generator)
    rotation = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q
    points = centres[targets] + torch.randn(images, width, generator=generator)
    return (points * scale) @ rotation, targets


def scikit_learn(x: Tensor, y: Tensor, decays: Tensor, tol: float) -> tuple[Tensor, Tensor]:
    """Weights (G, C, D) and biases (G, C), fitted one after the other."""
    model = LogisticRegression(solver="lbfgs", warm_start=True, tol=tol)
    weight, bias = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in decays.tolist():
            model.set_params(C=1 / decay).fit(x.numpy(), y.numpy())
            weight.append(model.coef_.copy())
            bias.append(model.intercept_.copy())
    return torch.from_numpy(np.stack(weight)), torch.from_numpy(np.stack(bias))


def harness(x: Tensor, y: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (G, C, D) and biases (G, C), fitted at once."""
    path = fit_path(x, y, decays, int(y.max()) + 1)
    return path.weight, path.bias


def objectives(x: Tensor, y: Tensor, weights: Tensor, biases: Tensor, decays: Tensor) -> Tensor:
    """Mean loss + decay / (2 N) |W|^2 of each fit (G,), in float64."""
    fits = zip(weights.double(), biases.double(), strict=True)
    losses = torch.stack([cross_entropy(x.double() @ weight.T + bias, y) for weight, bias in fits])
    return losses + decays / (2 * len(x)) * weights.double().square().sum((1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    args = parser.parse_args()

    torch.set_num_threads(1)
    x, y = embeddings(args.images, args.features, args.classes, args.seed)
    decays = torch.logspace(-6, 5, args.strengths, dtype=torch.float64)
    solvers = {
        "harness": lambda: harness(x, y, decays),
        "scikit-learn, tol": lambda: scikit_learn(x, y, decays, TOLERANCE),
        "scikit-learn, tol / n": lambda: scikit_learn(x, y, decays, TOLERANCE / len(x)),
    }
    with threadpool_limits(1):
        found = {name: objectives(x, y, *fit(), decays) for name, fit in solvers.items()}
        timings = alternate(solvers, args.repeats)
    lowest = torch.stack(list(found.values())).amin(0)
    gaps = {name: found[name] / lowest - 1 for name in solvers}
    rows = [
        (name, median(timings[name]).cpu, f"1 + {gaps[name].max():.0e}", f"1 + {gaps[name].median():.0e}")
        for name in solvers
    ]
    print(f"{args.images:,} x {args.features}, {args.classes} classes, {args.strengths} strengths, one thread\n")
    ratio = speed_ratio(timings["scikit-learn, tol / n"], timings["harness"], "cpu")
    report(("", "CPU s", "objective / lowest: worst", "median"), rows, f"scikit-learn, tol / n / harness: {ratio:.2f}")


if __name__ == "__main__":
    main()
