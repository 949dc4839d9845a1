"""CKA of all pairs of layers: harness.numerics.cka against pytorch-cka and loops over pairs, in CPU seconds.

    python -m benchmarks.cka
    python -m benchmarks.cka --images 8192 --block 256 --repeats 1

Synthetic layers (by default 24 layers of 10 models); all contestants start from the same float32 Gram matrices of
blocks of images. The loops do only `--pairs` of the pairs, and their seconds are scaled to all of them, in proportion.
One loop takes three traces of products of Gram matrices a pair, as torch-cka does; the other sums one elementwise
product a pair, of matrices that were centred before, outside its time. Below: the peak memory of the harness's sums,
over blocks of images that are made one by one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations

import torch
from cka.hsic import hsic as pytorch_cka_hsic
from torch import Tensor

from benchmarks._common import Timing, alternate, median, report, speed_ratio
from benchmarks._memory import peak
from harness.evidence import Grams
from harness.numerics.cka import blocks, hsic, total, u_centred
from harness_metrics.cka import cka

SIZES = {
    "models": 10,
    "layers": 24,
    "images": 2048,
    "block": 64,
    "features": 128,
    "pairs": 576,
    "repeats": 3,
    "seed": 0,
}
GROWING = (1024, 4096, 16384)


def products(images: int, block: int, layers: int, features: int, seed: int) -> Iterator[Tensor]:
    """(block, R, block) of one block after the other: layers that share a part of their variance."""
    random = torch.Generator().manual_seed(seed)
    for _ in range(images // block):
        common = torch.randn(block, features, generator=random)
        x = common + torch.randn(layers, block, features, generator=random)
        x -= x.mean(1, keepdim=True)
        yield (x @ x.mT).movedim(1, 0)


def all_pairs(values: Tensor) -> Tensor:
    """(R, R) by the harness."""
    return total(hsic(blocks(values), None)).cka


def by_models(values: Tensor, layers: int) -> float:
    """As a run does it, one pair of models after the other, with intervals; the sum, so that nothing is left undone."""
    sides = [Grams(part, tuple(map(str, range(layers)))) for part in torch.split(values, layers, 1)]
    return sum(score.value for a, b in combinations(sides, 2) for score in cka(a, b).values())


def pytorch_cka(grams: list[Tensor]) -> Tensor:
    """(R, R): its HSIC summed over blocks."""
    cross, first, second = (sum(parts) for parts in zip(*(pytorch_cka_hsic(g, g) for g in grams), strict=True))
    return cross / (first[:, None] * second).sqrt()


def trace_loop(grams: list[Tensor], pairs: list[tuple[int, int]]) -> Tensor:
    """(P,): HSIC of the cross and of either side for each pair, block by block."""
    found = []
    for i, j in pairs:
        sums = [0.0, 0.0, 0.0]
        for block in grams:
            for at, (a, b) in enumerate(((i, j), (i, i), (j, j))):
                sums[at] += trace_hsic(block[a], block[b])
        found.append(sums[0] / (sums[1] * sums[2]) ** 0.5)
    return torch.tensor(found)


def trace_hsic(k: Tensor, other: Tensor) -> float:
    """HSIC_1 of two Gram matrices by the trace of their product (Song et al. 2012)."""
    n = len(k)
    k, other = k - k.diag().diag(), other - other.diag().diag()
    product = k @ other
    last = k.sum() * other.sum() / ((n - 1) * (n - 2)) - 2 * product.sum() / (n - 2)
    return ((product.trace() + last) / (n * (n - 3))).item()


def product_loop(centred: list[Tensor], sizes: list[float], pairs: list[tuple[int, int]]) -> Tensor:
    """(P,): one elementwise product for each pair and block, of matrices that were centred and measured before."""
    return torch.tensor([
        sum((block[i] * block[j]).sum().item() for block in centred) / (sizes[i] * sizes[j]) for i, j in pairs
    ])  # fmt: skip


def scaled(timings: list[Timing], factor: float) -> list[Timing]:
    return [Timing(t.wall * factor, t.cpu * factor) for t in timings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    args = parser.parse_args()
    torch.set_num_threads(1)
    taps = args.models * args.layers

    def accumulate(images: int) -> Tensor:
        made = products(images, args.block, taps, args.features, args.seed)
        return total(hsic((next(blocks(values)) for values in made), None)).cka

    accumulate(args.block)
    memory = {images: peak(lambda n=images: accumulate(n)) / 2**20 for images in GROWING}

    made = list(products(args.images, args.block, taps, args.features, args.seed))
    values, grams = torch.cat(made), [each.movedim(1, 0).contiguous() for each in made]
    centred = [u_centred(block) for block in grams]
    sizes = sum(block.square().sum((1, 2)) for block in centred).sqrt().tolist()
    random = torch.Generator().manual_seed(args.seed)
    pairs = [(int(i), int(j)) for i, j in torch.randint(taps, (args.pairs, 2), generator=random)]
    contestants = {
        "harness": lambda: all_pairs(values),
        "harness, by pairs of models, with intervals": lambda: by_models(values, args.layers),
        "pytorch-cka": lambda: pytorch_cka(grams),
        "loop of traces": lambda: trace_loop(grams, pairs),
        "loop of products": lambda: product_loop(centred, sizes, pairs),
    }
    at = tuple(torch.tensor(pairs).T)
    exact = all_pairs(values.double())[at]
    found = {"harness": all_pairs(values)[at], "pytorch-cka": pytorch_cka(grams)[at]}
    found |= {name: contestants[name]() for name in ("loop of traces", "loop of products")}
    timings = alternate(contestants, args.repeats)
    share = taps**2 / args.pairs
    loops = {name: f"{name}, {args.pairs} pairs x {share:.0f}" for name in ("loop of traces", "loop of products")}
    timings |= {name: scaled(timings[name], share) for name in loops}
    rows = [
        (
            loops.get(name, name),
            median(t).cpu,
            1e6 * float((found[name] - exact).abs().max()) if name in found else None,
        )
        for name, t in timings.items()
    ]
    print(f"{taps**2:,} pairs of {taps} layers, {args.images:,} images in blocks of {args.block}, one thread\n")
    peers = [name for name in timings if not name.startswith("harness")]
    ratios = {name: speed_ratio(timings[name], timings["harness"], "cpu") for name in peers}
    report(
        ("", "CPU s", "largest error, 1e-6"), rows,
        "\n".join([
            "peak MiB of the sums: " + ", ".join(f"{mib:.0f} for {n:,} images" for n, mib in memory.items()),
            ", ".join(f"{name} / harness: {ratio:.1f}" for name, ratio in ratios.items()),
        ]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
