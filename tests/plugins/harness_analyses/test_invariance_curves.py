"""Curves over the strength of a transform."""

from __future__ import annotations

from analysis_boards import board, scored
from drawings import texts

from harness.testing import check_analysis
from harness_analyses.invariance import invariance_curves

GRID = {"mean": 0.6, "angle=22.5": (0.5, 0.4, 0.6), "angle=0": 1.0, "angle=100": 0.3}


def test_points_stand_in_the_order_of_the_parameter() -> None:
    made = board([scored(m, "views[rotation]@d", "invariance_curve", GRID) for m in ("sup", "sim")])
    rows = [row for row in invariance_curves(made) if row["model"] == "sup"]
    assert [(row["parameter"], row["at"], row["value"]) for row in rows] == [
        ("angle", 0, 1.0), ("angle", 22.5, 0.5), ("angle", 100, 0.3),
    ]  # fmt: skip
    assert (rows[1]["low"], rows[1]["high"], rows[0]["low"]) == (0.4, 0.6, None)
    assert invariance_curves.figures is not None
    figure = invariance_curves.figures(made)["invariance_curve_views,rotation@d"]
    assert "angle, °" in texts(figure)
    assert [(row["curve"], row["x"]) for row in figure.rows] == [(m, x) for m in ("sim", "sup") for x in (0, 22.5, 100)]


def test_layers_have_their_own_curves() -> None:
    grid = {f"{layer},{point}": 0.5 for layer in ("embedding", "stem") for point in GRID}
    made = board([scored("sup", "views[hue,layers=*]@d", "invariance_curve", grid)])
    assert {(row["layer"], row["at"]) for row in invariance_curves(made)} == {
        (layer, at) for layer in ("embedding", "stem") for at in (0, 22.5, 100)
    }
    assert invariance_curves.figures is not None
    assert list(invariance_curves.figures(made)) == ["invariance_curve_embedding_views,hue,layers=all@d"]


def test_other_metrics_have_no_curves() -> None:
    assert invariance_curves(board([scored("sup", "knn@d", "top1", {"k=20": 1.0, "k=1": 0.5})])) == []


def test_it_conforms() -> None:
    assert {finding.status for finding in check_analysis(invariance_curves)} == {"passed"}
