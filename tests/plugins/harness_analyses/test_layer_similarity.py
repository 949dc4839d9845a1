"""Layers against layers."""

from __future__ import annotations

import pytest
from analysis_boards import board, scored
from drawings import texts

from harness.board import Board
from harness.testing import check_analysis
from harness_analyses.layer_similarity import MOST, layer_similarity

LAYERS = ("stem", "a.residual", "a", "embedding")


def own(model: str) -> dict[str, float]:
    """As `cka_layers` has them: the deepest first, each two once."""
    at = {layer: i for i, layer in enumerate(LAYERS)}
    return {f"{x}~{y}": (at[x] * 10 + at[y]) / 100 for x in LAYERS[::-1] for y in LAYERS[::-1] if at[y] < at[x]}


def between(first: tuple[str, ...] = LAYERS, second: tuple[str, ...] = LAYERS) -> dict[str, float]:
    return {
        f"{x}~{y}": (i * 10 + j) / 100
        for i, x in reversed(list(enumerate(first)))
        for j, y in reversed(list(enumerate(second)))
    }


def example() -> Board:
    made = [scored(m, "grams@d", "cka_layers", own(m)) for m in ("sup", "sim")]
    return board([*made, scored("sup", "grams@d", "cka", between(second=LAYERS[2:]), partner="sim")])


def drawn(made: Board, name: str) -> dict[tuple[str, str], float | None]:
    assert layer_similarity.figures is not None
    return {(row["row"], row["column"]): row["value"] for row in layer_similarity.figures(made)[name].rows}


def test_within_a_model_each_two_layers_have_a_row() -> None:
    rows = [row for row in layer_similarity(example()) if row["model"] == row["partner"] == "sup"]
    assert len(rows) == 6
    values = {(row["layer"], row["partner_layer"]): (row["value"], row["parity"]) for row in rows}
    assert values["embedding", "stem"] == (0.3, "even")
    assert values["embedding", "a.residual"] == (0.31, "")


def test_the_figure_is_symmetric_shallow_to_deep() -> None:
    values = drawn(example(), "cka_layers_sup_grams@d")
    assert list(dict.fromkeys(row for row, _ in values)) == list(LAYERS)
    assert values["stem", "embedding"] == values["embedding", "stem"] == 0.3
    assert values["a", "a"] == 1.0


def test_between_models_rows_are_the_firsts_layers() -> None:
    values = drawn(example(), "cka_sup+sim_grams@d")
    assert list(dict.fromkeys(row for row, _ in values)) == list(LAYERS)
    assert list(dict.fromkeys(column for _, column in values)) == ["a", "embedding"]
    assert values["a.residual", "embedding"] == 0.11


def test_odd_and_even_layers_also_stand_apart() -> None:
    made = board([scored("sup", "grams@d", "cka", between(), partner="sim")])
    assert layer_similarity.figures is not None
    assert set(layer_similarity.figures(made)) == {
        f"cka_sup+sim_{kind}grams@d" for kind in ("", "odd_", "even_")
    }  # fmt: skip
    assert drawn(made, "cka_sup+sim_odd_grams@d") == {("a.residual", "a.residual"): 0.11}
    assert {row for row, _ in drawn(made, "cka_sup+sim_even_grams@d")} == {"stem", "a", "embedding"}


def test_a_model_without_residual_taps_is_not_taken_apart() -> None:
    assert layer_similarity.figures is not None
    assert not any("odd" in name for name in layer_similarity.figures(example()) if name.startswith("cka_sup"))


def test_of_many_pairs_those_with_a_supervised_model_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness_analyses.layer_similarity.MOST", 3)
    models = ["moco", "rand", "sim", "sup"]
    two = ("a", "embedding")
    made = [scored(a, "grams@d", "cka", between(two, two), partner=b) for a in models for b in models if a < b]
    alone = [scored(m, "grams@d", "of", {"": 1.0}) for m in models]
    found = board([*made, *alone])
    assert layer_similarity.figures is not None
    figures = layer_similarity.figures(found)
    assert set(figures) == {f"cka_{m}+sup_grams@d" for m in ("moco", "rand", "sim")}
    assert "3 of 6 pairs are drawn, those with a supervised model first" in " ".join(
        " ".join(texts(figures["cka_rand+sup_grams@d"])).split()
    )
    assert len(layer_similarity(found)) == 6 * 4
    assert MOST == 12


def test_views_of_images_are_left_out() -> None:
    made = board([scored("sup", "grams@d", "cka_layers", {"a#1~a#0": 0.5})])
    assert layer_similarity(made) == []


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(layer_similarity)} == {"passed"}
