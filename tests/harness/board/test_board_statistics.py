from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from harness.board.statistics import places, ranks

scores = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6)), max_size=30)


@given(scores, st.booleans())
def test_ranks_are_scipys(values: list[float], higher: bool) -> None:
    expected = rankdata([-v if higher else v for v in values]).tolist()
    assert ranks(values, higher) == expected


def test_tied_models_share_the_mean_of_their_places() -> None:
    assert ranks([90.0, 80.0, 90.0, 70.0]) == [1.5, 3.0, 1.5, 4.0]
    assert ranks([0.1, 0.3, 0.2], higher_is_better=False) == [1.0, 3.0, 2.0]


@pytest.mark.parametrize(
    ("values", "higher", "expected"),
    [
        ([1.0, 3.0, 2.0], True, [None, 1, 2]),
        ([1.0, 3.0, 2.0], False, [1, None, 2]),
        ([3.0, 3.0, 2.0, 2.0, 1.0], True, [1, 1, 2, 2, None]),
        ([None, 3.0, None], True, [None, 1, None]),
        ([5.0, 5.0], True, [1, 1]),
        ([None], True, [None]),
        ([], True, []),
    ],
)
def test_places(values: list[float | None], higher: bool, expected: list[int | None]) -> None:
    assert places(values, higher) == expected
