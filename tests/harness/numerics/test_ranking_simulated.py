"""How often intervals, ranks and comparisons are right, on boards whose truth is known. The rates are printed (-s)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from harness.numerics.bootstrap import weights
from harness.numerics.ranking import over_images, over_tasks, rank_intervals

BOARDS = 600
IMAGES, RESAMPLES, DATASETS = 500, 500, 3
STATED = 0.05
ERROR = 3 * math.sqrt(STATED * (1 - STATED) / BOARDS)
"""Three Monte Carlo standard errors of a rate of 5 %."""
SKILLS = np.array([0.0, 0.0, 0.3, 0.3, 0.7, 1.4])


def drawn(skills: np.ndarray, seed: int, images: int = IMAGES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The truth (M,), and of each board the aggregates (B, M) and their draws (R, B, M), in percent.

    A model is right where its skill, with noise of its own, is beyond the image's difficulty, which all models share.
    """
    random = np.random.default_rng(seed)
    counts = torch.cat(list(weights(images, RESAMPLES))).numpy()
    values, draws = 0.0, 0.0
    for _ in range(DATASETS):
        difficulty = random.normal(0, 1.5, (images, BOARDS, 1))
        right = 100.0 * (skills + random.normal(size=(images, BOARDS, len(skills))) > difficulty)
        values = values + right.mean(0) / DATASETS
        again = counts @ right.reshape(images, -1) / images
        draws = draws + again.reshape(RESAMPLES, BOARDS, len(skills)) / DATASETS
    return 100 * stats.norm.cdf(skills / math.sqrt(1 + 1.5**2)), np.asarray(values), np.asarray(draws)


def test_images_of_models_of_which_some_are_tied() -> None:
    truth, values, draws = drawn(SKILLS, 0)
    better, tied = truth[:, None] > truth, np.equal.outer(truth, truth)
    covered, wrong, ranks, found = [], [], [], []
    for i in range(BOARDS):
        made = over_images(values[i], draws[:, i])
        best, worst = rank_intervals(made.above)
        covered.append((made.low <= truth) & (truth <= made.high))
        wrong.append((made.above & tied).any())
        ranks.append((best <= 1 + better.sum(0)) & (worst >= len(truth) - better.sum(1)))
        found.append(made.above[better])
    print(f"\nintervals {np.mean(covered):.3f}, ranks at once {np.all(ranks, 1).mean():.3f}, "
          f"tied pairs apart {np.mean(wrong):.3f}, pairs that differ found {np.mean(found):.3f}")  # fmt: skip
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.all(ranks, 1).mean() >= 0.95 - ERROR
    assert np.mean(wrong) <= STATED + ERROR
    assert np.mean(found) > 0.9


def test_images_of_models_all_tied() -> None:
    """The hardest case for the rate over all pairs, which must not be far below what is allowed either."""
    _, values, draws = drawn(np.zeros(6), 1)
    wrong = np.mean([over_images(values[i], draws[:, i]).above.any() for i in range(BOARDS)])
    print(f"\nany of 15 tied pairs apart {wrong:.3f}")
    assert 0.02 <= wrong <= STATED + ERROR


def test_images_of_one_pair() -> None:
    """Its difference is in the interval where, moved to the truth, it is no difference."""
    truth, values, draws = drawn(SKILLS[[0, 4]], 2)
    missed = np.mean([over_images(values[i] - truth, draws[:, i] - truth).above.any() for i in range(BOARDS)])
    print(f"\npaired difference covered {1 - missed:.3f}")
    assert 0.93 <= 1 - missed <= 0.97


def normal(random: np.random.Generator, tasks: int) -> np.ndarray:
    return random.normal(0, 3, (tasks, 6))


def skewed(random: np.random.Generator, tasks: int) -> np.ndarray:
    """Every model now and then much better than usual."""
    return 3 * (random.gamma(1.5, size=(tasks, 6)) - 1.5) / math.sqrt(1.5)


def uneven(random: np.random.Generator, tasks: int) -> np.ndarray:
    return random.normal(size=(tasks, 6)) * np.linspace(1, 5, 6)


def failing(random: np.random.Generator, tasks: int) -> np.ndarray:
    """One model now and then fails badly: differences as skewed as an exponential."""
    noise = random.normal(size=(tasks, 6))
    noise[:, 0] = 3 * (1 - random.exponential(size=tasks))
    return noise


NOISES = [normal, skewed, uneven, failing]


def boards(noise: Callable[..., np.ndarray], tasks: int, means: np.ndarray) -> list[np.ndarray]:
    random = np.random.default_rng(tasks)
    return [60 + random.normal(0, 12, (tasks, 1)) + noise(random, tasks) + means for _ in range(BOARDS)]


@pytest.mark.parametrize("tasks", [8, 15, 40])
@pytest.mark.parametrize("noise", NOISES)
def test_tasks_of_models_of_which_half_are_tied(noise: Callable[..., np.ndarray], tasks: int) -> None:
    means = np.array([0.0, 0, 0, 6, 12, 18])
    truth, better, tied = 60 + means, means[:, None] > means, np.equal.outer(means, means)
    made = [over_tasks(board, resamples=500) for board in boards(noise, tasks, means)]
    covered = np.mean([(f.low <= truth) & (truth <= f.high) for f in made])
    wrong = np.mean([(f.above & tied).any() for f in made])
    found = np.mean([f.above[better] for f in made])
    ranks = []
    for f in made:
        best, worst = rank_intervals(f.above)
        ranks.append(((best <= 1 + better.sum(0)) & (worst >= 6 - better.sum(1))).all())
    print(f"\n{noise.__name__}, {tasks} tasks: intervals {covered:.3f}, ranks at once {np.mean(ranks):.3f}, "
          f"tied pairs apart {wrong:.3f}, pairs that differ found {found:.3f}")  # fmt: skip
    assert 0.93 <= covered <= 0.975
    assert wrong <= STATED + ERROR
    assert np.mean(ranks) >= 0.95 - ERROR
    assert found > {8: 0.6, 15: 0.85, 40: 0.95}[tasks]


@pytest.mark.parametrize("tasks", [6, 8, 40])
@pytest.mark.parametrize("noise", NOISES)
def test_tasks_of_models_all_tied(noise: Callable[..., np.ndarray], tasks: int) -> None:
    made = boards(noise, tasks, np.zeros(6))
    wrong = np.mean([over_tasks(board, resamples=500).above.any() for board in made])
    pair = np.mean([over_tasks(board[:, 1:3], resamples=500).above.any() for board in made])
    print(f"\n{noise.__name__}, {tasks} tasks: any of 15 tied pairs apart {wrong:.3f}, of one pair {pair:.3f}")
    # where one model fails as an exponential does, no test of so few means holds its level; this one is near it
    assert wrong <= STATED + ERROR + (0.02 if noise is failing else 0)
    assert pair <= STATED + ERROR
    assert tasks < 8 or pair >= 0.02
