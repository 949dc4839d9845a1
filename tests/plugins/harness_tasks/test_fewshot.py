"""Few-shot episodes: drawn as stated, classified as scikit-learn's nearest centroid does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from harness.errors import HarnessError
from harness.tasks import Fold, TaskData
from harness.testing import check_task
from harness.testing.samples import card
from harness_tasks.fewshot import FewShot, draw

CLASSES = 7
TARGETS = np.random.RandomState(1).permutation(np.repeat(np.arange(CLASSES), 40))


def data(spread: float, seed: int = 0) -> TaskData:
    """Gaussian classes of 12 dimensions, `spread` apart, in three folds."""
    generator = torch.Generator().manual_seed(3)
    y = torch.from_numpy(TARGETS)
    x = spread * torch.randn(CLASSES, 12, generator=generator)[y] + torch.randn(len(y), 12, generator=generator)
    parts = zip(("train", "val", "test"), x.split([180, 40, 60]), y.split([180, 40, 60]), strict=True)
    folds = {name: Fold(name, {("embedding", "clean"): a}, b) for name, a, b in parts}
    return TaskData(folds, tuple("abcdefg"), False, lambda evidence: 0.0, seed=seed)


@pytest.mark.parametrize("setting", ["5w5s", "7w1s", "2w20s"])
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_each_episode_is_nearest_centroid(setting: str, spread: float) -> None:
    task, given = FewShot(setting, episodes=40), data(spread, seed=5)
    x = torch.cat([fold.embeddings for fold in given.folds.values()]).numpy()
    expected = []
    for images in draw(TARGETS, task.ways, task.shots + task.queries, 40, seed=5):
        support, query = images[:, : task.shots].ravel(), images[:, task.shots :].ravel()
        fitted = NearestCentroid().fit(x[support], TARGETS[support])
        expected.append(100 * fitted.score(x[query], TARGETS[query]))
    found = task.run(given).accuracy
    assert np.allclose(found.numpy(), expected)
    assert found.std() > 0


def test_episodes_are_drawn_without_replacement_and_by_seed() -> None:
    episodes = draw(TARGETS, 5, 20, 100, seed=0)
    assert episodes.shape == (100, 5, 20)
    for episode in episodes:
        assert len(np.unique(episode)) == episode.size
        assert all(len(set(TARGETS[row])) == 1 for row in episode)
        assert len(set(TARGETS[episode[:, 0]])) == 5
    assert np.array_equal(episodes, draw(TARGETS, 5, 20, 100, seed=0))
    assert not np.array_equal(episodes, draw(TARGETS, 5, 20, 100, seed=1))
    assert len(np.unique(TARGETS[episodes[..., 0]])) == CLASSES
    counts = np.bincount(episodes.ravel(), minlength=len(TARGETS))
    assert counts.min() > 0  # train, val and test images alike


def test_a_class_without_enough_images_is_never_drawn() -> None:
    targets = np.concatenate([np.full(34, 6), TARGETS[TARGETS != 6]])
    assert 6 not in targets[draw(targets, 5, 35, 50, seed=0)]
    with pytest.raises(HarnessError, match="only 6 classes have so many; take fewer shots or queries"):
        draw(targets, 7, 35, 1, seed=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"setting": "5-way"}, "must be like 5w20s"),
        ({"setting": "1w5s"}, "needs two ways"),
        ({"queries": 0}, "one query"),
        ({"episodes": 0}, "one episode"),
    ],
)
def test_settings_are_checked(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        FewShot(**fields)


def test_what_it_skips_and_needs() -> None:
    assert FewShot("9w5s").skip(card(classes=5)) == "draws 9 classes, synthetic has 5"
    assert "needs one label an image" in str(FewShot().skip(card("multi-label", classes=5)))
    assert FewShot(view="squash").needs.features == (("embedding", "squash"),)


def test_it_passes_the_conformance_kit() -> None:
    assert [f for f in check_task(FewShot("5w5s", episodes=20)) if f.status == "failed"] == []
