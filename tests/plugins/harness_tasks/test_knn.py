"""What kNN asks for; its predictions are tested beside the linear probe's."""

from __future__ import annotations

from dataclasses import replace

from probe_data import data

from harness.tasks import Fold, parameters
from harness_tasks.knn import KNN


def test_it_asks_for_the_view_it_is_given() -> None:
    assert KNN().needs.views == ("clean",)
    assert KNN(view="whole").needs.views == ("whole",)
    assert parameters(KNN(view="whole"))["view"] == "whole"


def test_it_votes_with_whatever_view_it_gets() -> None:
    given, _ = data()
    folds = {
        name: Fold(name, {("embedding", "whole"): fold.embeddings}, fold.given) for name, fold in given.folds.items()
    }
    found = KNN(k=5, view="whole").run(replace(given, folds=folds))["k=5"]
    assert found.scores.equal(KNN(k=5).run(given)["k=5"].scores)
