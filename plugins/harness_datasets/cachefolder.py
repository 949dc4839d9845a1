"""Where datasets lie: what was fetched, and what can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """HARNESS_CACHE, else ``~/.cache/harness``; it need not exist."""
    return Path(os.environ.get("HARNESS_CACHE") or "~/.cache/harness").expanduser()


def data_folder() -> Path:
    """HARNESS_DATA, else ``datasets`` in the cache folder: a folder for each dataset; it need not exist."""
    given = os.environ.get("HARNESS_DATA")
    return Path(given).expanduser() if given else cache_folder() / "datasets"
