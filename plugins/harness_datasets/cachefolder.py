"""Where datasets keep what they can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """HARNESS_CACHE, else ``~/.cache/harness``; it need not exist."""
    return Path(os.environ.get("HARNESS_CACHE") or "~/.cache/harness").expanduser()
