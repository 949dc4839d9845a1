"""Files into a folder, in place of a former site's, and of nothing else."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.errors import HarnessError, OutputError

MANIFEST = "site.json"
"""Names the files that a build wrote, so that the next one knows its own."""


def publish(files: Mapping[str, bytes], out: Path) -> None:
    """Write the files below `out`, and remove those of a former build that are no longer among them.

    They are written beside the folder first and moved when all are there. Other people's files in it stay.
    Raises `HarnessError` for a folder that holds other things and no site, `OutputError` where it cannot be written.
    """
    before = former(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name[:40]}-", dir=out.resolve().parent))
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        for path, data in files.items():
            target = scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        _replace(out / MANIFEST, _manifest({*files, *before}))  # should it be stopped half way, all is its own
        for path in files:
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch / path, out / path)
        for path in sorted(before - set(files)):
            _remove(out, path)
        _replace(out / MANIFEST, _manifest(set(files)))
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def former(out: Path) -> set[str]:
    """The files of the site that is there; of a new or empty folder, none. Raises `HarnessError` for any other."""
    if out.exists() and not out.is_dir():
        raise HarnessError(f"{out} is a file: name a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return set()
    try:
        listed = json.loads((out / MANIFEST).read_bytes())["files"]
        return {path for path in listed if isinstance(path, str) and _below(out, path)}
    except (OSError, ValueError, KeyError, TypeError):
        raise HarnessError(f"{out} holds other files and no site: name a new or empty folder") from None


def _below(out: Path, path: str) -> bool:
    """Whether a path of the manifest is one that a build may have written: a file below the folder."""
    try:
        return (out / path).resolve().is_relative_to(out.resolve()) and path != MANIFEST
    except ValueError:  # a null character
        return False


def _manifest(files: set[str]) -> bytes:
    return json.dumps({"format": 1, "files": sorted(files)}, indent=0).encode() + b"\n"


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def _remove(out: Path, path: str) -> None:
    """Remove a file, and its folder once that is empty."""
    with suppress(FileNotFoundError):
        (out / path).unlink()
    with suppress(OSError):
        if (out / path).parent.resolve() != out.resolve():
            (out / path).parent.rmdir()


def _unwritable(out: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {out}: {error.strerror or error}; free space or choose another --out")
