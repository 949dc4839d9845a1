"""Who is above whom, and how surely: intervals of aggregate scores, of ranks, and groups of models that are tied.

Every pair of models is compared at once, so that in 95 of 100 boards no model at all is placed above one that is as
good. NumPy: 1,000 models and 1,000 resamples take a second or two and 100 MB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import UndefinedError

FEWEST = 6
"""Tasks below which no two models can be told apart at 5 %: of five, all favour one by chance in 1 of 16 cases."""
BLOCK = 64
"""Models compared with another at a time."""
ROUNDING = 1e-9
"""Differences this small, relative to the scores, are none."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Inference(NamedTuple):
    """What is known of M models' aggregate scores, of which higher is better.

    Attributes:
        low, high: (M,) ends of each aggregate's own interval; NaN where there is none.
        above: (M, M), `above[i, j]` where the evidence says that i is above j.
    """

    low: Floats
    high: Floats
    above: Bools


def over_images(values: ArrayLike, draws: ArrayLike, confidence: float = 0.95) -> Inference:
    """Compare models on other test images of the same tasks, by a paired bootstrap.

    The differences of all pairs are studentised by their bootstrap standard errors and compared with the quantile of
    their greatest deviation in a resample (max-T; Romano & Wolf, Econometrica 2005; Hothorn, Bretz & Westfall,
    Biometrical Journal 2008). Resamples are centred on their own mean, not on the values: a metric that resampling
    biases, such as ECE, would otherwise widen every comparison. The intervals are percentile ones, moved likewise.
    Stepping down is left out: the reverse of a comparison that is decided stays open, so that the critical value
    falls by some 3 % only.

    Where no resample changes a difference, as between 100 % and 0 %, any difference counts.

    Args:
        values: (M,) aggregates; a model whose value or draws are not finite is compared with none.
        draws: (R, M) the same on each of R resamples, which are the same for all models.

    Raises ValueError for sizes that do not fit.
    """
    at, drawn = np.asarray(values, np.float64), np.asarray(draws, np.float64)
    if drawn.ndim != 2 or at.shape != drawn.shape[1:]:
        raise ValueError(f"values must be (M,) and draws (R, M): got {at.shape} and {drawn.shape}")
    known: Bools = np.isfinite(at) & np.isfinite(drawn).all(0) & (len(drawn) > 0)
    if not known.any():
        return _among(known, Inference(at[known], at[known], np.zeros((0, 0), bool)))
    at, drawn = at[known], drawn[:, known]
    noise = drawn - drawn.mean(0)
    low, high = at + np.quantile(noise, _tails(confidence), axis=0)
    by_model = np.ascontiguousarray(noise.T)
    errors = _distances(by_model) / math.sqrt(len(noise))
    critical = _estimated(_critical(_largest(by_model, errors), confidence), len(noise))
    return _among(known, Inference(low, high, _beyond(at, errors, critical)))


def over_tasks(
    values: ArrayLike, weights: ArrayLike | None = None, resamples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Inference:
    """Compare models on other tasks like these: the tasks are the sample.

    All pairs are compared at once by their studentised mean differences, with signs flipped at random, those of all
    models in a task together (max-T). The critical value is the greater of two: flipping the differences themselves,
    which is exact for any number of tasks and models where differences are as likely positive as negative (Romano &
    Wolf, JASA 2005), and flipping them centred, the wild bootstrap (Cameron, Gelbach & Miller 2008), which stands
    skewed differences better. In simulations 1 to 6 % of boards have a wrong comparison, 8 % where one model's scores
    are as skewed as an exponential. Resampling tasks instead would find half as much of 8 tasks (bootstrap-t), or be
    wrong in a quarter of boards of 6 tied models (one standard error for all resamples).

    The intervals of single models are bootstrap-t (Efron & Tibshirani 1993, section 12.5) or Student's t, whichever
    reaches further on either side. They are wide since tasks differ in difficulty, which comparisons do not feel.

    A task's score already has the noise of its images, so the spread over tasks contains it, and nothing is added.

    Args:
        values: (T, M), for each task, or group of tasks that counts once; all finite.
        weights: (T,) positive; equal where not given.

    Raises `UndefinedError` for fewer than six tasks, ValueError for sizes and weights that do not fit.
    """
    at = np.asarray(values, np.float64)
    given = np.ones(len(at)) if weights is None else np.asarray(weights, np.float64)
    if at.ndim != 2 or given.shape != at.shape[:1] or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"values must be (T, M) and weights (T,) positive: got {at.shape} and {given}")
    tasks = len(at)
    if tasks < FEWEST:
        raise UndefinedError(f"{tasks} tasks cannot tell models apart: comparing over tasks takes {FEWEST}")
    share: Floats = (given / given.sum())[:, None]
    random = np.random.default_rng(seed)
    low, high = _studentised(at, share, random.multinomial(tasks, [1 / tasks] * tasks, resamples), confidence)
    signs = random.choice([-1.0, 1.0], (resamples, tasks))
    apart = at - at.mean(1, keepdims=True) if at.size else at  # what a task does to all models is no difference
    means = (share * apart).sum(0)
    flipped = [np.ascontiguousarray((share * part).T) for part in (apart, apart - means)]
    scales = [_distances(part) for part in flipped]
    largest = (_largest(part @ signs.T, scale) for part, scale in zip(flipped, scales, strict=True))
    critical = max(_critical(found, confidence) for found in largest)
    return Inference(low, high, _beyond(means, scales[0], critical))


def rank_intervals(above: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best and the worst rank of each model that the evidence allows, (M,) and (M,); 1 is the best.

    One more than the models shown to be above it, and M less those shown to be below: all true ranks at once are
    within, in as many boards as no comparison is wrong (Mogstad, Romano, Shaikh & Wilhelm, Review of Economic Studies
    2024).
    """
    return 1 + above.sum(0), len(above) - above.sum(1)


def tie_runs(above: Bools, order: Sequence[int]) -> list[tuple[int, int]]:
    """The bars of a critical-difference diagram: runs (first, last) of positions in the ranking `order`, from 0.

    A run starts at a model and ends at the last one that it is not shown to be above. Any two models without evidence
    between them so share a run; two that share one may still differ, where one between them is less certain. Runs
    within others are left out, and so are those of one model.
    """
    runs, reached = [], 0
    ranked = above[np.ix_(order, order)]
    for first in range(len(order)):
        last = int(np.flatnonzero(~ranked[first])[-1])
        if last > max(first, reached):
            runs.append((first, last))
            reached = last
    return runs


def _among(known: Bools, found: Inference) -> Inference:
    """The inference on some of the models as one on all."""
    low, high = np.full(len(known), math.nan), np.full(len(known), math.nan)
    low[known], high[known] = found.low, found.high
    above: Bools = np.zeros((len(known), len(known)), bool)
    above[np.ix_(known, known)] = found.above
    return Inference(low, high, above)


def _beyond(values: Floats, errors: Floats, critical: float) -> Bools:
    """Which differences of values (M,) are greater than `critical` of their errors (M, M), and than rounding."""
    if not math.isfinite(critical):
        return np.zeros(errors.shape, bool)
    rounding = ROUNDING * np.abs(values).max(initial=0.0)
    found: Bools = values[:, None] - values > np.maximum((1 + ROUNDING) * critical * errors, rounding)
    return found


def _distances(rows: Floats) -> Floats:
    """Between every two of the rows (M, K), (M, M); those that rounding could make are 0."""
    products = rows @ rows.T
    own = np.diag(products)
    both = own[:, None] + own
    squares = both - 2 * products
    found: Floats = np.sqrt(np.where(squares > 1e-12 * both, squares, 0.0))
    return found


def _largest(rows: Floats, scales: Floats) -> Floats:
    """The greatest of all pairs' absolute differences of rows (M, R), over their scales (M, M), (R,)."""
    inverse = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales > 0)
    found = np.zeros(rows.shape[1])
    for i, row in enumerate(rows):
        for start in range(i + 1, len(rows), BLOCK):
            some = slice(start, start + BLOCK)
            apart = rows[some] - row
            apart *= inverse[i, some, None]
            np.maximum(found, np.abs(apart, out=apart).max(0), out=found)
    return found


def _critical(largest: Floats, confidence: float) -> float:
    """What the observed one, counted among the R largest deviations, exceeds with at most the probability allowed."""
    many = len(largest) + 1
    return float(np.sort(np.append(largest, math.inf))[many - math.floor((1 - confidence) * many + 1e-9) - 1])


def _estimated(critical: float, draws: int) -> float:
    """A critical value of standard errors that are known, for those that R draws estimate: Student's, not normal."""
    from scipy.stats import norm, t

    return float(t.isf(norm.sf(critical), draws - 1))


def _tails(confidence: float) -> list[float]:
    return [(1 - confidence) / 2, (1 + confidence) / 2]


def _studentised(values: Floats, share: Floats, counts: NDArray[np.int64], confidence: float) -> tuple[Floats, Floats]:
    """The intervals of weighted means of values (T, M): bootstrap-t or Student's, whichever reaches further.

    NaN where one task outweighs the others so far that they are fewer than two: its spread cannot be told.

    Args:
        share: (T, 1) weights, of sum 1.
        counts: (R, T) how often each task is in each resample; resamples without spread are left out.
    """
    from scipy.stats import t as student

    if not values.shape[1]:
        return values[0], values[0]
    means = (share * values).sum(0)
    x, squared = values - means, np.square(share)
    freedom = 1 / float(squared.sum()) - 1  # the tasks less one, of equal weights
    if freedom < 1:
        return np.full_like(means, math.nan), np.full_like(means, math.nan)
    error = np.sqrt((squared * x**2).sum(0))
    error[error <= ROUNDING * np.abs(values).max()] = 0.0
    total = counts @ share
    shift = counts @ (share * x)
    mean = shift / total
    variance = counts @ (squared * x**2) - 2 * mean * (counts @ (squared * x)) + mean**2 * (counts @ squared)
    spread = variance > 1e-12 * np.square(total * error)
    ratio = np.divide(shift, np.sqrt(np.where(spread, variance, 1.0)), out=np.full_like(shift, math.nan), where=spread)
    ratio[:, error == 0] = 0.0
    left, right = np.nanquantile(ratio, _tails(confidence), axis=0)
    unbiased = squared.sum() / (squared * (1 - 2 * share + squared.sum())).sum()
    half = math.sqrt(unbiased) * float(student.ppf(_tails(confidence)[1], freedom))
    return means - error * np.maximum(right, half), means + error * np.maximum(-left, half)
