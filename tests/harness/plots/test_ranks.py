"""Critical-difference diagrams."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from drawings import ink, margins_are_white, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.plots import Figure, rank_diagram
from harness.plots.ranks import lanes
from harness.plots.style import INK, PARADIGMS

RANKS = (1.5, 2.25, 2.75, 4.0, 4.5)
NAMES = ("a", "b", "c", "d", "e")
GROUPS = ("masked", "masked", "supervised", "supervised", "contrastive")


def drawn(**asked) -> Figure:
    return rank_diagram(RANKS, NAMES, GROUPS, [(0, 2), (2, 4)], "ranks", subtitle="5 models", **asked)


def test_every_model_is_named_with_its_rank() -> None:
    figure = drawn(difference=1.25)
    said = texts(figure)
    assert [said.count(name) for name in NAMES] == [1] * 5
    assert {"1.50", "2.25", "4.00", "4.50", "1", "2", "3", "4", "5"} <= set(said)
    assert {"ranks", "5 models", "average rank", "critical difference 1.25"} <= set(said)
    assert {"masked", "supervised", "contrastive"} <= set(said)
    assert margins_are_white(figure)
    assert len(ink(figure, PARADIGMS["contrastive"].colour)) > 20


def test_its_rows_say_which_bars_a_model_is_in() -> None:
    rows = drawn().rows
    assert [row["bars"] for row in rows] == [[1], [1], [1, 2], [2], [2]]
    assert rows[0] == {"label": "a", "group": "masked", "rank": 1.5, "bars": [1]}


def test_bars_reach_from_model_to_model() -> None:
    """The axis is 5.6 inches from 1 to 5: the first bar is 1.25 ranks long, the second 1.75, each and a little more."""
    alone = rank_diagram(RANKS, NAMES, GROUPS, [], "ranks")
    assert thick(alone) == []
    first, second = sorted(thick(drawn()))
    inch = 5.6 / 4
    assert first == pytest.approx(1.25 * inch + 0.06, abs=0.01)
    assert second == pytest.approx(1.75 * inch + 0.06, abs=0.01)


def thick(figure: Figure) -> list[float]:
    """The lengths of the SVG's thick lines, in inches."""
    found = []
    for path in ElementTree.fromstring(figure.svg).iter("{http://www.w3.org/2000/svg}path"):
        style = path.get("style", "")
        if "stroke-width: 2.6" in style and INK in style:
            words = path.get("d", "").split()
            numbers = [float(w) for w in words if w not in "MLz"]
            found.append((max(numbers[::2]) - min(numbers[::2])) / 72)
    return found


def test_a_difference_longer_than_the_axis_is_said() -> None:
    assert "critical difference 9.00, more than the axis" in texts(drawn(difference=9.0))
    assert "critical difference 3.90" in texts(drawn(difference=3.9))


@pytest.mark.parametrize("ranks", [[1.0], [1.5, 1.5], [2.0, 2.0, 2.0]])
def test_few_models_and_equal_ranks(ranks: list[float]) -> None:
    n = len(ranks)
    runs = [(0, n - 1)] if n > 1 else []
    figure = rank_diagram(ranks, NAMES[:n], [""] * n, runs, "t")
    assert {*NAMES[:n], f"{ranks[0]:.2f}"} <= set(texts(figure))


def test_hostile_names_stay_text() -> None:
    name = "<script>alert('&')</script> $\\frac{1}{"
    figure = rank_diagram([1.0, 2.0], [name, "b"], [name, ""], [], name, subtitle=name)
    assert texts(figure).count(name) == 4
    assert "<script" not in figure.svg


def test_sizes_and_order_are_checked() -> None:
    for ranks, names in (([], []), ([1.0], ["a", "b"]), ([2.0, 1.0], ["a", "b"])):
        with pytest.raises(HarnessError, match="rank diagram 't'"):
            rank_diagram(ranks, names, [""] * len(names), [], "t")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 3)), max_size=12))
def test_no_two_bars_of_a_lane_touch(given_bars: list[tuple[float, float]]) -> None:
    bars = sorted((left, left + long) for left, long in given_bars)
    found = lanes(bars)
    for lane in set(found):
        shared = [bar for bar, at in zip(bars, found, strict=True) if at == lane]
        assert all(a[1] < b[0] for a, b in pairwise(shared))
    assert set(found) == set(range(len(set(found))))
