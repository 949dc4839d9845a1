"""The one exception the user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class HarnessError(Exception):
    """Something the user can mend. The message is one line: what is wrong, where, and what to do."""


class PlanError(HarnessError):
    """A suite that cannot be planned: unknown names, impossible parameters."""


class UndefinedError(HarnessError):
    """A metric has no value on this evidence, which is nobody's fault: the cell is skipped, with the reason."""


class OutputError(HarnessError):
    """The run folder cannot be written: nothing more can be kept, so the run stops."""


class CorruptImageError(HarnessError):
    """An image that is missing or cannot be decoded."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"image {name}: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[CorruptImageError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


def one_line(error: BaseException) -> str:
    """The error as one line, with its type where the message alone would not say what happened."""
    try:
        text = " ".join(str(error).split()).encode("utf-8", "replace").decode()
    except Exception:  # a plugin's own error type may fail to print itself
        text = "(its message cannot be printed)"
    if isinstance(error, HarnessError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Whatever plugin code raises within becomes a `HarnessError` that names it."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:  # that is the point
        raise HarnessError(f"{what}: {one_line(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first of pydantic's errors as ``field: message``, without the field where it is the whole."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {message}" if (message := first["msg"].removeprefix("Value error, ")) and where else message


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the closest known name, or an empty string."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
