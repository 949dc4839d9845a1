"""Matrices of models against models."""

from __future__ import annotations

import pytest
from analysis_boards import board, scored
from drawings import texts

from harness.board import Board
from harness.testing import check_analysis
from harness_analyses.similarity import similarity


def example(metric: str = "svcca") -> Board:
    pairs = {("sup", "sim"): 0.5, ("sup", "moco"): 0.25, ("moco", "sim"): 0.75}
    made = [scored(a, "embed@d", metric, {"": (v, v - 0.1, v + 0.1)}, partner=b) for (a, b), v in pairs.items()]
    return board([*made, *(scored(m, "embed@d", "rankme", {"": 3.0}) for m in ("sup", "sim", "moco"))])


def drawn(made: Board, name: str) -> dict[tuple[str, str], float | None]:
    assert similarity.figures is not None
    return {(row["row"], row["column"]): row["value"] for row in similarity.figures(made)[name].rows}


def test_one_row_a_pair() -> None:
    rows = {(row["model"], row["partner"]): row for row in similarity(example())}
    assert len(rows) == 3
    row = rows["sup", "moco"]
    assert (row["value"], row["low"], row["high"]) == (0.25, 0.15, 0.35)
    assert (row["paradigm"], row["partner_paradigm"]) == ("supervised", "contrastive")


def test_the_matrix_is_symmetric_with_ones() -> None:
    values = drawn(example(), "svcca_embed@d")
    assert values["sup", "sim"] == values["sim", "sup"] == 0.5
    assert [values[m, m] for m in ("sup", "sim", "moco")] == [1.0, 1.0, 1.0]


def test_models_of_a_paradigm_stand_together() -> None:
    assert list(dict.fromkeys(row for row, _ in drawn(example(), "svcca_embed@d"))) == ["moco", "sim", "sup"]


def test_an_unsymmetric_metric_counts_for_the_order_that_was_measured() -> None:
    values = drawn(example("pwcca"), "pwcca_embed@d")
    assert (values["sup", "sim"], values["sim", "sup"]) == (0.5, None)


def test_a_metric_that_is_not_known_has_no_diagonal() -> None:
    values = drawn(example("distance"), "distance_embed@d")
    assert values["sup", "sup"] is None
    assert values["sim", "sup"] == 0.5


def test_of_layers_the_first_variant_counts() -> None:
    scores = {"embedding~embedding": 0.4, "embedding~stem": 0.1, "stem~stem": 0.9}
    made = board([scored("a", "grams@d", "cka", scores, partner="b"), scored("a", "grams@d", "cka", scores, "c")])
    assert {row["value"] for row in similarity(made)} == {0.4}
    assert drawn(made, "cka_grams@d")["a", "b"] == 0.4
    assert similarity.figures is not None
    assert "3 models, layers embedding~embedding" in texts(similarity.figures(made)["cka_grams@d"])


def test_seeds_are_averaged() -> None:
    made = [scored("a", "t@d", "rsa", {"": (v, 0.0, v)}, partner="b", seed=seed) for seed, v in enumerate((0.2, 0.4))]
    (row,) = similarity(board(made))
    assert (row["value"], row["low"], row["high"]) == (pytest.approx(0.3), 0.0, pytest.approx(0.3))


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(similarity)} == {"passed"}
    assert similarity(board([])) == []
