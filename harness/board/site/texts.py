"""Texts and numbers as the site's files hold them: compact, plain, and unable to break the page they stand on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness.bundles.private import Censor

LONGEST = 2000
"""Characters of a fact or note; names are never cut."""


def script(function: str, *arguments: Any) -> bytes:
    """``function(arguments);`` as JavaScript. The JSON is ASCII, and holds no character that HTML gives a meaning."""
    text = ",".join(json.dumps(value, separators=(",", ":"), allow_nan=False) for value in arguments)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f"{function}({text});\n".encode()


def rounded(value: float | None, digits: int = 5) -> float | None:
    """To so many significant digits, whole numbers as such; None where it is none, or not finite."""
    if value is None or not math.isfinite(value):
        return None
    if isinstance(value, int):
        return value
    found = float(f"{value:.{digits}g}")
    return int(found) if found.is_integer() and abs(found) < 1e15 else found


def plain(text: Any, most: int = LONGEST) -> str:
    """A text that can be encoded, and is not too long to be read."""
    found = str(text).encode("utf-8", "replace").decode()
    return found if len(found) <= most else f"{found[:most]}…"


def public(text: Any, most: int = LONGEST) -> str:
    """A plain text of a record, its paths of whatever machine cut to their last part."""
    found = str(text)
    return plain(_censor().text(found) if "/" in found or "\\" in found else found, most)


@cache
def _censor() -> Censor:
    return Censor([Path(os.path.expanduser("~")), Path.cwd()])


def name(text: str) -> str:
    """A name, whole."""
    return plain(text, len(text))


def flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Nested facts as one level of terms, ``preprocess size``; empty ones are left out, and paths cut."""
    return dict(_flat(facts, prefix))


def _flat(facts: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | int | float | bool]]:
    for key, value in facts.items():
        term = plain(f"{prefix} {key}".strip().replace("_", " "), 80)
        if isinstance(value, Mapping):
            yield from _flat(value, term)
        elif isinstance(value, list | tuple | set):
            if value:
                yield term, public(", ".join(map(_said, value)))
        elif isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            yield term, value
        elif value not in (None, ""):
            yield term, public(value)


def _said(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)


def filled(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that tell something."""
    return {key: value for key, value in facts.items() if value not in (None, "", False) and value != {}}


def paragraphs(doc: str | None) -> list[str]:
    """A docstring's paragraphs, each on one line; its sections of arguments and the like are left out."""
    found = [" ".join(part.split()) for part in (doc or "").split("\n\n")]
    return [plain(part) for part in found if part and not part.startswith(SECTIONS)]


SECTIONS = ("Attributes:", "Args:", "Returns:", "Raises:")


def several(count: int, noun: str, plural: str = "") -> str:
    """``1 model``, ``3 models``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def few(names: Iterable[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    return ", ".join(found[:most]) + f" and {len(found) - most:,} more" * (len(found) > most)
