"""Labels: near their points, clear of one another."""

from __future__ import annotations

import itertools
import random

import pytest

from harness.plots.placement import Box, place

FRAME = Box(0, 0, 660, 440)


@pytest.mark.parametrize("seed", range(5))
def test_labels_touch_neither_each_other_nor_a_point(seed: int) -> None:
    rolled = random.Random(seed)
    places = [(26 + 500 * i / 13, 200 + 900 * rolled.gauss(0, 0.2) % 180) for i in range(14)]
    labels = place([58.0] * 14, places, FRAME)
    assert all(a.box.overlap(b.box) == 0 for a, b in itertools.combinations(labels, 2))
    assert all(label.box.overlap(Box(x - 5, y - 5, x + 5, y + 5)) == 0 for label in labels for x, y in places)
    assert all(a.box.left >= FRAME.left and a.box.right <= FRAME.right for a in labels)
    assert all(label.box.right - label.box.left == pytest.approx(58) for label in labels)


def test_crowded_labels_get_leaders_and_still_do_not_touch() -> None:
    labels = place([120.0] * 10, [(330.0 + i, 200.0 + i) for i in range(10)], FRAME)
    assert any(label.leader for label in labels)
    assert all(a.box.overlap(b.box) == 0 for a, b in itertools.combinations(labels, 2))


def test_labels_stand_clear_of_lines() -> None:
    along, up = Box(330, 199, 660, 201), Box(329, 200, 331, 440)
    (struck,), (label,) = (place([60.0], [(330.0, 200.0)], FRAME, lines) for lines in ((), (along, up)))
    assert struck.box.overlap(along) > 0
    assert label.box.overlap(along) == label.box.overlap(up) == 0


def test_no_labels() -> None:
    assert place([], [], FRAME) == []
