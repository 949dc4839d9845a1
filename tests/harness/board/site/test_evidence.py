"""What predictions tell beyond their scores, against scikit-learn, netcal and plain counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from netcal.metrics import ECE
from sklearn.metrics import accuracy_score, average_precision_score, cohen_kappa_score, recall_score

from harness.board.site.evidence import (
    Answers,
    Hard,
    Tally,
    Wrong,
    agreement,
    answers,
    class_scores,
    difficulty,
    hardest,
    most_wrong,
    reliability,
)
from harness.evidence import Predictions


def predictions(n: int = 300, classes: int = 7, seed: int = 0, skill: float = 2.0) -> Predictions:
    drawn = torch.Generator().manual_seed(seed)
    targets = torch.randint(classes, (n,), generator=drawn)
    scores = torch.randn(n, classes, generator=drawn) * 2
    scores[torch.arange(n), targets] += skill
    return Predictions(scores, targets)


def labels(n: int = 200, classes: int = 5, seed: int = 0) -> Predictions:
    drawn = torch.Generator().manual_seed(seed)
    targets = (torch.rand(n, classes, generator=drawn) < 0.3).long()
    return Predictions(torch.randn(n, classes, generator=drawn) * 2 + 2 * targets - 1, targets, multilabel=True)


def known(p: Predictions) -> Answers:
    found = answers(p)
    assert found is not None
    return found


def test_answers_are_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = known(predictions())
    monkeypatch.setattr("harness.board.site.evidence.BLOCK", 7)
    parts = known(predictions())
    p = predictions()
    assert np.array_equal(whole.predicted, p.scores.argmax(1).numpy())
    assert np.allclose(whole.confidence, p.probabilities.max(1).values.numpy())
    assert np.array_equal(whole.predicted, parts.predicted)
    assert np.array_equal(whole.confidence, parts.confidence)
    assert np.array_equal(known(labels()).predicted, labels().probabilities.numpy() >= 0.5)


def test_without_targets_or_images_there_are_no_answers() -> None:
    assert answers(Predictions(torch.zeros(3, 2))) is None
    assert answers(Predictions(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))) is None


@pytest.mark.parametrize("seed", range(3))
def test_ece_is_netcals_and_the_bins_make_it(seed: int) -> None:
    p = predictions(seed=seed)
    found = reliability(known(p))
    assert found.ece == pytest.approx(ECE(15).measure(p.probabilities.numpy(), p.targets.numpy()))  # type: ignore[union-attr]
    assert len(found.bins) == 15
    assert sum(n for *_, n in found.bins) == 300
    gaps = [n * abs(said - true) for said, true, n in found.bins if said is not None and true is not None]
    assert sum(gaps) / 300 == pytest.approx(found.ece)
    assert all(k / 15 <= said <= (k + 1) / 15 for k, (said, _, n) in enumerate(found.bins) if said is not None and n)


def test_a_bin_without_images_says_so() -> None:
    sure = Predictions(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1]))
    found = reliability(known(sure))
    assert found.bins[:14] == [(None, None, 0)] * 14
    assert found.bins[14][1:] == (0.5, 2)


def test_reliability_of_labels_is_of_each_of_them() -> None:
    p = labels()
    assert p.targets is not None
    flat = p.probabilities.ravel().numpy()
    place = np.ceil(flat * 15).astype(int) - 1
    for k, (said, true, n) in enumerate(reliability(known(p)).bins):
        assert n == (place == k).sum()
        if n:
            assert said == pytest.approx(flat[place == k].mean())
            assert true == pytest.approx(p.targets.ravel().numpy()[place == k].mean())


def test_class_scores_are_recalls_and_average_precisions() -> None:
    p, several = predictions(), labels()
    recall = recall_score(p.targets, p.scores.argmax(1), average=None)
    assert np.allclose(class_scores(known(p), 7), recall)
    precision = [average_precision_score(several.targets[:, c], several.scores[:, c]) for c in range(5)]  # type: ignore[index]
    assert np.allclose(class_scores(known(several), 5), precision)


def test_a_class_without_images_has_no_score() -> None:
    assert np.isnan(class_scores(known(predictions()), 9)[7:]).all()
    p = labels()
    assert p.targets is not None
    p.targets[:, 2] = 0
    found = class_scores(known(p), 5)
    assert np.isnan(found[2])
    assert np.isfinite(np.delete(found, 2)).all()


def test_the_most_confidently_wrong_come_first() -> None:
    p = predictions()
    a = known(p)
    found = most_wrong(a, 10)
    assert len(found) == 10
    assert all(a.predicted[w.image] != a.targets[w.image] and w.label is None for w in found)
    others = [c for i, c in enumerate(a.confidence) if not a.right[i] and i not in {w.image for w in found}]
    assert [w.confidence for w in found] == sorted((w.confidence for w in found), reverse=True)
    assert min(w.confidence for w in found) >= max(others)
    assert most_wrong(known(Predictions(torch.eye(3), torch.arange(3))), 5) == []


def test_of_labels_the_one_that_is_surest_and_wrong() -> None:
    scores = torch.tensor([[3.0, -9.0, 0.5], [-5.0, 1.0, 1.0], [4.0, 4.0, -4.0]])
    targets = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 1, 0]])
    found = most_wrong(known(Predictions(scores, targets, multilabel=True)), 5)
    sigmoid = torch.tensor([3.0, 5.0], dtype=torch.float64).sigmoid()
    assert [(w.image, w.label) for w in found] == [(1, 0), (0, 0)]  # an absent label that is there, at 99.3 %
    assert [w.confidence for w in found] == pytest.approx(sigmoid.flip(0).tolist())


def test_agreement_is_scikit_learns() -> None:
    models = [known(predictions(seed=0, skill=skill)).predicted for skill in (0.0, 1.0, 3.0)]
    share, kappa = agreement(models)
    for i in range(3):
        for j in range(3):
            assert share[i, j] == pytest.approx(accuracy_score(models[i], models[j]))
            assert kappa[i, j] == pytest.approx(cohen_kappa_score(models[i], models[j]))


def test_agreement_of_labels_is_over_each_of_them() -> None:
    one, two = (known(labels(seed=seed)).predicted for seed in (0, 1))
    share, kappa = agreement([one, two])
    assert share[0, 1] == pytest.approx(np.mean(one == two))
    assert kappa[1, 0] == pytest.approx(cohen_kappa_score(one.ravel(), two.ravel()))


def test_kappa_is_undefined_where_all_is_one_class() -> None:
    same = np.zeros(9, np.int32)
    share, kappa = agreement([same, same])
    assert share.tolist() == [[1, 1], [1, 1]]
    assert np.isnan(kappa).all()


def test_hardest_images_and_difficulty() -> None:
    wrong, sure = np.array([0, 2, 3, 2, 1]), np.array([0.0, 0.9, 1.2, 1.5, 0.8])
    assert hardest(wrong, sure, 3) == [Hard(2, 3), Hard(3, 2), Hard(1, 2)]
    assert hardest(wrong, sure, 99)[-1] == Hard(4, 1)
    assert difficulty(wrong, 4) == [1, 1, 2, 1, 0]


@given(st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), min_size=1, max_size=6))
def test_a_tally_counts_what_each_model_says(said: list[list[int]]) -> None:
    targets = np.array([0, 1, 2, 0])
    tally = Tally(targets, 3)
    for i, each in enumerate(said):
        predicted = np.array(each, np.int32)
        a = Answers(predicted, np.full(4, 0.75), predicted == targets, targets)
        tally.add(i, a, class_scores(a, 3))
    table = np.array(said) != targets
    assert tally.wrong.tolist() == table.sum(0).tolist()
    assert tally.sureness.tolist() == (0.75 * table.sum(0)).tolist()
    assert sum(difficulty(tally.wrong, len(said))) == 4
    mean, best, spread = tally.by_class()
    assert mean[1] == pytest.approx(1 - table[:, 1].mean())
    assert not table[best[1], 1] or table[:, 1].all()
    assert spread[1] == pytest.approx(np.std(table[:, 1]))
    for image in np.flatnonzero(tally.wrong):
        usual = tally.usual_mistake(int(image))[0]
        counts: dict[Any, int] = {c: sum(each[image] == c for each in said) for c in range(3) if c != targets[image]}
        assert counts[usual] == max(counts.values())


def test_only_answers_about_the_same_images_are_compared() -> None:
    a, other = known(predictions(seed=0)), known(predictions(seed=1))
    tally = Tally(a.targets, 7)
    assert tally.fits(a)
    assert not tally.fits(other)
    assert not tally.fits(known(predictions(n=20)))


def test_the_usual_mistake_about_labels_is_a_set() -> None:
    targets = np.array([[1, 1, 0]])
    tally = Tally(targets, 3)
    for i, each in enumerate(([1, 0, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0])):
        predicted = np.array([each], bool)
        a = Answers(predicted, predicted * 0.9 + 0.05, (predicted == (targets > 0)).all(1), targets)
        tally.add(i, a, np.zeros(3))
    assert tally.wrong.tolist() == [3]
    assert tally.usual_mistake(0) == (0,)


def test_wrong_answers_are_plain() -> None:
    found = most_wrong(known(predictions()), 1)[0]
    assert isinstance(found, Wrong)
    assert type(found.image) is int
    assert type(found.confidence) is float
