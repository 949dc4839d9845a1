"""Whether two features put the same images near each other."""

from __future__ import annotations

from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.alignments import centred
from harness.numerics.knn import other_neighbours


def nearest_others(x: Tensor, k: int) -> Tensor:
    """Indices (N, k) of the k most cosine-similar other rows of (N, D), nearest first; equal ones in order of index.

    Raises `UndefinedError` where there are fewer than k others, or all rows are the same.
    """
    if len(x) <= k:
        raise UndefinedError(f"{k} neighbours need {k + 1} images, there are {len(x)}")
    centred(x)  # raises where they are constant
    return other_neighbours(x, k)


def shared_neighbours(x: Tensor, y: Tensor, k: int) -> Tensor:
    """How many of an image's k nearest others in x are also among those in y, (N,) int64. Errors as `nearest_others`.

    Features are neither centred nor scaled before their cosine is taken.
    """
    a, b = nearest_others(x, k), nearest_others(y, k)
    return (a[:, :, None] == b[:, None, :]).any(2).sum(1)
