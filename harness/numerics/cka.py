"""Centred kernel alignment (CKA) of all pairs of layers: Kornblith et al. 2019, 1905.00414.

CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of Gram matrices K and L of the same images. The HSIC of two matrices is
the inner product of the centred ones, up to a factor that cancels, so that all pairs of layers are one matrix product:

- `centred`, the biased estimate Tr(KHLH): nears 1 for any two layers of more features than images;
- `u_centred`, the debiased estimate HSIC_1 (Song et al. 2012), which is 0 on average for unrelated layers.

Sums over blocks of images (Nguyen et al. 2021, 2010.15327) need no matrix of all images. A short last block counts by
its pairs of images; fewer than `FEWEST` images are left out. Nothing is added to a denominator: scale does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from harness.errors import HarnessError, UndefinedError
from harness.numerics.bootstrap import percentile_interval, weights

FEWEST = 4
"""Images in a block: HSIC_1 divides by n - 3."""
ROUNDING = 1e-6
"""What centring leaves of constant float32 features, relative to them; as much, or less, counts as nothing."""
CHUNK, CACHED = 4096, 1 << 18

Centring = Callable[[Tensor], Tensor]


class Hsic(NamedTuple):
    """HSIC, without its factor, of a block, a sum of blocks, or of each of K blocks (then with a leading K).

    Attributes:
        cross: (Ra, Rb), of each pair of layers.
        first, second: (Ra,) and (Rb,), of each layer with itself; 0 where its features are constant.
    """

    cross: Tensor
    first: Tensor
    second: Tensor

    @property
    def cka(self) -> Tensor:
        """(Ra, Rb); NaN where a layer's features are constant."""
        return self.cross / self.first.sqrt()[..., :, None] / self.second.sqrt()[..., None, :]


def blocks(values: Tensor) -> Iterator[Tensor]:
    """Yield each block's Gram matrices (R, n, n) from inner products (N, R, B) within blocks of B images."""
    for rows in torch.split(values, values.shape[2]):
        if (n := len(rows)) >= FEWEST:
            yield rows[:, :, :n].movedim(0, 1).contiguous()


def centred(grams: Tensor) -> Tensor:
    """Doubly centred Gram matrices HKH, (R, n, n)."""
    mean = grams.mean(-1, keepdim=True)
    return _less(grams, mean, mean.mean(-2, keepdim=True))


def u_centred(grams: Tensor) -> Tensor:
    """U-centred Gram matrices (Székely & Rizzo 2014), (R, n, n): the diagonal does not count, and is 0."""
    n = grams.shape[-1]
    others = grams.clone()
    others.diagonal(dim1=-2, dim2=-1).zero_()
    mean = others.sum(-1, keepdim=True) / (n - 2)
    found = _less(others, mean, mean.sum(-2, keepdim=True) / (n - 1))
    found.diagonal(dim1=-2, dim2=-1).zero_()
    return found


def _less(grams: Tensor, mean: Tensor, whole: Tensor) -> Tensor:
    """The matrices less their rows' means (R, n, 1) and their columns', plus `whole` (R, 1, 1), in one go over them."""
    half, ones = whole / 2 - mean, torch.ones_like(mean)
    return torch.baddbmm(grams, torch.cat([half, ones], -1), torch.cat([ones, half], -1).mT)


def rbf(grams: Tensor, bandwidth: float = 0.5) -> Tensor:
    """Gram matrices of a Gaussian kernel from those of inner products, (..., n, n).

    Args:
        bandwidth: its standard deviation, as a fraction of the square root of a matrix's median squared distance (that
            of an image to itself included, as in the released code of Kornblith et al.). Where it is 0, all are 1.
    """
    norms = grams.diagonal(dim1=-2, dim2=-1)
    squared = (norms[..., :, None] + norms[..., None, :] - 2 * grams).clamp_min(0)
    flat = squared.flatten(-2)
    middle = [flat.kthvalue(k).values for k in ((flat.shape[-1] + 1) // 2, flat.shape[-1] // 2 + 1)]
    median = (middle[0] + middle[1])[..., None, None] / 2
    varies = median > ROUNDING * norms.amax(-1)[..., None, None]
    exponent: Tensor = -squared / (2 * bandwidth**2 * median)
    return exponent.where(varies, 0).exp()


def hsic(first: Iterable[Tensor], second: Iterable[Tensor] | None, centring: Centring = u_centred) -> Iterator[Hsic]:
    """Yield, block by block, the HSIC of all pairs of layers of two models, or (None) of one with itself.

    Matrices are multiplied as they come, in float32 to about 1e-6; the results are float64.

    Args:
        first, second: Gram matrices (Ra, n, n) and (Rb, n, n) of the same images.
    """
    if second is None:
        for grams in first:
            x, size = _unit(grams, centring)
            yield Hsic((x @ x.T) * torch.outer(size, size), size**2, size**2)
        return
    for grams, others in zip(first, second, strict=True):
        (x, size), (y, other_size) = _unit(grams, centring), _unit(others, centring)
        yield Hsic((x @ y.T) * torch.outer(size, other_size), size**2, other_size**2)


def _unit(grams: Tensor, centring: Centring) -> tuple[Tensor, Tensor]:
    """The centred matrices as unit vectors (R, n * n), and their lengths (R,) float64.

    Both are 0 for layers of which centring leaves rounding errors only. No product of large or small numbers is taken
    in float32. A few layers at a time, which stay in the processor's cache.
    """
    vectors, sizes = torch.empty_like(grams.flatten(1)), []
    step = max(1, CACHED // vectors.shape[1])
    for into, part in zip(torch.split(vectors, step), torch.split(grams, step), strict=True):
        size = torch.linalg.vector_norm(part, dim=(1, 2), dtype=torch.float64)
        found = centring(part / size.where(size > 0, 1).to(part.dtype)[:, None, None]).flatten(1)
        left = torch.linalg.vector_norm(found, dim=1)
        left = left.where(left > ROUNDING, 0)
        torch.mul(found, (1 / left).where(left > 0, 0)[:, None], out=into)
        sizes.append(size * left)
    return vectors, torch.cat(sizes)


def total(found: Iterable[Hsic]) -> Hsic:
    """The sum over blocks, one of which is alive at a time. Raises `UndefinedError` where there is none."""
    sums: Hsic | None = None
    for block in found:
        sums = block if sums is None else Hsic(*(a + b for a, b in zip(sums, block, strict=True)))
    if sums is None:
        raise UndefinedError(f"CKA is undefined for fewer than {FEWEST} images")
    return sums


def stacked(found: Iterable[Hsic]) -> Hsic:
    """The blocks side by side, for `intervals`. Raises `UndefinedError` where there is none."""
    kept = list(found)
    if not kept:
        raise UndefinedError(f"CKA is undefined for fewer than {FEWEST} images")
    return Hsic(*(torch.stack(parts) for parts in zip(*kept, strict=True)))


def intervals(each: Hsic, resamples: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """95 % percentile bootstrap intervals over K blocks, low and high (Ra, Rb): sums are linear in a block's weight.

    NaN where a layer's features are constant in all blocks of a resample.
    """
    w = torch.cat(list(weights(len(each.cross), resamples, seed)))
    first, second = w @ each.first, w @ each.second
    rows = [
        percentile_interval(w @ each.cross[:, i] / first[:, i, None].sqrt() / second.sqrt())
        for i in range(each.cross.shape[1])
    ]
    low, high = zip(*rows, strict=True)
    return torch.stack(low), torch.stack(high)


def linear_cka(x: Tensor, y: Tensor, *, debiased: bool = True) -> float:
    """Linear CKA of two feature matrices (N, Dx), (N, Dy), exact over all N images.

    Raises `HarnessError` for different numbers of images; `UndefinedError` for fewer than `FEWEST`, and for constant
    features.
    """
    if len(x) != len(y):
        raise HarnessError(f"CKA compares features of the same images, got {len(x)} and {len(y)} rows")
    if len(x) < FEWEST:
        raise UndefinedError(f"CKA is undefined for fewer than {FEWEST} images, got {len(x)}")
    (n, dx), dy = x.shape, y.shape[1]
    by_image = n * (dx + dy) < dx * dx + dx * dy + dy * dy
    dtype = torch.float64 if by_image or torch.float64 in (x.dtype, y.dtype) else torch.float32
    x, y = _standard(x).to(dtype), _standard(y).to(dtype)
    products = _gram_product if by_image else _feature_product
    sizes = [_self_product(z, products, debiased) for z in (x, y)]
    return _hsic(x, y, products(x, y), debiased) / math.sqrt(sizes[0] * sizes[1])


def _standard(x: Tensor) -> Tensor:
    """The features centred, and scaled to a mean squared norm of 1, float64."""
    wide = x.double()
    moved = wide - wide.mean(0)
    size = moved.norm()
    if not size > ROUNDING * wide.norm():
        raise UndefinedError("CKA is undefined: the features are constant")
    return moved.mul_(len(x) ** 0.5 / size)


def _gram_product(x: Tensor, y: Tensor) -> float:
    """Tr(KL) from K and L."""
    return float(((x @ x.T) * (y @ y.T)).sum())


def _feature_product(x: Tensor, y: Tensor) -> float:
    """Tr(KL) as |X'Y|^2, which takes fewer operations for many images; the sum over them in float64."""
    sums = torch.zeros(x.shape[1], y.shape[1], dtype=torch.float64, device=x.device)
    for a, b in zip(torch.split(x, CHUNK), torch.split(y, CHUNK), strict=True):
        sums += a.T @ b
    return float(sums.square().sum())


def _self_product(x: Tensor, products: Callable[[Tensor, Tensor], float], debiased: bool) -> float:
    """HSIC of features with themselves. Raises `UndefinedError` when it is 0: one image alone may differ."""
    trace = products(x, x)
    if not (found := _hsic(x, x, trace, debiased)) > ROUNDING * trace:
        raise UndefinedError("CKA is undefined: the features of all images but one are the same")
    return found


def _hsic(x: Tensor, y: Tensor, trace: float, debiased: bool) -> float:
    """Tr(KL), or n (n-3) HSIC_1: with K and L centred, Tr(KL) - n/(n-2) k'l + Tr(K) Tr(L) / ((n-1) (n-2)).

    k and l are the diagonals, the images' squared norms.
    """
    if not debiased:
        return trace
    n, (k, other) = len(x), (torch.linalg.vector_norm(z, dim=1, dtype=torch.float64).square() for z in (x, y))
    return trace - n / (n - 2) * float(k @ other) + float(k.sum() * other.sum()) / ((n - 1) * (n - 2))
