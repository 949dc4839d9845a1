from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.draws import LEVELS, Draws, paired
from harness.evidence import Predictions
from harness.metrics import metric, score


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_draws_are_kept_to_a_part_of_their_range(values: list[float]) -> None:
    kept = Draws.of(values)
    assert kept is not None
    found = Draws.model_validate_json(kept.model_dump_json()).values()
    assert np.abs(found - values).max() <= (max(values) - min(values)) / LEVELS * 0.5000001 + 1e-9


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_undefined_draws_are_none(values: list[float]) -> None:
    assert Draws.of(values) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"low": 2.0}, "greater than the greatest"),
        ({"codes": "???"}, "not base64"),
        ({"codes": base64.b64encode(b"abc").decode()}, "cut off"),
        ({"codes": ""}, "at least 1 character"),
        ({"high": float("nan")}, "finite"),
    ],
)
def test_damaged_draws_are_refused(fields: dict, message: str) -> None:
    good = {"low": 0.0, "high": 1.0, "codes": base64.b64encode(b"abcd").decode()}
    assert len(Draws.model_validate(good).values()) == 2
    with pytest.raises(ValidationError, match=message):
        Draws.model_validate(good | fields)


def test_the_difference_of_two_models_draws_is_the_paired_bootstrap_of_their_difference() -> None:
    @metric("hits", accepts=Predictions, bounds=(0, 1))
    def hits(p: Predictions) -> torch.Tensor:
        return (p.scores.argmax(1) == p.targets).double()

    @metric("gap", accepts=Predictions)
    def gap(p: Predictions) -> torch.Tensor:
        return p.scores[:, 0].double()

    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(4, (300,), generator=generator)
    easy = torch.nn.functional.one_hot(targets, 4) * 1.0
    noise = torch.randn(300, 4, generator=generator)
    sides = [Predictions(easy + scale * noise, targets) for scale in (0.5, 0.7)]
    first, second = (score(hits, side, resamples=400) for side in sides)
    drawn = paired([first.draws, second.draws])
    assert drawn is not None
    assert drawn.shape == (400, 2)
    apart = [(s.scores.argmax(1) == s.targets).double() for s in sides]
    direct = score(gap, Predictions((apart[0] - apart[1])[:, None], targets), resamples=400)
    assert direct.draws is not None
    np.testing.assert_allclose(drawn[:, 0] - drawn[:, 1], direct.draws.values(), atol=1e-5)
    assert np.var(drawn[:, 0] - drawn[:, 1]) < 0.8 * (np.var(drawn[:, 0]) + np.var(drawn[:, 1])), "models err alike"


def test_draws_of_unlike_numbers_are_cut_to_the_fewest_and_missing_ones_pair_with_none() -> None:
    many, few = Draws.of(np.arange(10.0)), Draws.of(np.arange(4.0))
    found = paired([many, few])
    assert found is not None
    assert found.shape == (4, 2)
    assert paired([many, None]) is None
    assert paired([]) is None
