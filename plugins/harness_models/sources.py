"""Where checkpoint files lie on this machine, and how `harness models fetch` gets them there. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from harness.errors import HarnessError, naming
from harness.fetch import ByHandError, Progress, fetch, require_network


def checkpoint_folder() -> Path:
    """Where fetched checkpoints lie: HARNESS_CHECKPOINTS, else ``checkpoints`` in HARNESS_CACHE or its default."""
    cache = os.environ.get("HARNESS_CACHE") or "~/.cache/harness"
    return Path(os.environ.get("HARNESS_CHECKPOINTS") or f"{cache}/checkpoints").expanduser()


def is_url(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def in_folder(name: str) -> Path:
    """The file of that name in the checkpoint folder. Raises `HarnessError` for what would lie elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise HarnessError(f"{name!r} is no name of a checkpoint file: it must be one name, without folders")
    return checkpoint_folder() / name


def basename(source: str) -> str:
    """The last part of a path, or of a URL's path, without its escapes."""
    return PurePosixPath(unquote(urlsplit(source).path) if is_url(source) else source).name


def locate(source: str) -> Path:
    """The file a path, or the basename of a URL, stands for; a URL's need not exist yet.

    Raises `HarnessError` for a path without a file, and a URL without a basename.
    """
    if is_url(source):
        return in_folder(basename(source))
    path = Path(source).expanduser()
    if not path.is_file():
        raise HarnessError(f"no checkpoint file {path}")
    return path


def fetched(source: str) -> Path:
    """`locate`, for reading. Raises `HarnessError` that says where the file of an unfetched URL must go."""
    path = locate(source)
    if not path.is_file():
        raise HarnessError(
            f"checkpoint {source} is not on this machine: fetch it to {path}, as 'harness models fetch' does "
            "(HARNESS_CHECKPOINTS names another folder)"
        )
    return path


def fetcher(source: str, path: Path, digest: str = "", obtain: str = "") -> Callable[[Progress], Path] | None:
    """What gets a checkpoint to `path`; None for a source that is a file, which is never fetched.

    Args:
        obtain: how the user gets a file that no URL gives as it is: fetching says so.
    """
    if obtain or is_url(source):
        return partial(_fetch, source, path, digest, obtain)
    return None


def _fetch(source: str, path: Path, digest: str, obtain: str, progress: Progress) -> Path:
    if obtain and not path.is_file():
        raise ByHandError(f"cannot be fetched to {path} by itself: {obtain}")
    return path if obtain else fetch(source, path, digest, progress=progress)


def from_hugging_face(
    repository: str, patterns: Sequence[str], instead: Path, progress: Progress, revision: str | None = None
) -> Path:
    """The folder, in the cache of Hugging Face's own library, with the files of a repository that fit the patterns.

    Raises `HarnessError` when they cannot be had, saying where they may be put `instead`.
    """
    require_network(f"{repository} of the Hugging Face hub", instead)
    from huggingface_hub import snapshot_download

    with naming(f"cannot fetch {repository} from the Hugging Face hub (or put it at {instead})"):
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    progress(size, size)
    return folder
