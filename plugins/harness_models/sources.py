"""Where checkpoint files lie on this machine. Nothing is downloaded here, and nothing imports torch."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.errors import HarnessError


def checkpoint_folder() -> Path:
    """Where fetched checkpoints lie: HARNESS_CHECKPOINTS, else ``checkpoints`` in HARNESS_CACHE or its default."""
    cache = os.environ.get("HARNESS_CACHE") or "~/.cache/harness"
    return Path(os.environ.get("HARNESS_CHECKPOINTS") or f"{cache}/checkpoints").expanduser()


def is_url(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def locate(source: str) -> Path:
    """The file a path, or the basename of a URL, stands for; a URL's need not exist yet.

    Raises `HarnessError` for a path without a file.
    """
    if is_url(source):
        return checkpoint_folder() / unquote(Path(urlsplit(source).path).name)
    path = Path(source).expanduser()
    if not path.is_file():
        raise HarnessError(f"no checkpoint file {path}")
    return path


def fetched(source: str) -> Path:
    """`locate`, for reading. Raises `HarnessError` that says where the file of an unfetched URL must go."""
    path = locate(source)
    if not path.is_file():
        raise HarnessError(
            f"checkpoint {source} is not on this machine: fetch it to {path} (HARNESS_CHECKPOINTS names another folder)"
        )
    return path
