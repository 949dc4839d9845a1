"""Paths of the machine in what is published: cut to their last part."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OPAQUE = frozenset({"draws", "metric"})  # base64 and units, in which a slash is no path
_SCHEME = re.compile(r"\bfile://(?=/)")
_PATH = re.compile(
    r"(?<![\w/.~+%<-])"  # not within a word, a relative path, a URL or a tag
    r"(?:~[\w.-]*/|/(?!/)|\\\\|[A-Za-z]:[\\/](?!/))"  # a home, the root, a Windows share or drive
    r"[^\s'\"<>|?*:;,()\[\]{}]+"
)


class Censor:
    """Cuts every absolute path in a text to its last part: ``ckpt:/home/me/x.pth?arch=a`` to ``ckpt:x.pth?arch=a``.

    Args:
        folders: whose paths, and their parents', are found even where they hold spaces: the run's, the home.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        known = {str(place) for folder in folders for place in (folder, *folder.parents) if len(place.parts) > 1}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(f"{re.escape(p)}(?=/|$|[^\\w.-])" for p in longest_first)) if known else None

    def text(self, text: str) -> str:
        """The text without paths of this machine."""
        if self._known is not None:
            text = self._known.sub(lambda m: "/" + re.sub(r"[^\w.-]", "_", _last(m[0])), text)
        return _PATH.sub(lambda m: _last(m[0]), _SCHEME.sub("file:", text))

    def value(self, value: Any) -> Any:
        """A JSON value, every text in it (the names of fields too) without paths of this machine."""
        if isinstance(value, str):
            return self.text(value) if "/" in value or "\\" in value else value
        if isinstance(value, dict):
            return {self.value(key): each if key in OPAQUE else self.value(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return value


def _last(path: str) -> str:
    """The last part of a path that is not empty."""
    return next((part for part in reversed(re.split(r"[\\/]", path)) if part), "")
