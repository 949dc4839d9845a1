from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.records import Record, ScoreData

Make = Callable[..., Record]


@pytest.fixture
def make() -> Make:
    """A function that makes records: ``make("m", "linear@digits", 90.0, metric="ece", better="lower", …)``."""

    def record(
        model: str, task: str, value: float | None = None, *, metric: str = "top1", half: float = 1.0, unit: str = "%",
        better: str | None = "higher", version: int = 1, variants: dict[str, float] | None = None, **fields: Any,
    ) -> Record:  # fmt: skip
        values = variants or ({} if value is None else {"": value})
        scores = tuple(
            ScoreData(
                value=v,
                low=None if half is None else v - half,
                high=None if half is None else v + half,
                n=360,
                variant=k,
            )
            for k, v in values.items()
        )
        described = {
            "name": metric,
            "version": version,
            "unit": unit,
            "bounds": [0, 100],
            "higher_is_better": None if better is None else better == "higher",
        }
        given = {"status": "done" if scores else "failed", "key": f"{model}{task}{metric}", "primary": metric == "top1"}
        return Record(model=model, task=task, metric=described, scores=scores, **(given | {"finished": 1e9} | fields))

    return record
