"""How well features suit the targets of a dataset, without training on it. All in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.distribution import directions
from harness.numerics.influence import Estimate, estimate
from harness.numerics.spectrum import principal

DECADES, GRID, GOLDEN = 10.0, 161, 0.5 * (math.sqrt(5) - 1)
NARROWINGS = 40
"""Golden-section steps: of the grid's distance, 1e-8 is left."""


def logme(x: Tensor, y: Tensor) -> Estimate:
    """Return LogME of features (N, D) and target columns (N, K): You et al., LogME, ICML 2021, section 4.

    The greatest log evidence, an image, of the regression y = Xw + noise with w ~ N(0, 1 / alpha) and noise
    ~ N(0, 1 / beta), averaged over the columns that vary. For a ratio t = alpha / beta the best beta is known, so that
    it is sought over t alone: on a grid of 20 decades around the greatest eigenvalue of X'X, then by golden section.
    That finds the greatest of several maxima, where the published fixed-point iteration finds a near one. Where the
    features give a column exactly, as those of wide networks do when an image has a copy, the evidence grows without
    bound as t goes to 0: there the greatest maximum before is meant.

    The influence of an image is what its absence changes at the same alpha and beta: the log density of its target
    given the others'.

    Raises `UndefinedError` where no column varies, all features are zero, or they give a column exactly and there is no
    other maximum.
    """
    y = y.double()
    y = y[:, (y != y[:1]).any(0)]
    values, projections = principal(x)
    if not y.shape[1] or not len(values):
        raise UndefinedError("LogME needs targets that vary and features that are not all zero")
    energy = values * len(x)
    images = projections / energy.sqrt()
    along = images.T @ y
    left = (y.square().sum(0) - along.square().sum(0)).clamp(min=0)
    exact = (left <= 1e-12 * y.square().sum(0)) & (len(values) < len(x))
    ratio = _best_ratio(energy, along.square(), left, len(x), exact)
    evidence, noise = _evidence(ratio, energy, along.square(), left, len(x))

    residual = y - images @ (along * (energy[:, None] / (energy[:, None] + ratio)))
    free = 1 - projections.square() @ (1 / (energy[:, None] + ratio))
    density = 0.5 * (free / noise).log() - residual.square() / (2 * noise * free)
    return estimate(float(evidence.mean()), density.mean(1))


def _evidence(t: Tensor, energy: Tensor, along: Tensor, left: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the log evidence an image at ratios t (K,), and the noise variance 1 / beta that is best there, (K,).

    Args:
        energy: (R,) eigenvalues of X'X.
        along: (R, K) squared targets on the left singular vectors of X.
        left: (K,) squared length of what they leave.
    """
    shrunk = t / (t + energy[:, None])
    noise = ((along * shrunk).sum(0) + left) / n
    return -0.5 * ((2 * math.pi * noise).log() + 1) + 0.5 * shrunk.log().sum(0) / n, noise


def _best_ratio(energy: Tensor, along: Tensor, left: Tensor, n: int, exact: Tensor) -> Tensor:
    """Return the ratio alpha / beta of the greatest evidence for each of K columns; arguments as `_evidence`.

    Where `exact` (K,), what falls from the lowest ratios on is no candidate.
    """
    grid = torch.linspace(-DECADES, DECADES, GRID, dtype=torch.float64) * math.log(10) + energy.amax().log()
    shrunk = 1 / (1 + energy / grid.exp()[:, None])
    on_grid = shrunk.log().sum(1, keepdim=True) - n * (shrunk @ along + left).log()
    falling = torch.cat([exact[None], (on_grid[1:] < on_grid[:-1]) & exact]).long().cumprod(0).bool()
    if bool(falling.all(0).any()):
        raise UndefinedError("LogME is infinite: a target is an exact linear function of the features")
    best = on_grid.masked_fill(falling, -math.inf).argmax(0)
    low, high = grid[(best - 1).clamp(min=0)], grid[(best + 1).clamp(max=GRID - 1)]
    for _ in range(NARROWINGS):
        inner, outer = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        first, second = (_evidence(at.exp(), energy, along, left, n)[0] for at in (inner, outer))
        low, high = low.where(first > second, inner), high.where(first <= second, outer)
    return ((low + high) / 2).exp()


def h_score(x: Tensor, targets: Tensor) -> Estimate:
    """Return the H-score tr(cov(f)^-1 cov(E[f | y])) of features (N, D) and classes (N,): Bao et al., ICIP 2019.

    The inverse is that within the features' span.

    Raises `UndefinedError` for a single class, constant features, and where the images span as many directions as they
    can: then any features score the number of classes less one.
    """
    values, projections = _centred(x)
    if len(values) >= len(x) - 1:
        raise UndefinedError(f"the H-score of {len(x)} images in {len(values)} dimensions is the same for any features")
    return _between(projections, targets, values, torch.zeros(len(x), dtype=torch.float64))


def h_score_shrunk(x: Tensor, targets: Tensor) -> Estimate:
    """Return the H-score with the covariance shrunk: Ibrahim et al., Newer is not always better, 2021 (2110.06893).

    It is (1 - a) tr(((1 - a) S + a m I)^-1 cov(E[f | y])), S the features' covariance, m its mean variance and a the
    shrinkage of Ledoit & Wolf (2004): the H-score with a m / (1 - a) added to each variance.

    Raises `UndefinedError` for a single class or constant features.
    """
    values, projections = _centred(x)
    n, lengths = len(x), projections.square().sum(1)
    trace, square, fourth = n * values.sum(), n**2 * values.square().sum(), lengths.square().sum()
    ridge = _ridge(trace, square, fourth, n, x.shape[1])
    without = _ridge(
        trace - lengths,
        square - 2 * n * (projections.square() @ values) + lengths.square(),
        fourth - lengths.square(),
        n - 1,
        x.shape[1],
    )
    return _between(projections, targets, values + ridge, (n - 1) / n * without - ridge)


def _ridge(trace: Tensor, square: Tensor, fourth: Tensor, n: int, width: int) -> Tensor:
    """Return a m / (1 - a) of the shrinkage a of Ledoit & Wolf and the mean variance m of n images' features.

    Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004, section 3.2.

    Args:
        trace: of X'X, X the centred features (n, width).
        square: the sum of the squares of X'X.
        fourth: the sum of the fourth powers of the images' lengths.
    """
    distance = (square - trace.square() / width) / n**2
    error = (fourth / n - square / n**2) / n
    whole = 1 - 1e-12  # where nothing of the covariance is kept, and the score is 0
    share = torch.where(distance > 0, error / distance, 0).clamp(max=whole)
    return share / (1 - share) * trace / (n * width)


def class_separation(x: Tensor, targets: Tensor) -> Estimate:
    """Return R^2 of classes (N,) in features (N, D): 1 - mean cosine distance within classes / that overall.

    Kornblith et al., Why do better loss functions lead to less transferable features?, NeurIPS 2021, section 4.2: all
    classes weigh the same in both means, and an image is a pair with itself.

    Raises `UndefinedError` for a single class, a class of one image, and features that are zero or all in one
    direction.
    """
    unit = directions(x)
    own, counts = _classes(targets)
    if bool((counts == 1).any()):
        raise UndefinedError("a class has one image, and no distance within")
    means = _class_means(unit, own, counts)
    overall = means.mean(0)
    within, total = float(1 - means.square().sum(1).mean()), float(1 - overall.square().sum())
    if total < 1e-12:
        raise UndefinedError("class separation is undefined: all features have the same direction")
    share = within / total
    slopes = 2 / (len(counts) * total) * (means - share * overall)
    influence = unit.sub_(means[own]).mul_(slopes[own]).sum(1) * (len(x) / counts)[own]
    return estimate(1 - share, influence)


def _centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """`principal` of centred features. Raises `UndefinedError` for constant ones."""
    values, projections = principal(x, x.mean(0, dtype=torch.float64))
    if not len(values):
        raise UndefinedError("the H-score of constant features is undefined")
    return values, projections


def _between(projections: Tensor, targets: Tensor, values: Tensor, change: Tensor) -> Estimate:
    """Return the trace of the class means' covariance times the inverse of that of the features, `values` on its axes.

    The influence of an image is what its absence changes, by the Sherman-Morrison formula, but for the overall mean:
    the derivative in its weight is too small where an image weighs much in the covariance. Its absence also changes all
    values by `change` (N,).
    """
    own, counts = _classes(targets)
    n = len(projections)
    sums = _class_means(projections, own, counts) * counts[:, None]
    inverse = 1 / (n * values)
    lengths, leverage = sums.square() @ inverse, projections.square() @ inverse
    products = projections @ (sums * inverse).T
    mine = products.gather(1, own[:, None])[:, 0]
    free = 1 - leverage  # at least 1 / N, as the features are centred

    others = (products.square() @ (1 / counts) - mine.square() / counts[own]) / free
    rest = lengths[own] - 2 * mine + leverage + (mine - leverage).square() / free
    rest = rest / (counts[own] - 1).clamp(min=1) - (lengths / counts)[own]
    slope = -n * (sums.square() @ inverse.square() / counts).sum()
    return estimate(float((lengths / counts).sum()), (1 - n) * (others + rest + slope * change))


def _classes(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return each image's place among the K classes that occur, (N,), and how many images these have, (K,) float64."""
    _, own, counts = torch.unique(targets, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise UndefinedError("all images are of one class")
    return own, counts.double()


def _class_means(x: Tensor, own: Tensor, counts: Tensor) -> Tensor:
    """Return the mean of the rows of each class, (K, D)."""
    return x.new_zeros(len(counts), x.shape[1]).index_add_(0, own, x) / counts[:, None]
