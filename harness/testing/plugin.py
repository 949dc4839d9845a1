"""The pytest plugin: the fixture `conforms`. Every pytest run loads it, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def conforms() -> Callable[[Any], None]:
    """Check one model, dataset, task, metric or analysis: ``conforms(my_metric)`` fails with all its faults."""
    from harness.testing.subjects import subject_of

    def check(thing: Any) -> None:
        __tracebackhide__ = True
        failed = [finding for finding in subject_of(thing).findings.values() if finding.status == "failed"]
        if failed:
            pytest.fail("\n".join(map(str, failed)), pytrace=False)

    return check
