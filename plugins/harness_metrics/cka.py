"""Metrics of inner products within blocks of images: CKA between layers, models, views and classes.

Their intervals are over blocks of images, of which there must be 10. Scores by layer have the last layer first; other
layers whose features are constant are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import inf, isnan, nan
from typing import TYPE_CHECKING

from harness import metric
from harness.datasets import DatasetCard
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Grams
from harness.metrics import Interval
from harness_metrics.classification import single_label

if TYPE_CHECKING:
    from torch import Tensor

    from harness.numerics.cka import Centring, Hsic

FEWEST_BLOCKS, RESAMPLES = 10, 1000

Scores = dict[str, Interval]
Names = tuple[str, ...]


def with_classes(card: DatasetCard) -> str | None:
    """Why a metric of classes does not apply."""
    return f"needs classes, {card.name} is continuous" if card.kind == "continuous" else None


@metric("cka", accepts=Grams, bounds=(-1, 1), higher_is_better=None, pair=True)
def cka(a: Grams, b: Grams) -> Scores:
    """Debiased linear CKA of all pairs of two models' layers (Kornblith et al. 2019; by blocks, Nguyen et al. 2021)."""
    from harness.numerics.cka import u_centred

    return _between(a, b, _blocks(a), _blocks(b), u_centred)


@metric("cka_biased", accepts=Grams, bounds=(0, 1), higher_is_better=None, pair=True)
def cka_biased(a: Grams, b: Grams) -> Scores:
    """Linear CKA, Tr(KHLH), of all pairs of two models' layers (Kornblith et al. 2019), summed over blocks.

    The fewer images in a block for the features of a layer, the closer to 1, related or not.
    """
    from harness.numerics.cka import centred

    return _between(a, b, _blocks(a), _blocks(b), centred)


@metric("cka_rbf", accepts=Grams, bounds=(-1, 1), higher_is_better=None, pair=True)
def cka_rbf(a: Grams, b: Grams) -> Scores:
    """Debiased CKA of Gaussian kernels of all pairs of two models' layers (Kornblith et al. 2019), by blocks.

    The standard deviation is half the square root of a block's median squared distance.
    """
    from harness.numerics.cka import rbf, u_centred

    return _between(a, b, map(rbf, _blocks(a)), map(rbf, _blocks(b)), u_centred)


@metric("cka_layers", accepts=Grams, bounds=(-1, 1), higher_is_better=None)
def cka_layers(g: Grams) -> Scores:
    """Debiased linear CKA between every two layers of one model. Raises `UndefinedError` for a single layer."""
    from harness.numerics.cka import hsic, stacked

    if len(g.layers) < 2:
        raise UndefinedError("CKA between layers needs two of them")
    pairs = {f"{g.layers[i]}~{g.layers[j]}": (i, j) for i in _last_first(g) for j in _last_first(g) if j < i}
    return _scores(stacked(hsic(_blocks(g), None)), g.layers, g.layers, pairs)


@metric("cka_views", accepts=Grams, bounds=(-1, 1), higher_is_better=None)
def cka_views(g: Grams) -> Scores:
    """Debiased linear CKA, layer by layer, of two augmented views (after Grigg et al. 2021; our definition).

    Raises `UndefinedError` for inner products of images as they are.
    """
    from harness.numerics.cka import hsic, stacked

    at = {name: i for i, name in enumerate(g.layers)}
    names = [name.removesuffix("#1") for name in reversed(g.layers) if name.endswith("#1")]
    if not names:
        raise UndefinedError("CKA between views needs two of each image: grams[view=simclr[2]]")
    pairs = {name: (at[f"{name}#0"], at[f"{name}#1"]) for name in names}
    return _scores(stacked(hsic(_blocks(g), None)), g.layers, g.layers, pairs)


@metric("cka_class", accepts=Grams, bounds=(-1, 1), higher_is_better=None, skip=with_classes)
def cka_class(g: Grams) -> Scores:
    """Debiased linear CKA of each layer with one-hot, or several, labels (after Grigg et al. 2021; our definition).

    Raises `UndefinedError` where no block has two classes.
    """
    from torch.nn.functional import one_hot

    from harness.numerics.cka import hsic, stacked

    labels = (g.targets if g.targets.ndim == 2 else one_hot(g.targets)).to(g.values)
    found = stacked(hsic(_blocks(g), ((rows @ rows.T)[None] for rows in _rows(labels, g))))
    return _scores(found, g.layers, ("targets",), {g.layers[i]: (i, 0) for i in _last_first(g)})


@metric("class_r2", accepts=Grams, bounds=(-inf, 1), higher_is_better=None, skip=single_label)
def class_r2(g: Grams) -> Scores:
    """Class separation R^2 by layer: 1 - mean cosine distance within classes / between all images (our definition).

    After Kornblith et al. 2021 (2010.16402), with classes of equal weight; over pairs of different images of a block,
    of features centred in it. Raises `UndefinedError` where no class has two images in a block.
    """
    import torch

    from harness.numerics.bootstrap import percentile_interval, weights
    from harness.numerics.cka import centred, hsic, total

    own = total(hsic(_blocks(g), None, centred)).first
    sums = torch.stack(list(_distances(g)))
    if not bool(sums[:, 0, -1].any()):
        raise UndefinedError("class separation is undefined: no class has two images in a block")

    def of(summed: Tensor) -> Tensor:
        """(..., 2, R + 1) to (..., R)."""
        within, overall = (summed[..., :-1] / summed[..., -1:]).unbind(-2)
        return (1 - within / overall).where(own > 0, nan)

    found, low, high = of(sums.sum(0)), None, None
    if len(sums) >= FEWEST_BLOCKS:
        w = torch.cat(list(weights(len(sums), RESAMPLES)))
        low, high = percentile_interval(of(torch.einsum("wk,ksr->wsr", w, sums)))
    return _defined({g.layers[i]: _score(found, low, high, (i,)) for i in _last_first(g)}, _constant(own, g.layers))


def _distances(g: Grams) -> Iterator[Tensor]:
    """Per block, sums of cosine distance over pairs within classes and over all pairs, (2, R + 1).

    A pair weighs 1 / (images of the one's class x of the other's); the sums of weights come last.
    """
    import torch

    from harness.numerics.cka import centred

    share = 1 / g.targets.bincount().double()[g.targets]
    for grams, targets, weight in zip(_blocks(g), _rows(g.targets, g), _rows(share, g), strict=True):
        products = centred(grams)
        norms = products.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()
        cosine = products / (norms[:, :, None] * norms[:, None, :])
        distance = torch.cat([1 - cosine.nan_to_num(0, 0, 0), torch.ones_like(products[:1])])
        overall = torch.outer(weight, weight).fill_diagonal_(0)
        within = overall * (targets[:, None] == targets)
        yield torch.stack([(distance * pairs).sum((1, 2)) for pairs in (within, overall)])


def _last_first(g: Grams) -> range:
    return range(len(g.layers))[::-1]


def _blocks(g: Grams) -> Iterator[Tensor]:
    """The layers' Gram matrices (R, n, n), block by block."""
    from harness.numerics.cka import blocks

    return blocks(g.values)


def _rows(values: Tensor, g: Grams) -> list[Tensor]:
    """The rows of each of those blocks."""
    import torch

    from harness.numerics.cka import FEWEST

    return [rows for rows in torch.split(values, g.values.shape[2]) if len(rows) >= FEWEST]


def _between(a: Grams, b: Grams, first: Iterable[Tensor], second: Iterable[Tensor], centring: Centring) -> Scores:
    """CKA of all pairs of layers, those of the last layers first."""
    from harness.numerics.cka import hsic, stacked

    shapes = [(len(g.values), g.values.shape[2]) for g in (a, b)]
    if shapes[0] != shapes[1]:
        told = " and ".join(f"{n} images in blocks of {block}" for n, block in shapes)
        raise HarnessError(f"CKA compares inner products of the same images in the same blocks, got {told}")
    pairs = {f"{a.layers[i]}~{b.layers[j]}": (i, j) for i in _last_first(a) for j in _last_first(b)}
    return _scores(stacked(hsic(first, second, centring)), a.layers, b.layers, pairs)


def _scores(found: Hsic, firsts: Names, seconds: Names, pairs: Mapping[str, tuple[int, int]]) -> Scores:
    """CKA over all blocks of some pairs of layers, by name."""
    from harness.numerics.cka import Hsic, intervals

    summed = Hsic(*(part.sum(0) for part in found))
    low, high = intervals(found, RESAMPLES) if len(found.cross) >= FEWEST_BLOCKS else (None, None)
    scores = {name: _score(summed.cka, low, high, at) for name, at in pairs.items()}
    return _defined(scores, [*_constant(summed.first, firsts), *_constant(summed.second, seconds)])


def _score(values: Tensor, low: Tensor | None, high: Tensor | None, at: tuple[int, ...]) -> Interval:
    """Without an interval, too, where some resample had no value: only a few blocks vary."""
    if low is None or high is None or not bool((low + high)[at].isfinite()):
        return Interval(float(values[at]))
    return Interval(float(values[at]), float(low[at]), float(high[at]))


def _constant(hsic: Tensor, layers: Names) -> list[str]:
    """The layers whose HSIC with themselves is 0."""
    return [layers[int(i)] for i in (hsic == 0).nonzero()]


def _defined(scores: Scores, constant: list[str]) -> Scores:
    """Those that are numbers. Raises `UndefinedError`, with the constant layers, when the first is none."""
    if isnan(next(iter(scores.values())).value):
        raise UndefinedError(
            f"undefined: within every block the same for all images: {', '.join(dict.fromkeys(constant))}"
        )
    return {name: score for name, score in scores.items() if not isnan(score.value)}
