"""The conformance kit: what any plugin must hold, checked one small thing at a time.

A plugin's own test file is three lines (`conformance`); ``harness check`` prints the same findings as a table.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.testing.analyses import check_analysis
    from harness.testing.cases import conformance
    from harness.testing.datasets import check_dataset
    from harness.testing.kit import Finding
    from harness.testing.metrics import check_metric
    from harness.testing.models import check_model
    from harness.testing.subjects import check_plugin
    from harness.testing.tasks import check_task

_HOME = {
    "Finding": "kit", "check_analysis": "analyses", "check_dataset": "datasets", "check_metric": "metrics",
    "check_model": "models", "check_plugin": "subjects", "check_task": "tasks", "conformance": "cases",
}  # fmt: skip
__all__ = [
    "Finding", "check_analysis", "check_dataset", "check_metric", "check_model", "check_plugin", "check_task",
    "conformance",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The public names, imported on first use: pytest loads this package in every run."""
    if name not in _HOME:
        raise AttributeError(f"module 'harness.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"harness.testing.{_HOME[name]}"), name)
