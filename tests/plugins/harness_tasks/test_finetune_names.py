"""The grid as it is written in suites."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from finetune_world import with_finetune

from harness.errors import HarnessError
from harness.lookup import find_protocol
from harness.plugins import Host
from harness.tasks import parameters
from harness.testing.worlds import CARDS
from harness_tasks.finetune import Finetune


@pytest.fixture
def names() -> Callable[[str], Finetune]:
    host = with_finetune(Host())
    return lambda text: find_protocol(host, text)  # type: ignore[return-value]


def test_the_grid_can_be_written_in_a_name(names: Callable[[str], Finetune]) -> None:
    assert parameters(names("finetune")) == parameters(Finetune())
    assert len(Finetune().grid) == 20
    short = names("finetune[steps=500,lrs=0.01|1e-3,wds=0]")
    assert short.steps == 500
    assert short.grid == [(0.01, 0.0), (0.001, 0.0)]
    assert short == Finetune(steps=500, lrs=(0.01, 0.001), wds=0)
    assert parameters(names("finetune[lrs=0.01]")) == parameters(Finetune(lrs=(0.01,)))


@pytest.mark.parametrize(
    "text",
    ["steps=0", "batch=1", "accumulate=0", "accumulate=33", "lrs=0", "lrs=-1", "wds=.nan", "augment=flip", "lrs=x"],
)
def test_impossible_parameters_are_refused(names: Callable[[str], Finetune], text: str) -> None:
    with pytest.raises(HarnessError):
        names(f"finetune[{text}]")


def test_continuous_targets_are_skipped_with_the_reason() -> None:
    card = CARDS[0].model_copy(update={"kind": "continuous"})
    assert Finetune().skip(card) == "fine-tunes a classifier, synthetic is continuous"
    assert [Finetune().skip(card) for card in CARDS] == [None, None]
