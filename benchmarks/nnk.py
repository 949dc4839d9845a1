"""NNK neighbourhoods: harness.numerics.nnk against loops over the points, in CPU seconds of all threads.

    python -m benchmarks.nnk
    python -m benchmarks.nnk --large                  # 50,000 x 768: a quarter of an hour
    python -m benchmarks.nnk --device cuda

Every contestant finds the k nearest, their kernels, and the weights. The loops search with faiss; one solves with
scipy.optimize.nnls on a Cholesky factor, the other as the published code does: one-way pruning, in float64 as ours,
and in the float32 that it takes features in. With --device ours runs there, and wall seconds are compared.
"""

from __future__ import annotations

import argparse
from typing import Any, Literal

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs
from scipy.linalg.lapack import dpotrf, dtrtrs
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks._common import alternate, median, report, speed_ratio
from harness.numerics.nnk import Mode, neighbourhoods

SIZES = {"points": 10_000, "features": 384, "k": 50, "threads": 1, "repeats": 3, "seed": 0}
Array = NDArray[Any]
Index = NDArray[np.int64]


def nearest(unit: Array, k: int) -> Index:
    """The k rows nearest to each, but for itself, (n, k)."""
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    found = index.search(unit, k + 1)[1]
    return np.array([row[row != i][:k] for i, row in enumerate(found)])


def chosen(index: Index, weights: Array) -> Index:
    """The candidates (n, k) that have a weight, in order, and -1 for the others."""
    return np.sort(np.where(weights > 0, index, -1), axis=1)


def scipy_loop(unit: Array, k: int) -> Index:
    """Neighbours by the exact definition, as `chosen`."""
    index, double = nearest(unit, k), unit.astype(np.float64)
    weights = np.zeros(index.shape)
    for i, at in enumerate(index):
        rows = double[at]
        factor = dpotrf(0.5 + 0.5 * (rows @ rows.T))[0]
        weights[i] = nnls(factor, dtrtrs(factor, 0.5 + 0.5 * (rows @ double[i]), trans=1)[0])[0]
    return chosen(index, weights)


def published_loop(unit: Array, k: int, tolerance: float = 1e-10) -> Index:
    """Neighbours by one-way pruning in the precision of `unit`, as `chosen`."""
    index = nearest(unit.astype(np.float32), k)
    potrf, potrs = get_lapack_funcs(("potrf", "potrs"), (unit,))
    weights = np.zeros(index.shape)
    for i, at in enumerate(index):
        rows = unit[at]
        kernel, query = 0.5 + 0.5 * (rows @ rows.T), 0.5 + 0.5 * (rows @ unit[i])
        kept, worst = query > tolerance, 1.0
        while worst > tolerance:
            theta = np.zeros_like(query)
            theta[kept] = potrs(potrf(kernel[kept][:, kept])[0], query[kept])[0]
            fallen = theta < tolerance
            worst = np.abs(theta[fallen]).max(initial=0)
            kept &= theta > tolerance
        weights[i] = np.where(theta < tolerance, 0, theta)
    return chosen(index, weights)


def ours(x: Tensor, k: int, mode: Mode) -> Index:
    """Neighbours, as `chosen`."""
    found = neighbourhoods(x.unsqueeze(0), k, mode=mode)
    return chosen(found.index.cpu().numpy(), found.weight.cpu().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--large", action="store_true", help="50,000 points of 768 features, once")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.large:
        args.points, args.features, args.repeats = 50_000, 768, 1

    torch.set_num_threads(args.threads)
    faiss.omp_set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(args.seed)
    scale = torch.arange(1, args.features + 1) ** -0.5
    x = torch.randn(args.points, args.features, generator=generator) * scale
    unit, moved = normalize(x).numpy(), x.to(args.device)
    found: dict[str, Index] = {}
    contestants = {
        "exact": lambda: found.update({"exact": ours(moved, args.k, "exact")}),
        "SciPy loop": lambda: found.update({"SciPy loop": scipy_loop(unit, args.k)}),
        "reference": lambda: found.update({"reference": ours(moved, args.k, "reference")}),
        "published loop": lambda: found.update({"published loop": published_loop(unit.astype(np.float64), args.k)}),
        "published, float32": lambda: found.update({"published, float32": published_loop(unit, args.k)}),
    }
    field: Literal["wall", "cpu"] = "cpu" if args.device == "cpu" else "wall"
    with threadpool_limits(args.threads):
        timings = alternate(contestants, args.repeats)
    peers = {"SciPy loop": "exact", "published loop": "reference", "published, float32": "reference"}
    same = {peer: f"{100 * (found[name] == found[peer]).all(1).mean():.2f} %" for peer, name in peers.items()}
    rows = [
        (name, getattr(median(timings[name]), field), (found[name] >= 0).sum(1).mean(), same.get(name, ""))
        for name in timings
    ]
    ratio = {peer: speed_ratio(timings[peer], timings[name], field) for peer, name in peers.items()}
    print(f"{args.points:,} x {args.features}, k = {args.k}, {args.threads} threads, {args.device}\n")
    claim = ", ".join(f"{peer} / {peers[peer]}: {times:.2f}" for peer, times in ratio.items())
    report(("", f"{field} s", "neighbours", "same as ours"), rows, claim)


if __name__ == "__main__":
    main()
