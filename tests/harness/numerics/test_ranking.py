"""Comparisons of many models: by hand, against brute force, and by what they must not change with."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.errors import UndefinedError
from harness.numerics import ranking
from harness.numerics.ranking import FEWEST, Inference, over_images, over_tasks, rank_intervals, tie_runs


def redrawn(models: int, seed: int = 0, resamples: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Aggregates, some close to others, and draws that share most of their noise."""
    random = np.random.default_rng(seed)
    values = 60 + 2 * random.normal(size=models)
    noise = random.normal(size=(resamples, 1)) + 0.4 * random.normal(size=(resamples, models))
    return values, values + noise


def scores(tasks: int, models: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    interaction = random.normal(0, 3, (tasks, models)) + np.linspace(0, 6, models)
    return 60 + random.normal(0, 15, (tasks, 1)) + interaction


def same(a: Inference, b: Inference) -> None:
    np.testing.assert_allclose(a.low, b.low, rtol=1e-9)
    np.testing.assert_allclose(a.high, b.high, rtol=1e-9)
    np.testing.assert_array_equal(a.above, b.above)


def part(found: Inference, order: np.ndarray) -> Inference:
    return Inference(found.low[order], found.high[order], found.above[np.ix_(order, order)])


def test_images_against_brute_force() -> None:
    values, draws = redrawn(9)
    above = over_images(values, draws).above
    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    differences = {(i, j): draws[:, i] - draws[:, j] for i, j in pairs}
    errors = {pair: d.std() for pair, d in differences.items()}
    deviations = [np.abs(differences[p] - differences[p].mean()) / errors[p] for p in pairs]
    critical = np.sort(np.max(deviations, 0))[380]  # the 381st of 400: 20 of 401 are greater, itself among them
    critical = stats.t.isf(stats.norm.sf(critical), 399)
    expected = {(i, j): values[i] - values[j] > critical * errors[i, j] for i, j in pairs}
    assert {pair: bool(above[pair]) for pair in pairs} == expected
    assert 5 < above.sum() < 36


def test_few_draws_are_trusted_less() -> None:
    """Of 39 draws the second largest deviation counts, on Student's scale of 38 degrees of freedom."""
    noise = redrawn(2, resamples=39)[1]
    apart = noise[:, 0] - noise[:, 1]
    error = apart.std()
    critical = np.sort(np.abs(apart - apart.mean()))[37] / error
    limit = stats.t.isf(stats.norm.sf(critical), 38) * error
    assert limit > 1.01 * critical * error
    for share, above in ((1.001, True), (0.999, False)):
        assert over_images([share * limit, 0.0], noise).above[0, 1] == above


def test_draws_that_a_metric_biases_are_centred() -> None:
    values, draws = redrawn(5)
    plain, biased = over_images(values, draws), over_images(values, draws + 7 * np.arange(5))
    same(plain, biased)
    assert (plain.low < values).all()
    assert (plain.high > values).all()
    np.testing.assert_allclose(plain.high - plain.low, np.ptp(np.quantile(draws, [0.025, 0.975], axis=0), axis=0))


def test_identical_models_share_everything_and_are_not_told_apart() -> None:
    values, draws = redrawn(4)
    found = over_images(np.r_[values, values[2]], np.c_[draws, draws[:, 2]])
    assert not found.above[2, 4]
    assert not found.above[4, 2]
    np.testing.assert_array_equal(found.above[2, :4], found.above[4, :4])
    tasks = np.c_[scores(9, 3), scores(9, 3)[:, 1]]
    found = over_tasks(tasks)
    assert not found.above[1, 3] | found.above[3, 1]
    assert over_tasks(np.full((8, 3), 0.1)).above.sum() == 0


def test_what_no_resample_changes_is_certain_beyond_rounding() -> None:
    """All right, all wrong, half, and half up to rounding."""
    found = over_images([100, 0, 50, 50 + 1e-9], np.tile([100.0, 0, 50, 50], (200, 1)))
    assert found.above.tolist() == [[False, True, True, True], [False] * 4, [False, True, False, False],
                                    [False, True, False, False]]  # fmt: skip
    assert found.low.tolist() == found.high.tolist() == [100, 0, 50, 50 + 1e-9]


@pytest.mark.parametrize("resamples", [0, 1, 10, 18])
def test_few_resamples_tell_nothing_apart(resamples: int) -> None:
    values, draws = [1.0, 900.0], redrawn(2)[1][:resamples]
    assert not over_images(values, draws).above.any()
    assert np.isnan(over_images(values, draws).low).all() == (resamples == 0)


def test_a_model_without_draws_changes_nothing_for_others() -> None:
    values, draws = redrawn(5)
    draws[3, 1], values[4] = math.nan, math.nan
    found, kept = over_images(values, draws), np.array([0, 2, 3])
    assert np.isnan(found.low[[1, 4]]).all()
    assert not found.above[[1, 4]].any()
    assert not found.above[:, [1, 4]].any()
    same(part(found, kept), over_images(values[kept], draws[:, kept]))
    assert over_images([math.nan], np.zeros((30, 1))).above.tolist() == [[False]]


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = over_images(*redrawn(30)), over_tasks(scores(9, 30))
    monkeypatch.setattr(ranking, "BLOCK", 4)
    same(over_images(*redrawn(30)), whole[0])
    same(over_tasks(scores(9, 30)), whole[1])


@pytest.mark.parametrize("seed", range(12))
def test_two_models_over_tasks_are_told_apart_as_sign_flips_do(seed: int) -> None:
    """Against SciPy's exact permutation test; the wild bootstrap may hold back only where p is near 5 %."""
    values = scores(11, 2, seed)
    found = over_tasks(values, resamples=4000)
    p = stats.permutation_test((values[:, 1] - values[:, 0],), np.mean, permutation_type="samples").pvalue
    if not 0.03 < p < 0.06:
        assert found.above[1, 0] | found.above[0, 1] == (p <= 0.05)


@pytest.mark.parametrize("skewed", [False, True])
def test_tasks_against_brute_force(skewed: bool) -> None:
    """Both kinds of flips matter: the differences' own of even boards, the centred ones where one model is far off."""
    weights = np.array([1, 2, 1, 3, 1, 1, 1, 2]) / 12
    decided, wanted = [], []
    for seed in range(40):
        values = scores(8, 4, seed)
        values[:, 0] += 30 * skewed
        made = over_tasks(values, weights, 300, seed).above
        random = np.random.default_rng(seed)
        random.multinomial(8, [1 / 8] * 8, 300)
        signs = random.choice([-1.0, 1.0], (300, 8))
        largest = np.zeros((2, 300))
        own = {}
        for i in range(4):
            for j in range(i):
                d = values[:, i] - values[:, j]
                for kind, flipped in enumerate((weights * d, weights * (d - weights @ d))):
                    u = np.abs(signs @ flipped) / np.sqrt((flipped**2).sum())
                    largest[kind] = np.maximum(largest[kind], u)
                own[i, j] = weights @ d / np.sqrt(((weights * d) ** 2).sum())
        criticals = np.sort(largest)[:, 285]  # the 286th of 300: 15 of 301 are greater, itself among them
        for (i, j), u in own.items():
            wanted.append([u > criticals.max(), -u > criticals.max(), *(abs(u) > criticals)])
            decided.append([made[i, j], made[j, i]])
    found = np.array(wanted)
    np.testing.assert_array_equal(np.array(decided), found[:, :2])
    assert (found[:, 2:].all(1) != found[:, 3 - skewed]).any()  # the other kind alone would have decided more


def test_the_intervals_over_tasks_against_brute_force() -> None:
    values, resamples = scores(7, 2)[:, :1], 60
    weights = np.array([1, 2, 1, 3, 1, 1, 1]) / 10
    counts = np.random.default_rng(4).multinomial(7, [1 / 7] * 7, resamples)
    mean = weights @ values[:, 0]
    error = math.sqrt((weights**2 * (values[:, 0] - mean) ** 2).sum())
    found = []
    for drawn in (np.repeat(np.arange(7), count) for count in counts):
        v, w = values[drawn, 0], weights[drawn]
        again = (w * v).sum() / w.sum()
        found.append((again - mean) / (math.sqrt((w**2 * (v - again) ** 2).sum()) / w.sum()))
    low, high = np.quantile(found, [0.025, 0.975])
    unit = error * math.sqrt((weights**2).sum() / (weights**2 * (1 - 2 * weights + (weights**2).sum())).sum())
    half = stats.t.ppf(0.975, 1 / (weights**2).sum() - 1) * unit
    made = over_tasks(values, weights * 5, resamples, seed=4)
    assert made.low[0] == pytest.approx(mean - max(high * error, half))
    assert made.high[0] == pytest.approx(mean + max(-low * error, half))


def test_students_interval_is_scipys_with_equal_weights() -> None:
    """Of a symmetric sample the bootstrap's is no wider on both sides."""
    values = scores(40, 1)
    found = over_tasks(values)
    low, high = stats.ttest_1samp(values[:, 0], 0).confidence_interval()
    assert found.low[0] <= low
    assert found.high[0] >= high
    assert found.high[0] - found.low[0] < 1.15 * (high - low)


def test_weights_say_what_counts() -> None:
    values = np.array([[1.0, 0.0]] * 7 + [[0.0, 1.0]] * 7) + 0.01 * scores(14, 2)
    heavy = np.repeat([20.0, 1.0], 7)
    assert over_tasks(values, heavy).above[0, 1]
    assert over_tasks(values, heavy[::-1]).above[1, 0]
    assert not over_tasks(values).above.any()
    same(over_tasks(values, heavy), over_tasks(values, heavy / 7))


def test_tasks_differ_in_difficulty_without_hiding_differences() -> None:
    values = scores(12, 2) + np.linspace(0, 4000, 12)[:, None] + [0, 20]
    found = over_tasks(values)
    assert found.above[1, 0]
    assert found.high[0] > found.low[1]


def test_too_few_tasks_and_wrong_sizes() -> None:
    with pytest.raises(UndefinedError, match="5 tasks cannot tell models apart: comparing over tasks takes 6"):
        over_tasks(scores(FEWEST - 1, 3))
    for weights in ([1.0] * 7, [1.0] * 7 + [0.0], [1.0] * 7 + [math.nan]):
        with pytest.raises(ValueError, match="positive"):
            over_tasks(scores(8, 3), weights)
    with pytest.raises(ValueError, match="draws"):
        over_images([1.0, 2.0], np.zeros((10, 3)))
    assert over_tasks(np.zeros((6, 0))).above.shape == over_images([], np.zeros((9, 0))).above.shape == (0, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.01, 100), st.floats(-100, 100))
def test_order_unit_and_zero_do_not_matter(seed: int, models: int, unit: float, zero: float) -> None:
    values, draws = redrawn(models, seed, 100)
    tasks, order = scores(8, models, seed), np.random.default_rng(seed).permutation(models)
    for found, shuffled, other in (
        (over_images(values, draws), over_images(values[order], draws[:, order]),
         over_images(unit * values + zero, unit * draws + zero)),
        (over_tasks(tasks, resamples=200), over_tasks(tasks[:, order], resamples=200),
         over_tasks(unit * tasks + zero, resamples=200)),
    ):  # fmt: skip
        same(shuffled, part(found, order))
        np.testing.assert_array_equal(other.above, found.above)
        np.testing.assert_allclose(other.low, unit * found.low + zero, rtol=1e-6, atol=1e-6)
        assert not (found.above & found.above.T).any()
        best, worst = rank_intervals(found.above)
        assert (best <= worst).all()
        assert (best >= 1).all()
        assert (worst <= models).all()


def test_rank_intervals_by_hand() -> None:
    """The first is above the third and fourth, the second above the fourth."""
    above = np.zeros((4, 4), bool)
    above[0, 2] = above[0, 3] = above[1, 3] = True
    best, worst = rank_intervals(above)
    assert best.tolist() == [1, 1, 2, 3]
    assert worst.tolist() == [2, 3, 4, 4]


def test_tie_runs_by_hand() -> None:
    above = np.zeros((5, 5), bool)
    assert tie_runs(above, range(5)) == [(0, 4)]
    assert tie_runs(np.triu(~above, 1), range(5)) == []
    above[0, 2:] = above[1, 3:] = above[2, 4] = True
    assert tie_runs(above, range(5)) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    above[2, 3] = above[3, 4] = True
    assert tie_runs(above, range(5)) == [(0, 1), (1, 2)]
    above[1, 2] = True
    above[0, 1:] = [False, True, False, True]  # the third is uncertain: it hides nothing of its neighbours
    assert tie_runs(above, range(5)) == [(0, 3)]
    assert tie_runs(np.zeros((0, 0), bool), []) == tie_runs(np.zeros((1, 1), bool), [0]) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_every_pair_without_evidence_shares_a_run(seed: int, models: int) -> None:
    values, draws = redrawn(models, seed, 60)
    above, order = over_images(values, draws).above, list(np.argsort(-values))
    runs = tie_runs(above, order)
    for i in range(models):
        for j in range(i + 1, models):
            assert above[order[i], order[j]] or any(first <= i and j <= last for first, last in runs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(runs))
    assert all(not above[order[first], order[last]] for first, last in runs)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tasks", [6, 7, 9, 11, 13])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -3.7, 1e-300])
def test_equal_scores_are_certain_whatever_rounding_makes_of_their_spread(tasks: int, value: float) -> None:
    """The sum of sevenths is not one in binary, and so is no mean of equal scores quite their value."""
    for weights in (None, np.arange(1.0, tasks + 1)):
        found = over_tasks(np.full((tasks, 2), value), weights)
        np.testing.assert_allclose([found.low, found.high], value, rtol=1e-12)
        assert not found.above.any()


@pytest.mark.filterwarnings("error")
def test_a_task_that_outweighs_all_others_has_no_interval() -> None:
    for weight in (1e3, 1e12):
        found = over_tasks(scores(7, 3), [weight, *[1.0] * 6])
        assert np.isnan([found.low, found.high]).all()
        assert not found.above.any()
    assert np.isfinite(over_tasks(scores(7, 3), [5.0, *[1.0] * 6]).low).all()
