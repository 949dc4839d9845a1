"""Models by the geometry of their features."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
from drawings import texts
from manifold_boards import board, mgm, score
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform
from scipy.stats import zscore

from harness.board import build
from harness.plots import Figure
from harness.testing import check_analysis
from harness_analyses.geometry import geometry, linkage, of_models

BLOBS = {"contrastive": 0.0, "clustering": 10.0, "supervised": 20.0}


def blobs(spread: float = 1.0) -> list:
    """Four models of each of three paradigms, whose MGMs lie apart."""
    random = np.random.default_rng(0)
    return [
        record
        for paradigm, at in BLOBS.items() for i in range(4)
        for record in mgm(f"{paradigm}{i}", (50 + at + spread * random.normal(size=6)).tolist(), paradigm=paradigm)
    ]  # fmt: skip


@functools.cache
def drawn() -> dict[str, Figure]:
    assert geometry.figures is not None
    return geometry.figures(board())


def test_z_scores_and_distances() -> None:
    made = board()
    test, *rows = geometry(made)
    assert (test["of"], test["models"], len(rows)) == ("paradigm", 14, 14)
    names = [c.name for c in made.columns if c.metric.startswith("nnk") and c.variant in ("mean", "sd")]
    assert len(names) == 12
    raw = np.array([[made.entry(row["of"], name).value for name in names] for row in rows], float)
    z = np.array([[row[name] for name in names] for row in rows])
    np.testing.assert_allclose(z, zscore(raw, axis=0), atol=1e-12)
    distances = np.linalg.norm(z[:, None] - z[None], axis=2) + np.diag([np.inf] * 14)
    for at, row in enumerate(rows):
        assert row["distance"] == pytest.approx(distances[at].min())
        assert row["nearest"] == rows[int(distances[at].argmin())]["of"]


def test_the_tree_is_that_of_average_linkage() -> None:
    """The two closest models are merged first, at their distance; then groups at the mean of theirs."""
    found = of_models(board(5))
    merges, distances = linkage(found), found.distances.copy()
    assert merges[0, 2] == pytest.approx(distances[np.triu_indices(5, 1)].min())
    first = [int(i) for i in merges[0, :2]]
    rest = [i for i in range(5) if i not in first]
    heights = squareform(cophenet(merges))
    joined = {i: distances[np.ix_([i], first)].mean() for i in rest}
    pairs = {distances[i, j] for i in rest for j in rest if i < j}
    assert merges[1, 2] == pytest.approx(min([*joined.values(), *pairs]))
    assert heights[first[0], first[1]] == merges[0, 2]


def test_paradigms_that_lie_apart_are_found() -> None:
    test, *rows = geometry(build(blobs(), columns="all"))
    assert (test["p"], test["permutations"], test["exact"]) == (1e-4, 9999, False)
    assert test["r2"] > 0.9
    assert all(row["nearest"][:-1] == row["of"][:-1] for row in rows)


def test_without_spread_there_is_no_f() -> None:
    test, *rows = geometry(build(blobs(0.0), columns="all"))
    assert (test["pseudo_f"], test["r2"]) == (None, 1.0)
    assert "infinite" in test["reason"]
    assert all(row["distance"] == 0 for row in rows)


def test_models_without_a_paradigm_are_not_tested_but_placed() -> None:
    made = [*blobs(), *mgm("random", [1, 2, 3, 4, 5, 6], paradigm="none"), *mgm("mine", [1, 2, 3, 4, 5, 7])]
    test, *rows = geometry(build(made, columns="all"))
    assert (test["models"], len(rows)) == (12, 14)
    assert {row["of"]: row["nearest"] for row in rows}["mine"] == "random"


def test_a_model_that_lacks_some_is_left_out_with_its_reason() -> None:
    made = [*blobs(), *mgm("half", [1, 2, 3, 4, 5, 6])[:2], score("none", "linear@birds", 50.0)]
    whole, found = (geometry(build(m, columns="all")) for m in (blobs(), made))
    half = next(row for row in found if row["of"] == "half")
    assert half["reason"] == "lacks nnk@cifar10 nnk_affinity[mean]"
    assert half["nearest"] is None
    assert {row["of"]: row for row in found if row["of"] != "half"} == {row["of"]: row for row in whole}


def test_an_mgm_that_is_the_same_for_all_counts_for_nothing() -> None:
    made = [r for i in range(4) for r in mgm(f"m{i}", [0.1, 0.2, float(i), 1 / (i + 1), 0.3, 0.4], paradigm="masked")]
    test, *rows = geometry(build(made, columns="all"))
    assert test["reason"].startswith("it takes two paradigms")
    assert {row["nnk@cifar10 nnk_neighbours[mean]"] for row in rows} == {None}
    assert all(np.isfinite(row["distance"]) for row in rows)


@pytest.mark.parametrize(
    ("models", "said"), [(0, "add tasks such as nnk@DATASET"), (1, "1 models have all"), (2, "2 models have all")]
)
def test_too_few_models(models: int, said: str) -> None:
    made = board(models)
    rows = geometry(made)
    assert len(rows) == models + 1
    assert all(said in row["reason"] and row["distance"] is None for row in rows)
    assert geometry.figures is not None
    assert geometry.figures(made) == {}


def test_same_models_have_a_reason() -> None:
    made = [r for i in range(4) for r in mgm(f"m{i}", [1, 2, 3, 4, 5, 6])]
    rows = geometry(build(made, columns="all"))
    assert {row["reason"] for row in rows} == {"no MGM differs between the models"}


def test_it_draws_models_with_their_paradigms() -> None:
    assert list(drawn()) == ["dendrogram", "MGMs", "distances", "principal_components"]
    for figure in drawn().values():
        assert {"contrastive", "supervised", "model-3"} <= set(texts(figure))
    test, *rows = geometry(board())
    said = " ".join(texts(drawn()["dendrogram"]))
    assert f"{100 * test['r2']:.0f} % of the squared distances, p = {test['p']:.2g}" in said
    by_model = {row["of"]: row for row in rows}
    for cell in drawn()["MGMs"].rows:
        if cell["column"] == "diameter sd, simclr[50]":
            column = "nnk[simclr[50]]@cifar10 nnk_diameter[sd]"
            assert cell["value"] == by_model[cell["row"]][column]
    assert [r["row"] for r in drawn()["distances"].rows[::14]] == [r["row"] for r in drawn()["MGMs"].rows[::12]]


def test_principal_components_are_the_best_plane() -> None:
    """Their squares sum to the two largest eigenvalues, and more of the named MGM is further on."""
    found, figure = of_models(board()), drawn()["principal_components"]
    at = np.array([[p["x"], p["y"]] for p in figure.rows])
    assert [p["label"] for p in figure.rows] == found.models
    np.testing.assert_allclose(np.square(at).sum(0), np.linalg.eigvalsh(found.z.T @ found.z)[::-1][:2])
    label = next(t for t in texts(figure) if t.startswith("component 1"))
    named = found.z[:, found.names.index(label.partition("most in ")[2])]
    assert np.corrcoef(named, at[:, 0])[0, 1] > 0


def test_one_mgm_is_drawn_as_well() -> None:
    made = [r for i in range(4) for r in mgm(f"m{i}", [float(i), 1, 1, 1, 1, 1])]
    assert geometry.figures is not None
    figures = geometry.figures(build(made, columns="all"))
    assert "there is one MGM" in texts(figures["principal_components"])


def test_several_datasets_are_named() -> None:
    made = [r for i in range(4) for d in ("a", "b") for r in mgm(f"m{i}", [float(i), 2, 3, 4, 5, 6], task=f"nnk@{d}")]
    assert of_models(build(made, columns="all")).names == ["neighbours mean, semantic@a", "neighbours mean, semantic@b"]


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(geometry)} == {"passed"}
    json.dumps(geometry(board()), allow_nan=False)
