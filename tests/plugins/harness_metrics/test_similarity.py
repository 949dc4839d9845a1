"""The pair metrics: what they give on the golden pair, to the host and on evidence that has no answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.errors import HarnessError, UndefinedError
from harness.evidence import Embeddings
from harness.metrics import Metric, score, value
from harness_metrics import similarity

GOLDEN = {
    "svcca": 0.73101, "pwcca": 0.73467, "procrustes": 0.73626, "rsa": 0.47244, "cka_pooled": 0.51346,
    "mutual_knn": 0.279, "knn_jaccard": 0.17012,
}  # fmt: skip
METRICS: list[Metric] = [getattr(similarity, name) for name in GOLDEN]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def golden() -> tuple[Embeddings, Embeddings]:
    random = np.random.RandomState(1337)
    x = random.randn(100, 10)
    return Embeddings(torch.from_numpy(x)), Embeddings(torch.from_numpy(random.randn(100, 10) + x))


def unlike(n: int = 60) -> tuple[Embeddings, Embeddings]:
    """float32 features of different length, as tasks give them."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n, 8, generator=random)
    y = torch.cat([x + torch.randn(n, 8, generator=random), 2 * torch.randn(n, 5, generator=random)], 1)
    return Embeddings(x * torch.arange(1, 9)), Embeddings(y + 1)


@each
def test_the_golden_pair(metric: Metric) -> None:
    assert metric.pair
    assert metric.accepts is Embeddings
    assert value(metric, *golden()) == pytest.approx(GOLDEN[metric.name], abs=5e-6)


@each
def test_intervals_are_given_where_images_have_scores_of_their_own(metric: Metric) -> None:
    a, b = unlike()
    found = score(metric, a, b, resamples=200)
    assert found.n == 60
    assert 0 < found.value < 1
    if metric.name in ("mutual_knn", "knn_jaccard"):
        assert metric(a, b).shape == (60,)
        assert 0 <= found.low < found.value < found.high <= 1
    else:
        assert (found.low, found.high) == (None, None)


@each
def test_a_model_is_like_itself_at_any_scale(metric: Metric) -> None:
    a, b = unlike()
    assert value(metric, a, a) == pytest.approx(1, abs=1e-6)
    assert value(metric, b, Embeddings(b.features * 2.0**-10)) == pytest.approx(1, abs=1e-6)


@each
def test_all_but_pwcca_are_symmetric(metric: Metric) -> None:
    a, b = unlike()
    same = value(metric, a, b) == pytest.approx(value(metric, b, a), abs=1e-6)
    assert same == (metric.name != "pwcca")


@each
def test_constant_features_are_undefined(metric: Metric) -> None:
    a, _ = unlike()
    with pytest.raises(UndefinedError, match=r"same|constant"):
        metric(a, Embeddings(torch.full((60, 4), 0.1)))


@pytest.mark.parametrize(("name", "n"), [("svcca", 12), ("pwcca", 12), ("mutual_knn", 10), ("knn_jaccard", 10)])
def test_too_few_images_are_undefined(name: str, n: int) -> None:
    with pytest.raises(UndefinedError):
        getattr(similarity, name)(*unlike(n))


@each
def test_the_images_must_be_the_same(metric: Metric) -> None:
    a, b = unlike()
    with pytest.raises(HarnessError, match="60 of the first model, 59 of the second"):
        metric(a, b.take(torch.arange(59)))
