"""Percentile bootstrap intervals: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

The n-image resamples of a seed are always the same, so that statistics, metrics and models are resampled jointly.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

COUNTS = 1 << 22
"""Resampling counts alive at a time."""
KEPT = 1 << 23
"""Counts that are kept for the next metric, where there are no more: drawing them takes longer than most metrics do."""


def resample_indices(n: int, resamples: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield `resamples` draws with replacement of n out of n indices, (n,) int64 on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(resamples):
        yield torch.randint(n, (n,), generator=generator)


def weights(n: int, resamples: int, seed: int = 0) -> Iterator[Tensor]:
    """Yield how often each image is drawn in each of those resamples, as blocks (r, n) float64 of bounded size."""
    blocks = _kept(n, resamples, seed) if n * resamples <= KEPT else _drawn(n, resamples, seed)
    return (block.double() for block in blocks)


@lru_cache(maxsize=2)
def _kept(n: int, resamples: int, seed: int) -> tuple[Tensor, ...]:
    return tuple(_drawn(n, resamples, seed))


def _drawn(n: int, resamples: int, seed: int) -> Iterator[Tensor]:
    """Blocks (r, n) int32."""
    draws = resample_indices(n, resamples, seed)
    while block := list(islice(draws, max(1, COUNTS // n))):
        yield torch.stack([index.bincount(minlength=n) for index in block]).int()


def percentile_interval(statistics: Tensor, confidence: float = 0.95) -> tuple[Tensor, Tensor]:
    """Return the interval of this confidence between quantiles of the resampled statistics (R, ...), float64."""
    tail = (1 - confidence) / 2
    low, high = statistics.double().quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64), 0)
    return low, high
