"""Records of measured scores."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records import Record, ScoreData


@pytest.fixture
def make() -> Callable[..., Record]:
    """Makes a measured top-1: ``make("mine", "linear@cifar10", 90.0)``."""

    def measured(model: str, task: str, value: float) -> Record:
        metric = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
        scores = (ScoreData(value=value, low=value - 1, high=value + 1, n=10000),)
        return Record(status="done", model=model, task=task, metric=metric, scores=scores, primary=True, key=model)

    return measured
