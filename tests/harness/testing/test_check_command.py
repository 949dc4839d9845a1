"""``harness check`` and ``harness new`` at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import HarnessError

WRONG = '''"""A fraction that is said to be percent."""
from harness import hookimpl, metric
from harness.evidence import Predictions

@metric("fraction", accepts=Predictions, unit="%", bounds=(0, 100),
        skip=lambda card: None if card.kind == "single-label" else "for one label an image")
def fraction(p):
    """Said to be percent."""
    return 1.0 * (p.scores.argmax(1) == p.targets)

@hookimpl
def register_metrics(register):
    register(fraction)
'''


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    if isinstance(result.exception, HarnessError):
        raise result.exception
    return result.exit_code, result.stdout


def test_a_name_that_holds() -> None:
    code, printed = invoke("check", "top1")
    assert code == 0
    assert "metric top1" in printed
    assert "✓  survives resampling" in printed
    assert "no check failed" in printed


def test_a_file_with_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    code, printed = invoke("check", str(file))
    assert code == 1
    assert "✗  perfect evidence reaches the best bound" in printed
    assert "perfect evidence scores 1, not the best bound 100%" in printed
    assert "failed checks: 1" in printed
    assert invoke("--plugin", str(file), "check", "fraction", "top1")[0] == 1


def test_what_cannot_be_had_takes_one_row(tmp_path: Path) -> None:
    _, printed = invoke("check", "timm:no_such_architecture")
    assert "✗  found" in printed
    assert "deterministic" not in printed


def test_a_name_that_is_nothing() -> None:
    with pytest.raises(HarnessError, match="did you mean 'top1'"):
        invoke("check", "topp1")


def test_new_says_what_it_wrote_and_what_to_try(tmp_path: Path) -> None:
    code, printed = invoke("new", "metric", "my-metric", "--into", str(tmp_path))
    assert code == 0
    assert (tmp_path / "my-metric" / "pyproject.toml").is_file()
    assert f"wrote {tmp_path / 'my-metric' / 'README.md'}" in printed
    assert "harness check my-metric" in printed
