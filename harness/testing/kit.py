"""How a conformance check is written, ordered, run and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from harness.errors import one_line

Status = Literal["passed", "warned", "skipped", "failed"]
S = TypeVar("S")


class Fault(AssertionError):  # noqa: N818 - its name is what it is
    """The plugin breaks a rule. The message says which, how it shows, and what to do."""


class Doubt(Exception):  # noqa: N818
    """Allowed, but probably not meant."""


class NotApplicable(Exception):  # noqa: N818
    """The rule says nothing about this plugin; the message says why."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    check: str
    status: Status
    message: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.status}" + (f": {self.message}" if self.message else "")


@dataclass(frozen=True)
class Check(Generic[S]):
    """A named rule. It raises `Fault`, `Doubt` or `NotApplicable`; `after` names the checks it builds on."""

    name: str
    run: Callable[[S], None]
    after: tuple[str, ...]


class Kit(Generic[S]):
    """The checks of one kind of plugin, in order."""

    def __init__(self) -> None:
        self.checks: list[Check[S]] = []

    def check(self, name: str, *after: str) -> Callable[[Callable[[S], None]], Callable[[S], None]]:
        """Add the decorated function as a check."""

        def add(function: Callable[[S], None]) -> Callable[[S], None]:
            self.checks.append(Check(name, function, after))
            return function

        return add

    @property
    def names(self) -> list[str]:
        return [check.name for check in self.checks]

    def run(self, subject: S) -> list[Finding]:
        """Run every check. One whose ground is gone is skipped, so that a single fault gives a single failure."""
        found: dict[str, Finding] = {}
        for check in self.checks:
            ground = next((name for name in check.after if found[name].status in ("failed", "skipped")), None)
            if ground is None:
                found[check.name] = _run(check, subject)
            else:
                found[check.name] = Finding(check.name, "skipped", f"needs {ground!r}, which {_was(found[ground])}")
        return list(found.values())


def _run(check: Check[S], subject: S) -> Finding:
    try:
        check.run(subject)
    except Doubt as doubt:
        return Finding(check.name, "warned", str(doubt))
    except NotApplicable as reason:
        return Finding(check.name, "skipped", str(reason))
    except Fault as fault:
        return Finding(check.name, "failed", str(fault))
    except Exception as error:  # a plugin may raise anything: that is a finding too
        return Finding(check.name, "failed", one_line(error))
    return Finding(check.name, "passed")


def _was(finding: Finding) -> str:
    return "failed" if finding.status == "failed" else "was skipped"


def require_doc(what: str, text: str | None) -> None:
    """Raises `Fault` for an absent docstring, or the one that `dataclass` writes."""
    if not (text or "").strip():
        raise Fault(f"{what} has no documentation: give it a docstring, or register it with summary='...'")


def own_doc(target: object) -> str:
    """An object's docstring, unless `dataclass` generated it."""
    text = (getattr(target, "__doc__", None) or "").strip()
    name = getattr(target, "__name__", type(target).__name__)
    return "" if text.startswith(f"{name}(") else text
