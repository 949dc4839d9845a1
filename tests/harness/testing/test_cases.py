"""The three-line test file of a plugin, run by pytest itself."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

PLUGIN = '''"""Two metrics, one of them wrong."""
from harness import hookimpl, metric
from harness.evidence import Predictions

def refuse(card):
    return None if card.kind == "single-label" else "for one label an image"

@metric("right", accepts=Predictions, unit="%", bounds=(0, 100), skip=refuse)
def right(p):
    """Percent right."""
    return 100.0 * (p.scores.argmax(1) == p.targets)

@metric("fraction", accepts=Predictions, unit="%", bounds=(0, 100), skip=refuse)
def fraction(p):
    """Said to be percent."""
    return 1.0 * (p.scores.argmax(1) == p.targets)

@metric("unbounded", accepts=Predictions, skip=lambda card: "never")
def unbounded(p):
    """Refuses everything."""
    return p.scores.sum(1)

@hookimpl
def register_metrics(register):
    for each in (right, fraction, unbounded):
        register(each)
'''


def test_conformance_is_one_case_a_check(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(two_metrics=PLUGIN)
    pytester.makepyfile(
        test_mine='from harness.testing import conformance\n\ntest_conformance = conformance("two_metrics")\n'
    )
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess("-v", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=34, skipped=8, failed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*metric:right-perfect evidence reaches the best bound*PASSED*",
            "*metric fraction: perfect evidence reaches the best bound: failed: perfect evidence scores 1, not*100%*",
        ]
    )


def test_the_plugin_loads_no_torch(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\n\ndef test_light():\n    assert 'torch' not in sys.modules\n")
    assert pytester.runpytest_subprocess("-p", "no:cacheprovider").ret == 0
