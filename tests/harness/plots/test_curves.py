"""Curves: through their values, labelled at their ends."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from drawings import ink, margins_are_white, texts
from sklearn.isotonic import IsotonicRegression

from harness.errors import HarnessError
from harness.plots import Axis, Curve, curves, logit, paradigm_style
from harness.plots.curves import apart

LAYERS = Axis("layer", names=("stem", "layer1", "layer2"))


def test_every_curve_is_named_and_its_rows_are_its_values() -> None:
    given = [
        Curve("a", [0, 1, 2], [1, 2, 3], [0, 1, 2], [2, 3, 4], "masked"),
        Curve("b", [0, 2], [5.0, math.nan], group="none"),
    ]
    figure = curves(given, LAYERS, Axis("top1, %"), "t", subtitle="s")
    assert {"a", "b", "masked", "none", "stem", "layer1", "layer2", "layer", "top1, %", "t", "s"} <= set(texts(figure))
    assert figure.rows[1] == {"curve": "a", "group": "masked", "x": "layer1", "y": 2.0, "low": 1.0, "high": 3.0}
    assert figure.rows[4] == {"curve": "b", "group": "none", "x": "layer2", "y": None, "low": None, "high": None}
    assert len(figure.rows) == 5


def test_original_units_on_a_scale() -> None:
    share = Axis("share", logit(0, 1))
    (row,) = curves([Curve("a", [0.0], np.array([0.0]))], share, share, "t").rows
    assert (row["x"], row["y"]) == (0.5, 0.5)


def test_bands_are_drawn_where_there_are_intervals() -> None:
    def bands(curve: Curve) -> int:
        return len(re.findall("opacity: 0.15", curves([curve], Axis("x"), Axis("y"), "t").svg))

    assert bands(Curve("a", [0, 1], [1, 2])) == 0
    assert bands(Curve("a", [0, 1], [1, 2], [0, 1], [2, 3])) == 1


def test_curves_of_a_group_share_its_colour_and_differ_in_dashes() -> None:
    given = [Curve(f"m{i}", [0, 1], [i, i], group="clustering") for i in range(3)]
    figure = curves(given, Axis("x"), Axis("y"), "t")
    assert len(ink(figure, paradigm_style(["clustering"])["clustering"].colour)) > 1000
    assert len(set(re.findall(r"stroke-dasharray: ([\d., ]+);[^\"]*stroke-width: 1.4", figure.svg))) == 2


def test_without_groups_each_has_a_colour_of_its_own() -> None:
    figure = curves([Curve(f"m{i}", [0, 1], [i, i]) for i in range(3)], Axis("x"), Axis("y"), "t")
    styles = paradigm_style(["m0", "m1", "m2"])
    assert all(len(ink(figure, style.colour)) > 500 for style in styles.values())


def test_a_single_value_none_and_no_curves() -> None:
    assert "one" in texts(curves([Curve("one", [0], [1.0])], Axis("x"), Axis("y"), "t"))
    figure = curves([Curve("gone", [0, 1], [math.nan] * 2)], Axis("x"), Axis("y"), "t")
    assert "gone (no value)" in texts(figure)
    assert curves([], Axis("x"), Axis("y"), "t").rows == []


def test_many_curves_and_many_long_layer_names_are_legible() -> None:
    names = tuple(f"stages.{i}.blocks.residual_before_addition" for i in range(80))
    given = [Curve(f"resnet50-model-{i}", range(80), np.full(80, i / 30)) for i in range(30)]
    figure = curves(given, Axis("layer", names=names), Axis("y"), "t")
    assert margins_are_white(figure)
    said = texts(figure)
    assert 5 < len([text for text in said if text.startswith("stages")]) < 40
    heights = sorted(float(y) for y in re.findall(r'<text [^>]* y="([\d.]+)"[^>]*>resnet50-model', figure.svg))
    assert len(heights) == 30
    assert all(b - a > 10 for a, b in itertools.pairwise(heights))  # points; the text is 9 high


@pytest.mark.parametrize("seed", range(4))
def test_labels_move_as_little_as_they_can(seed: int) -> None:
    heights = np.sort(np.random.default_rng(seed).uniform(0, 4, 12)) ** 2 / 4
    shifts = np.arange(12) * 0.2
    best = IsotonicRegression(y_min=0, y_max=4 - shifts[-1]).fit_transform(np.arange(12), heights - shifts) + shifts
    assert apart([float(h) for h in heights], 0.2, 4) == pytest.approx(best.tolist())
    assert apart([], 0.2, 4) == []


def test_lengths_that_differ() -> None:
    with pytest.raises(HarnessError, match=r"x, y, low and high of 'a' differ in length"):
        curves([Curve("a", [0, 1], [1])], Axis("x"), Axis("y"), "t")
