"""Scatter plots: valid, in scale, legible."""

from __future__ import annotations

import math
import random
import re

import numpy as np
import pytest
from drawings import ink, texts

from harness.plots import Axis, Figure, Point, logit, paradigm_style, scatter
from harness.plots.placement import Box
from harness.plots.scatter import fitted, treads
from harness.plots.style import SOFT

PERCENT = Axis("top1, %", logit(0, 100))
PLAIN = Axis("x"), Axis("y")


def points(n: int = 14, seed: int = 0) -> list[Point]:
    rolled = random.Random(seed)
    at = [logit(0, 100).to(rolled.uniform(60, 78)) for _ in range(n)]
    return [Point(f"model {i}", a, a + rolled.gauss(0, 0.2), f"group {i % 3}") for i, a in enumerate(at)]


def drawn(given: list[Point], **asked: str) -> Figure:
    return scatter(given, PERCENT, PERCENT, "r = 0.9", **asked)


def test_every_model_is_named_once_and_marked_once() -> None:
    figure = drawn(points(), subtitle="14 models")
    said = texts(figure)
    assert [said.count(f"model {i}") for i in range(14)] == [1] * 14
    assert {"r = 0.9", "14 models", "group 0", "group 1", "group 2", "70", "75"} <= set(said)
    assert said.count("top1, %") == 2
    assert len(re.findall("<use ", figure.svg)) >= 14 + 3  # and the legend


def test_its_rows_are_the_points_in_original_units() -> None:
    given = [Point("a", logit(0, 100).to(60), logit(0, 100).to(70), "masked", hollow=True), Point("b", 0, 0)]
    first, second = drawn(given).rows
    assert (first["x"], first["y"]) == pytest.approx((60, 70))
    assert (first["label"], first["group"], first["hollow"]) == ("a", "masked", True)
    assert second == {"label": "b", "group": "", "hollow": False, "x": 50.0, "y": 50.0}


def test_hostile_names_stay_text() -> None:
    name = "<script>alert('&')</script> \"x\" $\\frac{1}{"
    figure = drawn([Point(name, 0, 0, name), Point("b", 1, 1, hollow=True)], subtitle=name, hollow=name)
    assert texts(figure).count(name) == 4
    assert "<script" not in figure.svg


def test_the_line_is_least_squares() -> None:
    given = [(p.x, p.y) for p in points()]
    (left, low), (right, high) = fitted(given) or ((0, 0), (0, 0))
    slope, intercept = np.polyfit(*zip(*given, strict=True), 1)
    assert (left, right) == (min(x for x, _ in given), max(x for x, _ in given))
    assert (low, high) == pytest.approx((slope * left + intercept, slope * right + intercept))
    assert fitted([(1, 0), (1, 5)]) is fitted([(1, 0)]) is fitted([]) is None


def test_one_point_none_and_points_on_top_of_one_another_are_drawn() -> None:
    assert sorted(drawn([Point("a", 1, 1), Point("b", 1, 1)]).svg.count(f">{name}<") for name in "ab") == [1, 1]
    assert "only" in texts(scatter([Point("only", 3, 4)], *PLAIN, "t"))
    assert scatter([], *PLAIN, "t").rows == []


def test_points_without_a_value_are_left_out_and_counted() -> None:
    figure = scatter([Point("a", 1, 1), Point("gone", math.nan, 1), Point("b", 2, 2)], *PLAIN, "t", subtitle="s")
    assert "gone" not in texts(figure)
    assert "s; 1 without a value left out" in texts(figure)
    assert figure.rows[1] == {"label": "gone", "group": "", "hollow": False, "x": None, "y": 1.0}


def test_a_group_has_its_colour_in_every_plot() -> None:
    some = [Point("a", 0, 0, "masked"), Point("b", 1, 1, "supervised")]
    among = scatter(some, *PLAIN, "t", groups=["clustering", "supervised", "masked"])
    assert "clustering" not in texts(among)
    colour = paradigm_style(["masked"])["masked"].colour
    assert len(ink(among, colour)) > 100
    others = scatter([Point("a", 0, 0, "x"), Point("b", 1, 1, "z")], *PLAIN, "t", groups=["w", "x", "y", "z"])
    styles = paradigm_style(["w", "x", "y", "z"])
    assert [len(ink(others, styles[name].colour)) > 100 for name in "wxyz"] == [False, True, False, True]


def test_hollow_marks_are_hollow_and_explained_only_where_there_are_any() -> None:
    assert "reported" not in texts(drawn(points(), hollow="reported"))
    assert "reported" in texts(drawn([*points(), Point("theirs", 0.5, 0.5, hollow=True)], hollow="reported"))
    colour = paradigm_style(["masked"])["masked"].colour
    full, hollow = (scatter([Point("a", 0, 0, "masked", hollow=h)], *PLAIN, "t").svg for h in (False, True))
    edge = f"fill: #ffffff; stroke: {colour.lower()}"
    assert (edge in full, edge in hollow) == (False, True)


def test_a_map_of_many_points_without_labels() -> None:
    cloud = [Point("", math.sin(i), math.cos(i), f"class {i % 10}") for i in range(300)]
    figure = scatter(cloud, *PLAIN, "t", line=False)
    assert len(re.findall("<use ", figure.svg)) >= 300
    assert "stroke-dasharray" not in figure.svg
    assert len(figure.rows) == 300


def test_a_stair_rises_where_it_is_told() -> None:
    """From (0, 1) along to 2, up to 3, and along to the end."""
    given = [Point("a", 0, 1), Point("b", 2, 3), Point("c", 4, 2)]
    plain, stepped = (scatter(given, *PLAIN, "t", line=False, steps=steps) for steps in ((), [(0, 1), (2, 3)]))
    assert len(ink(stepped, SOFT)) > len(ink(plain, SOFT)) + 500
    assert stepped.rows == plain.rows
    assert treads([(0, 100), (40, 60), (90, 60)]) == [
        Box(0, 99, 40, 101), Box(40, 59, 90, 61), Box(39, 60, 41, 100), Box(89, 60, 91, 60),
    ]  # fmt: skip


def test_labels_stand_clear_of_the_stair() -> None:
    """The stair runs to the right of b, where its label would stand."""
    given = [Point("a", 0, 1), Point("b b b", 2, 3), Point("c", 4, 2)]
    plain, stepped = (scatter(given, *PLAIN, "t", line=False, steps=steps) for steps in ((), [(0, 1), (2, 3)]))
    at = [float(re.findall(r'<text [^>]* x="([\d.]+)"[^>]*>b b b<', figure.svg)[0]) for figure in (plain, stepped)]
    assert at[0] - at[1] > 30
