"""The built-in plugins hold what every plugin must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.plugins import Host
from harness.testing.subjects import Subject, plugin_subjects, subjects

PACKAGES = (
    "harness_metrics",
    "harness_tasks",
    "harness_models",
    "harness_datasets",
    "harness_analyses",
    "harness_papers",
)
SLOW = {"scenes"}  # rendered on first use; has tests of its own
FOUND = [s for package in PACKAGES for s in plugin_subjects(package) if not s.name.endswith(":") and s.name not in SLOW]


def faults(subject: Subject) -> list[str]:
    return [str(finding) for finding in subject.findings.values() if finding.status == "failed"]


@pytest.mark.parametrize("subject", FOUND, ids=str)
def test_it_conforms(subject: Subject) -> None:
    assert faults(subject) == []


def test_a_model_by_uri_conforms() -> None:
    (model,) = subjects("timm:test_vit?pretrained=0", Host())
    assert faults(model) == []


def test_the_fixture_takes_them_too(conforms: Callable[[Any], None]) -> None:
    conforms(Host()["metric"].entry("top1").resolve())
