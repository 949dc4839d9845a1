"""Scatter plots: valid, in scale, legible."""

from __future__ import annotations

import itertools
import math
import random
from xml.etree import ElementTree

import pytest

from harness.board import plots
from harness.board.placement import Box, place
from harness.board.plots import LINEAR, Axis, Point, logit, scatter

NAMESPACE = "{http://www.w3.org/2000/svg}"
PERCENT = Axis("top1, %", logit(0, 100))


def drawn(points: list[Point], x: Axis = PERCENT, y: Axis = PERCENT, **texts: str) -> ElementTree.Element:
    return ElementTree.fromstring(scatter(points, x, y, **({"title": "r = 0.9"} | texts)))


def points(n: int = 14, seed: int = 0) -> list[Point]:
    rolled = random.Random(seed)
    at = [logit(0, 100).to(rolled.uniform(60, 78)) for _ in range(n)]
    return [Point(f"model {i}", a, a + rolled.gauss(0, 0.2), f"group {i % 3}") for i, a in enumerate(at)]


def texts(root: ElementTree.Element, kind: str) -> list[str]:
    return [e.text or "" for e in root.iter(f"{NAMESPACE}text") if e.get("class") == kind]


def test_every_model_is_named_once_and_marked_once() -> None:
    root = drawn(points())
    assert sorted(texts(root, "name")) == sorted(f"model {i}" for i in range(14))
    groups = [e for e in root.iter(f"{NAMESPACE}g") if e.find(f"{NAMESPACE}title") is not None]
    assert len(groups) == 14
    assert all(any("mark" in (c.get("class") or "") for c in group) for group in groups)


def test_hostile_names_stay_text() -> None:
    name = "<script>alert('&')</script> \"x\""
    root = drawn([Point(name, 0, 0, name), Point("b", 1, 1)], title=name, subtitle=name, hollow=name)
    assert name in texts(root, "name")
    assert not list(root.iter(f"{NAMESPACE}script"))


@pytest.mark.parametrize("seed", range(5))
def test_labels_touch_neither_each_other_nor_a_point(seed: int) -> None:
    made = points(seed=seed)
    places = [(100 + 500 * i / 13, 300 + 900 * (p.y - p.x) % 180) for i, p in enumerate(made)]
    labels = place([p.label for p in made], places, plots.FRAME)
    assert all(a.box.overlap(b.box) == 0 for a, b in itertools.combinations(labels, 2))
    assert all(label.box.overlap(Box(x - 5, y - 5, x + 5, y + 5)) == 0 for label in labels for x, y in places)
    assert all(a.box.left >= plots.LEFT and a.box.right <= plots.RIGHT for a in labels)


def test_crowded_labels_get_leaders_and_still_do_not_touch() -> None:
    places = [(400.0 + i, 300.0 + i) for i in range(10)]
    labels = place([f"a longish name {i}" for i in range(10)], places, plots.FRAME)
    assert any(label.leader for label in labels)
    assert all(a.box.overlap(b.box) == 0 for a, b in itertools.combinations(labels, 2))


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (59.5, 77.2, logit(0, 100)), (10, 99.5, logit(0, 100)), (96.1, 97.1, logit(0, 100)), (0.47, 0.74, logit(0, 1)),
        (2592, 4598, LINEAR), (-39.6, -28.8, LINEAR), (0.00012, 0.00019, LINEAR),
    ],
)  # fmt: skip
def test_ticks_are_round_numbers_in_their_places(low: float, high: float, scale: plots.Scale) -> None:
    axis = plots._pixels([scale.to(low), scale.to(high)], plots.LEFT, plots.RIGHT)
    ticks = [
        (pixel, float(text.replace("−", "-"))) for pixel, text in plots._ticks(scale, axis, plots.LEFT, plots.RIGHT)
    ]
    assert 3 <= len(ticks) <= 17
    for pixel, number in ticks:
        assert plots.LEFT <= pixel <= plots.RIGHT
        assert axis(scale.to(number)) == pytest.approx(pixel)
    assert all(b[0] - a[0] >= plots.GAP for a, b in itertools.pairwise(ticks))


def test_a_logit_axis_goes_there_and_back() -> None:
    scale = logit(0, 100)
    assert scale.to(50) == 0
    assert scale.to(90) == pytest.approx(math.log(9))
    assert [scale.back(scale.to(v)) for v in (0.1, 60, 99.9)] == pytest.approx([0.1, 60, 99.9])


def test_the_line_is_least_squares() -> None:
    left, top, right, bottom = plots._line([(0, 0), (1, 2), (2, 1)]) or ()
    assert (left, top, right, bottom) == pytest.approx((0, 0.5, 2, 1.5))
    assert plots._line([(1, 0), (1, 5)]) is None


def test_points_on_top_of_one_another_are_drawn() -> None:
    root = drawn([Point("a", 1, 1), Point("b", 1, 1)], Axis("x"), Axis("y"))
    assert sorted(texts(root, "name")) == ["a", "b"]


def test_a_group_has_its_colour_in_every_plot() -> None:
    some = [Point("a", 0, 0, "masked"), Point("b", 1, 1, "supervised")]
    alone = scatter(some, PERCENT, PERCENT, "t")
    among = scatter(some, PERCENT, PERCENT, "t", groups=["clustering", "supervised", "masked"])
    assert [f'class="mark g{i}"' in alone for i in range(3)] == [True, True, False]
    assert [f'class="mark g{i}"' in among for i in range(3)] == [False, True, True]
    assert "clustering" not in among


def test_hollow_marks_are_explained_only_where_there_are_any() -> None:
    assert "reported" not in scatter(points(), PERCENT, PERCENT, "t", hollow="reported")
    some = [*points(), Point("theirs", 0.5, 0.5, hollow=True)]
    assert "reported" in scatter(some, PERCENT, PERCENT, "t", hollow="reported")
