"""The linear probe and kNN against scikit-learn, through the same data a run gives them."""

from __future__ import annotations

import pytest
import torch
from probe_data import data
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from harness.evidence import Predictions
from harness.metrics import value
from harness.tasks import TargetsWithheldError, TaskData
from harness_metrics.classification import mean_average_precision, top1
from harness_tasks.knn import KNN
from harness_tasks.linear import Linear


def both(given: TaskData) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.cat([given.train.embeddings, given.val.embeddings])
    return x, torch.cat([given.train.targets, given.val.targets])


def sk_probe(given: TaskData) -> torch.Tensor:
    """The probabilities of the same protocol with scikit-learn, every fit to a tight tolerance."""

    def fit(x: torch.Tensor, y: torch.Tensor, wd: float) -> LogisticRegression:
        return LogisticRegression(C=1 / wd, tol=1e-8, max_iter=5000).fit(x.double(), y)

    def accuracy(wd: float) -> float:
        found = fit(given.train.embeddings, given.train.targets, wd)
        return float(found.score(given.val.embeddings.double(), given.val.targets))

    grid = torch.logspace(-6, 5, 45, dtype=torch.float64).tolist()
    best = max(grid, key=lambda wd: (accuracy(wd), wd))
    return torch.from_numpy(fit(*both(given), best).predict_proba(given.test.embeddings.double()))


def test_linear_equals_scikit_learn() -> None:
    given, _ = data()
    torch.testing.assert_close(Linear(rtol=1e-7).run(given).probabilities, sk_probe(given), atol=2e-3, rtol=0)


def test_linear_learns_labels_independently() -> None:
    given, targets = data(multilabel=True)
    found = Linear().run(given).join(targets=targets)
    assert found.multilabel
    assert value(mean_average_precision, found) > 75
    prior = Predictions(torch.zeros_like(found.scores), targets, multilabel=True)
    assert value(mean_average_precision, found) > value(mean_average_precision, prior) + 15


@pytest.mark.parametrize("k", [1, 20])
def test_knn_equals_scikit_learn(k: int) -> None:
    given, _ = data()
    ours = KNN(k=k, temperature=0.07).run(given)[f"k={k}"].probabilities
    x, y = both(given)

    def normalise(z: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(z.double())

    theirs = KNeighborsClassifier(k, weights=lambda d: torch.exp((1 - torch.from_numpy(d) ** 2 / 2) / 0.07).numpy())
    theirs.fit(normalise(x), y)
    expected = torch.from_numpy(theirs.predict_proba(normalise(given.test.embeddings)))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


def test_knn_gives_every_k_as_a_variant_and_never_more_neighbours_than_images() -> None:
    given, targets = data()
    found = KNN(k=(20, 1, 10_000)).run(given)
    assert list(found) == ["k=20", "k=1", "k=10000"]
    torch.testing.assert_close(found["k=10000"].scores, KNN(k=320).run(given)["k=320"].scores)
    assert value(top1, found["k=20"].join(targets=targets)) > 50


def test_knn_votes_for_each_label() -> None:
    given, targets = data(multilabel=True)
    assert value(mean_average_precision, KNN().run(given)["k=20"].join(targets=targets)) > 60


@pytest.mark.parametrize("task", [Linear(), KNN()], ids=lambda t: t.name)
def test_neither_reads_the_test_targets(task: Linear | KNN) -> None:
    given, _ = data()
    with pytest.raises(TargetsWithheldError):
        _ = given.test.targets
    task.run(given)
