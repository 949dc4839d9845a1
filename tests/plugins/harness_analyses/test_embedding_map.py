"""Maps of embeddings."""

from __future__ import annotations

import numpy as np
import torch
from analysis_boards import board, kept, with_evidence
from drawings import texts
from sklearn.decomposition import PCA

from harness.board import Board
from harness.evidence import Embeddings, Evidence
from harness.testing import check_analysis
from harness_analyses.embedding_map import embedding_map, pca, tsne

TASK = "embed@d"


def blobs(images: int, classes: int, far: float = 20.0) -> Embeddings:
    """Class centres far apart, the first classes the most frequent."""
    random = torch.Generator().manual_seed(0)
    targets = (torch.rand(images, generator=random) ** 2 * classes).long()
    centres = far * torch.randn(classes, 12, generator=random)
    return Embeddings(centres[targets] + torch.randn(images, 12, generator=random), targets)


def of(evidence: Evidence) -> Board:
    return with_evidence({("sup", TASK): evidence})


def test_pca_is_scikit_learns() -> None:
    x = blobs(80, 5).features.double().numpy()
    components, shares = pca(x - x.mean(0))
    oracle = PCA(12)
    wanted = oracle.fit_transform(x)
    np.testing.assert_allclose(np.abs(components), np.abs(wanted), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(shares, oracle.explained_variance_ratio_, rtol=1e-10)
    assert (components.max(0) == np.abs(components).max(0)).all()


def test_pca_leaves_out_what_does_not_vary() -> None:
    plane = np.random.default_rng(0).normal(size=(30, 2)) @ np.random.default_rng(1).normal(size=(2, 9))
    assert pca(plane - plane.mean(0))[0].shape == (30, 2)


def test_tsne_keeps_classes_together_and_is_the_same_every_time() -> None:
    made = blobs(60, 3)
    x = made.features.double().numpy()
    components, _ = pca(x - x.mean(0))
    found, perplexity = tsne(components)
    assert perplexity == 59 / 3
    np.testing.assert_array_equal(found, tsne(components)[0])
    apart = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    targets = np.asarray(made.targets)
    assert (targets[apart.argmin(1)] == targets).all()


def test_rows_say_what_the_maps_show() -> None:
    (row,) = embedding_map(of(blobs(2100, 15)))
    assert (row["images"], row["shown"], row["dimensions"], row["classes"]) == (2100, 2000, 12, 15)
    assert 0.2 < row["pc2"] < row["pc1"] < 1


def test_the_ten_most_frequent_classes_have_colours() -> None:
    assert embedding_map.figures is not None
    figures = embedding_map.figures(of(blobs(90, 15)))
    assert set(figures) == {f"PCA_sup_{TASK}", f"t-SNE_sup_{TASK}"}
    figure = figures[f"PCA_sup_{TASK}"]
    groups = {row["group"] for row in figure.rows}
    assert len(groups - {""}) == 10
    assert {row["hollow"] for row in figure.rows if not row["group"]} == {True}
    assert {"class 00", "other classes"} <= set(texts(figure))


def test_targets_that_are_no_classes_have_no_colours() -> None:
    features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    assert embedding_map.figures is not None
    for targets, classes in ((torch.rand(20, 2), None), (None, None), (torch.eye(4).long().repeat(5, 1), 4)):
        (row,) = embedding_map(of(Embeddings(features, targets)))
        assert row["classes"] == classes
        assert len(embedding_map.figures(of(Embeddings(features, targets)))) == 2


def test_constant_features_and_few_images_are_left_out() -> None:
    assert embedding_map(of(Embeddings(torch.full((20, 3), 0.1)))) == []
    assert embedding_map(of(Embeddings(torch.eye(3)))) == []


def test_without_stored_evidence_there_is_nothing() -> None:
    assert embedding_map(board([kept("sup", TASK)])) == []


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(embedding_map)} == {"passed"}
