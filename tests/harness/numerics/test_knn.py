"""Nearest neighbours and votes against scikit-learn and faiss."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Tensor
from torch.nn.functional import normalize

from harness.numerics import knn
from harness.numerics.knn import neighbours, vote


@pytest.fixture
def rows() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(500, 24, generator=generator), torch.randn(70, 24, generator=generator)


def test_neighbours_equal_scikit_learn(rows: tuple[Tensor, Tensor]) -> None:
    train, queries = rows
    similarity, index = neighbours(train, queries, 20)
    brute = NearestNeighbors(n_neighbors=20, metric="cosine", algorithm="brute").fit(train.double())
    distance, expected = brute.kneighbors(queries.double())
    assert similarity.dtype == torch.float32
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(similarity, 1 - distance, atol=1e-6)


def test_neighbours_equal_faiss(rows: tuple[Tensor, Tensor]) -> None:
    train, queries = rows
    similarity, index = neighbours(train, queries, 50)
    flat = faiss.IndexFlatIP(24)
    flat.add(normalize(train).numpy())
    expected_similarity, expected = flat.search(normalize(queries).numpy(), 50)
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_allclose(similarity, expected_similarity, atol=1e-6)


@pytest.mark.parametrize("k", [1, 20, 500])
@pytest.mark.parametrize("chunk", [1, 700, 1 << 24])
def test_chunks_do_not_matter(rows: tuple[Tensor, Tensor], k: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = neighbours(*rows, k)
    monkeypatch.setattr(knn, "TRAIN_BLOCK", 33)
    similarity, index = neighbours(*rows, k, chunk=chunk)
    torch.testing.assert_close(similarity, whole[0])
    assert (index == whole[1]).float().mean() > 0.999


@pytest.mark.parametrize("block", [7, 1000])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_equal_similarities_are_in_order_of_index(block: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "TRAIN_BLOCK", block)
    train = torch.eye(4)[torch.arange(40) % 4]
    similarity, index = neighbours(train, torch.tensor([[0.0, 2.0, 0.0, 0.0]]), k)
    expected = [*range(1, 40, 4), *(i for i in range(40) if i % 4 != 1)]
    assert index[0].tolist() == expected[:k]
    assert similarity[0].tolist() == [1.0] * min(k, 10) + [0.0] * (k - min(k, 10))


@pytest.mark.parametrize("block", [64, 1000, 1 << 16])
@pytest.mark.parametrize("k", [1, 9, 60, 299])
def test_many_ties_equal_a_stable_sort(block: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "TRAIN_BLOCK", block)
    signs = torch.randn(1000 + 30, 16, generator=torch.Generator().manual_seed(k)).sign()  # exact: unit rows of 1/4
    similarity, index = neighbours(signs[:1000], signs[1000:], k)
    exact, order = (signs[1000:] @ signs[:1000].T / 16).sort(dim=1, descending=True, stable=True)
    assert torch.equal(index, order[:, :k])
    assert torch.equal(similarity, exact[:, :k])


@pytest.mark.parametrize("features", [3, 384, 2048])
def test_equal_rows_tie_wherever_they_lie(features: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "TRAIN_BLOCK", 700)
    generator = torch.Generator().manual_seed(0)
    train = torch.randn(50, features, generator=generator).repeat(41, 1)
    similarity, index = neighbours(train, torch.randn(20, features, generator=generator), 120)
    first = index[:, :41] % 50
    assert torch.equal(index[:, :41] // 50, torch.arange(41).expand(20, 41))
    assert (first == first[:, :1]).all()
    assert (similarity[:, :41] == similarity[:, :1]).all()


def test_length_of_rows_does_not_matter(rows: tuple[Tensor, Tensor]) -> None:
    train, queries = rows
    _, index = neighbours(train, queries, 5)
    assert torch.equal(neighbours(train * 64, queries / 8, 5)[1], index)


@pytest.mark.parametrize("temperature", [0.07, 0.001])
def test_votes_equal_scikit_learn(rows: tuple[Tensor, Tensor], temperature: float) -> None:
    train, queries = rows
    y = torch.arange(500) % 7
    votes = vote(*neighbours(train, queries, 40), y, 7, [5, 40], temperature)
    assert list(votes) == [5, 40]
    for k, probabilities in votes.items():
        model = KNeighborsClassifier(
            k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((d.min(1, keepdims=True) - d) / temperature)
        )
        expected = model.fit(train.double(), y).predict_proba(queries.double())
        np.testing.assert_allclose(probabilities, expected, atol=1e-3 if temperature < 0.01 else 1e-5)


def test_label_votes_are_the_weighted_mean(rows: tuple[Tensor, Tensor]) -> None:
    similarity, index = neighbours(*rows, 10)
    labels = torch.arange(500)[:, None] % torch.tensor([2, 3, 5]) == 0
    weights = (similarity.double() / 0.1).exp()
    expected = (weights[:, :, None] * labels[index].double()).sum(1) / weights.sum(1, keepdim=True)
    probabilities = vote(similarity, index, labels.long(), 3, [10], 0.1)[10]
    torch.testing.assert_close(probabilities.double(), expected, rtol=0, atol=1e-5)


def test_votes_do_not_overflow() -> None:
    similarity, index = torch.tensor([[1.0, -1.0]]), torch.tensor([[0, 1]])
    probabilities = vote(similarity, index, torch.tensor([1, 0]), 2, [2], 1e-3)[2]
    assert probabilities.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("k", [0, 501])
def test_impossible_k_is_refused(rows: tuple[Tensor, Tensor], k: int) -> None:
    with pytest.raises(ValueError, match=f"k is {k}"):
        neighbours(*rows, k)


def test_rows_of_other_length_are_refused(rows: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="24 features, queries 3"):
        neighbours(rows[0], torch.ones(1, 3), 1)


def test_votes_of_missing_neighbours_are_refused(rows: tuple[Tensor, Tensor]) -> None:
    similarity, index = neighbours(*rows, 5)
    with pytest.raises(ValueError, match="5 neighbours"):
        vote(similarity, index, torch.zeros(500).long(), 1, [6], 0.1)
    with pytest.raises(ValueError, match="2 labels, not 3"):
        vote(similarity, index, torch.zeros(500, 2), 3, [5], 0.1)
