"""The content of files as their identity, hashed once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.errors import OutputError
from harness.identity import digest, file_digest
from harness.records import write_atomically
from harness_datasets.cachefolder import cache_folder


def content_revision(root: Path, paths: Iterable[Path]) -> str:
    """A hash of the names (relative to `root`) and contents of files; 64 hex digits.

    Computed once for files of the same names, sizes and times, and remembered in the cache folder.
    """
    ordered = sorted(paths)
    stats = [(_relative(path, root), *_stamp(path)) for path in ordered]
    memo = cache_folder() / "folders" / digest([str(root.resolve()), stats])
    with suppress(OSError):
        if len(known := memo.read_text()) == 64:
            return known
    revision = digest([(_relative(path, root), _content_digest(path)) for path in ordered])
    with suppress(OutputError):  # a read-only cache folder: the files are hashed again next time
        write_atomically(memo, revision.encode())
    return revision


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file, or zeros for one that is gone (a dangling link): reading it will tell."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _content_digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return "unreadable"
