"""Axes: scales and ticks."""

from __future__ import annotations

import itertools
import math

import pytest

from harness.plots.axes import GAP, LINEAR, LOG, Axis, Scale, logit, span, ticks


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (59.5, 77.2, logit(0, 100)), (10, 99.5, logit(0, 100)), (96.1, 97.1, logit(0, 100)), (0.47, 0.74, logit(0, 1)),
        (2592, 4598, LINEAR), (-39.6, -28.8, LINEAR), (0.00012, 0.00019, LINEAR), (2e-12, 9e-12, LINEAR),
        (1.2, 900, LOG), (23, 41, LOG), (0.002, 70, LOG), (1e-3, 1e9, LOG), (5, 5.2, LOG),
    ],
)  # fmt: skip
def test_ticks_are_round_numbers_in_their_places(low: float, high: float, scale: Scale) -> None:
    ends = span([scale.to(low), scale.to(high)])
    found = ticks(scale, ends, 6.6)
    assert 3 <= len(found) <= 17
    for at, text in found:
        number = float(text.replace("−", "-"))
        assert ends[0] <= at <= ends[1]
        assert at == pytest.approx(scale.to(number))
        assert len(text.strip("−0.").replace(".", "").rstrip("0").split("e")[0]) <= 4
    gap = GAP / 6.6 * (ends[1] - ends[0])
    assert all(b[0] - a[0] >= gap for a, b in itertools.pairwise(found))


def test_a_shorter_axis_has_fewer_ticks() -> None:
    assert len(ticks(LINEAR, (0, 1), 1.5)) < len(ticks(LINEAR, (0, 1), 6))
    assert ticks(logit(0, 100), (60.0, 61.0), 6) == []  # where 100 and 100 - 1e-24 are one number


def test_a_logit_axis_goes_there_and_back() -> None:
    scale = logit(0, 100)
    assert scale.to(50) == 0
    assert scale.to(90) == pytest.approx(math.log(9))
    assert [scale.back(scale.to(v)) for v in (0.1, 60, 99.9)] == pytest.approx([0.1, 60, 99.9])


def test_a_logarithmic_axis_has_decades() -> None:
    assert [text for _, text in ticks(LOG, (0, 2), 6.6)] == ["1", "2", "5", "10", "20", "50", "100"]
    assert [text for _, text in ticks(LOG, (0, 2), 2.0)] == ["1", "3", "10", "30", "100"]
    assert [text for _, text in ticks(LOG, (0, 2), 1.0)] == ["1", "10", "100"]
    assert [text for _, text in ticks(LOG, (0, 6), 2.0)] == ["1", "100", "10000", "1e+06"]


def test_an_axis_has_all_finite_values_and_a_margin() -> None:
    assert span([1.0, math.nan, 3.0, math.inf], 0.1) == pytest.approx((0.8, 3.2))
    assert span([5.0]) == (4.5, 5.5)
    assert span([math.nan]) == span([]) == (-0.5, 0.5)
    low, high = span([1e12, 1e12])
    assert low < 1e12 < high


def test_what_stands_at_a_place() -> None:
    assert Axis("x", logit(0, 1)).original(0.0) == 0.5
    assert Axis("x").original(math.nan) is None
    named = Axis("layer", names=("stem", "head"))
    assert [named.original(at) for at in (0.0, 1.0, 0.5, 2.0, -1.0)] == ["stem", "head", 0.5, 2.0, -1.0]
