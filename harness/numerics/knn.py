"""Exact cosine nearest neighbours and their weighted vote.

Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, CVPR 2018, section 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear, normalize, pad

TRAIN_BLOCK, TILES = 1 << 16, 16


def neighbours(train: Tensor, queries: Tensor, k: int, *, chunk: int = 3 << 22) -> tuple[Tensor, Tensor]:
    """Return the k nearest of the train rows (N, D) to each query (M, D): cosine similarity and index, both (M, k).

    Similarities are float32 products of unit rows, most similar first; equal ones are in order of index. A row of zeros
    has similarity 0 to all. At most about `chunk` similarities are alive at a time.

    Raises ValueError if k is not between 1 and N or the rows differ in length.
    """
    if not 1 <= k <= len(train):
        raise ValueError(f"k is {k}, but must be from 1 to the {len(train)} train rows")
    if train.shape[1] != queries.shape[1]:
        raise ValueError(f"train rows have {train.shape[1]} features, queries {queries.shape[1]}")
    train, queries = normalize(train.float()), normalize(queries.float())
    rows = max(1, chunk // min(len(train), TRAIN_BLOCK))
    found = [_nearest(train, block, k) for block in torch.split(queries, rows)]
    return torch.cat([similarity for similarity, _ in found]), torch.cat([index for _, index in found])


def other_neighbours(x: Tensor, k: int) -> Tensor:
    """Return the indices (N, k) of the k most cosine-similar other rows of (N, D), as `neighbours` orders them.

    Raises ValueError if k is not between 1 and N - 1.
    """
    index = neighbours(x, x, k + 1)[1]
    other = index != torch.arange(len(x), device=x.device)[:, None]
    other[other.all(1), -1] = False  # k + 1 rows that coincide with it came before the row itself
    return index[other].view(len(x), k)


def vote(
    similarity: Tensor, index: Tensor, targets: Tensor, num_classes: int, ks: Sequence[int], temperature: float
) -> dict[int, Tensor]:
    """Return, for each k of `ks`, the class probabilities (M, C) from the first k of the neighbours (M, K >= k).

    A neighbour weighs exp(similarity / temperature), relative to the nearest so that nothing overflows. Targets are
    classes (N,), or labels (N, C) in {0, 1}, whose probabilities are each label's share of the weight. Neighbours are
    added one rank at a time, which is deterministic on every device.

    Raises ValueError if some k is not between 1 and K, or targets do not fit num_classes.
    """
    if not all(1 <= k <= index.shape[1] for k in ks):
        raise ValueError(f"ks {list(ks)} must be from 1 to the {index.shape[1]} neighbours given")
    if targets.ndim == 2 and targets.shape[1] != num_classes:
        raise ValueError(f"targets have {targets.shape[1]} labels, not {num_classes}")
    weights = ((similarity - similarity[:, :1]) / temperature).exp()
    scores = weights.new_zeros(len(weights), num_classes)
    probabilities = {}
    for rank in range(max(ks)):
        weight, neighbour = weights[:, rank, None], targets[index[:, rank]]
        if targets.ndim == 1:
            scores.scatter_add_(1, neighbour[:, None], weight)
        else:
            scores.addcmul_(weight, neighbour.to(scores))
        if rank + 1 in ks:
            probabilities[rank + 1] = scores / weights[:, : rank + 1].sum(1, keepdim=True)
    return {k: probabilities[k] for k in ks}


def _nearest(train: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest products (m, k) of unit rows, and their indices, block by block of the train rows."""
    similarity = queries.new_empty(len(queries), 0)
    index = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(train), TRAIN_BLOCK):
        block = train[start : start + TRAIN_BLOCK]
        found, place = _largest(_tiles(queries, block, k), min(k, len(block)))
        similarity, order = torch.cat([similarity, found], 1).sort(dim=1, descending=True, stable=True)
        index = torch.cat([index, place + start], 1).gather(1, order)
        similarity, index = similarity[:, :k], index[:, :k]
    return similarity, index


def _tiles(queries: Tensor, block: Tensor, k: int) -> list[Tensor]:
    """Return the products of queries and a block (n, D) of train rows as tiles (m, w) side by side, padded with -inf.

    With about sqrt(n / k) tiles `_largest` looks at the fewest numbers. All have one shape, so that equal rows have
    equal products wherever they lie.
    """
    width = math.ceil(len(block) / min(TILES, max(1, math.isqrt(len(block) // k))))
    parts = list(torch.split(block, width))
    padding = width - len(parts[-1])
    parts[-1] = pad(parts[-1], (0, 0, 0, padding))
    tiles = [_products(queries, part) for part in parts]
    tiles[-1][:, width - padding :] = -math.inf
    return tiles


def _products(queries: Tensor, rows: Tensor) -> Tensor:
    """Return queries @ rows.T (m, w); on a CPU by oneDNN, which is twice as fast as MKL on AMD's."""
    if queries.device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return linear(queries.to_mkldnn(), rows.to_mkldnn()).to_dense()
    return queries @ rows.T


def _largest(tiles: Sequence[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest of each row of the tiles side by side, the first ones where values tie, and their places.

    No value exceeds its column's maximum over the tiles, so k largest lie in the k columns of largest maxima.
    """
    maxima = tiles[0].clone()
    for tile in tiles[1:]:
        torch.maximum(maxima, tile, out=maxima)
    bound, column = maxima.topk(min(k + 1, maxima.shape[1]))
    column = column[:, :k].contiguous()
    value, slot = torch.cat([tile.gather(1, column) for tile in tiles], 1).topk(min(k + 1, len(tiles) * k))
    place = slot // k * maxima.shape[1] + column.gather(1, slot % k)
    cut_in_tie = (torch.cat([value[:, k:], bound[:, k:]], 1) == value[:, k - 1 : k]).any(1)
    value, place = value[:, :k], place[:, :k]
    if cut_in_tie.any():
        ordered = torch.cat([tile[cut_in_tie] for tile in tiles], 1).sort(dim=1, descending=True, stable=True)
        value[cut_in_tie], place[cut_in_tie] = ordered.values[:, :k], ordered.indices[:, :k]
    tied = (value[:, 1:] == value[:, :-1]).any(1)
    by_place, order = place[tied].sort(1)
    place[tied] = by_place.gather(1, value[tied].gather(1, order).sort(dim=1, descending=True, stable=True).indices)
    return value, place
