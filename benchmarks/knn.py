"""Nearest neighbours by cosine: harness.numerics.knn against scikit-learn and faiss, in CPU seconds of all threads.

    python -m benchmarks.knn
    python -m benchmarks.knn --train 50000 --queries 10000 --k 20 --threads 2 --repeats 1

faiss is given unit rows; the other two normalise within their time. With several threads on a machine that is busy
otherwise, set OMP_WAIT_POLICY=passive: a thread that waits for a delayed one spins, and its seconds are counted.
"""

from __future__ import annotations

import argparse

import faiss
import torch
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks._common import alternate, median, report, speed_ratio
from harness.numerics.knn import neighbours

SIZES = {"train": 20_000, "queries": 2000, "features": 384, "k": 200, "threads": 1, "repeats": 3, "seed": 0}


def scikit_learn(train: Tensor, queries: Tensor, k: int) -> Tensor:
    """Indices (M, k), by brute force."""
    model = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(train.numpy())
    return torch.from_numpy(model.kneighbors(queries.numpy(), return_distance=False))


def faiss_flat(train: Tensor, queries: Tensor, k: int) -> Tensor:
    """Indices (M, k), by the exact inner-product index."""
    index = faiss.IndexFlatIP(train.shape[1])
    index.add(train.numpy())
    return torch.from_numpy(index.search(queries.numpy(), k)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    faiss.omp_set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(args.seed)
    scale = torch.arange(1, args.features + 1) ** -0.5
    train = torch.randn(args.train, args.features, generator=generator) * scale
    queries = torch.randn(args.queries, args.features, generator=generator) * scale
    unit_train, unit_queries = normalize(train), normalize(queries)
    searches = {
        "harness": lambda: neighbours(train, queries, args.k)[1],
        "scikit-learn": lambda: scikit_learn(train, queries, args.k),
        "faiss": lambda: faiss_flat(unit_train, unit_queries, args.k),
    }
    with threadpool_limits(args.threads):
        found = {name: search() for name, search in searches.items()}
        timings = alternate(searches, args.repeats)
    rows = [
        (name, median(timings[name]).cpu, f"{100 * (found[name] == found['harness']).double().mean():.3f} %")
        for name in searches
    ]
    print(f"{args.train:,} x {args.features}, {args.queries:,} queries, k = {args.k}, {args.threads} threads\n")
    ratios = {name: speed_ratio(timings[name], timings["harness"], "cpu") for name in ("scikit-learn", "faiss")}
    ratio = ", ".join(f"{name} / harness: {ratio:.2f}" for name, ratio in ratios.items())
    report(("", "CPU s", "same neighbour, same rank"), rows, ratio)


if __name__ == "__main__":
    main()
