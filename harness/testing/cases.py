"""The kit as pytest cases."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from harness.testing.subjects import Subject, plugin_subjects


def conformance(package: str, *names: str) -> Callable[[Subject, str], None]:
    """A test with one case a check, for a plugin and everything it registers (`names`: see `plugin_subjects`).

    A plugin's whole test file::

        from harness.testing import conformance

        test_conformance = conformance("my_package")
    """
    cases = [
        pytest.param(subject, check, id=f"{subject.kind}:{subject.name}-{check}")
        for subject in plugin_subjects(package, *names)
        for check in subject.checks
    ]

    @pytest.mark.parametrize(("subject", "check"), cases)
    def test_conformance(subject: Subject, check: str) -> None:
        settle(subject, check)

    return test_conformance


def settle(subject: Subject, check: str) -> None:
    """Fail, skip, warn or pass, as the finding says."""
    __tracebackhide__ = True
    finding = subject.findings[check]
    if finding.status == "failed":
        pytest.fail(f"{subject}: {finding}", pytrace=False)
    if finding.status == "skipped":
        pytest.skip(finding.message)
    if finding.status == "warned":
        warnings.warn(f"{subject}: {finding}", stacklevel=2)
