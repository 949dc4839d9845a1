"""Scores over depth."""

from __future__ import annotations

import pytest
from analysis_boards import board, scored
from drawings import texts

from harness.board import Board
from harness.testing import check_analysis
from harness_analyses.layer_curves import layer_curves

RESIDUAL = {"embedding": (0.9, 0.8, 1.0), "b": (0.7, 0.6, 0.8), "b.residual": 0.6, "a": 0.5, "stem": 0.1}
PLAIN = {"embedding": 0.8, "blocks.1": 0.4, "blocks.0": 0.2}


def example() -> Board:
    return board([scored("sup", "layers@d", "top1", RESIDUAL), scored("vit", "layers@d", "top1", PLAIN)])


def test_depth_is_relative_to_the_models_own_layers() -> None:
    found = {(row["model"], row["layer"]): row for row in layer_curves(example())}
    assert [found["sup", layer]["depth"] for layer in ("stem", "a", "b.residual", "b", "embedding")] == [
        0, 0.25, 0.5, 0.75, 1,
    ]  # fmt: skip
    assert [found["vit", layer]["depth"] for layer in ("blocks.0", "blocks.1", "embedding")] == [0, 0.5, 1]
    assert [found[key]["parity"] for key in (("sup", "b.residual"), ("sup", "b"), ("vit", "blocks.0"))] == [
        "odd", "even", "",
    ]  # fmt: skip
    row = found["sup", "embedding"]
    assert (row["value"], row["low"], row["high"], row["paradigm"]) == (0.9, 0.8, 1.0, "supervised")


def test_odd_and_even_layers_are_drawn_apart() -> None:
    assert layer_curves.figures is not None
    figures = layer_curves.figures(example())
    assert set(figures) == {"top1_odd_layers@d", "top1_even_layers@d"}
    odd, even = figures["top1_odd_layers@d"], figures["top1_even_layers@d"]
    assert [(row["curve"], row["x"], row["y"]) for row in odd.rows] == [("sup", 0.5, 0.6)]
    assert [(row["curve"], row["x"]) for row in even.rows] == [
        ("vit", 0), ("vit", 0.5), ("vit", 1), ("sup", 0), ("sup", 0.25), ("sup", 0.75), ("sup", 1),
    ]  # fmt: skip
    assert "2 models; even layers: all but residual branches" in texts(even)


def test_without_residual_taps_there_is_one_figure() -> None:
    assert layer_curves.figures is not None
    assert list(layer_curves.figures(board([scored("vit", "layers@d", "top1", PLAIN)]))) == ["top1_layers@d"]


def test_several_scores_of_a_metric_are_curves_of_their_own() -> None:
    both = {f"{layer},{of}": value for of, shift in (("full", 0), ("gain", 0.1)) for layer, value in
            ((x, y + shift) for x, y in PLAIN.items())}  # fmt: skip
    rows = layer_curves(board([scored("vit", "views[layers=*]@d", "equivariance_r2", both)]))
    assert {(row["of"], row["layer"]): row["value"] for row in rows}["gain", "blocks.1"] == 0.5
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("task", "variants"),
    [
        ("knn@d", ("k=20", "k=1")), ("embed@d", ("mean", "sd")), ("embed@d", ("embedding",)),
        ("grams@d", ("embedding~a", "embedding~b")),
        ("views@d", ("embedding,angle=0", "stem,angle=0")),
        ("grams@d", ("embedding#0", "embedding#1", "embedding")),
    ],
)  # fmt: skip
def test_other_variants_are_no_layers(task: str, variants: tuple[str, ...]) -> None:
    assert layer_curves(board([scored("vit", task, "m", dict.fromkeys(variants, 0.5))])) == []


def test_a_task_that_was_told_its_layers_needs_no_embedding() -> None:
    made = [scored("vit", "views[layers=blocks*]@d", "m", {"blocks.1": 0.5, "blocks.0": 0.1})]
    assert [row["layer"] for row in layer_curves(board(made))] == ["blocks.0", "blocks.1"]


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(layer_curves)} == {"passed"}
