"""A bundle's archive: opened so that nothing in it can do harm, read a member at a time."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from harness.archives import CHUNK, DAMAGE
from harness.bundles.manifest import MANIFEST, Manifest, read_manifest, sort_of
from harness.errors import HarnessError, one_line

MEMBERS = 1_100_000
RECORD_BYTES = 1 << 20
PAGE_BYTES = 64 << 20
MANIFEST_BYTES, ENTRY_BYTES = 1 << 20, 200  # of its facts, and of each member's beside the name
TEXT_BYTES = 16 << 30  # of all records together; predictions are stored as they are, so the file's size bounds them
RATIO = 200
"""No member may grow by more; real records grow five to ten times."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)

BROKEN = (*DAMAGE, struct.error, OverflowError, KeyError, IndexError, MemoryError)
Report = Callable[[str], None]


class Archive:
    """An open bundle.

    Attributes:
        sha256: of the file.
        manifest: what it says it holds.
    """

    def __init__(self, path: Path, file: BufferedReader, zipped: zipfile.ZipFile, manifest: Manifest) -> None:
        self.path, self._zip, self.manifest = path, zipped, manifest
        file.seek(0)
        self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def names(self, sort: str) -> list[str]:
        """The members of a sort that the manifest names, in order."""
        return sorted(name for name in self.manifest.members if sort_of(name) == sort)

    def read(self, name: str) -> bytes:
        """A member's content. Raises `HarnessError` unless it is exactly what the manifest says."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content in pieces; raises as `read`, at the end at the latest."""
        wanted, found, size = self.manifest.members[name], hashlib.sha256(), 0
        with _damage(name), self._zip.open(name) as member:
            while chunk := member.read(CHUNK):
                found.update(chunk)
                size += len(chunk)
                yield chunk
        if size != wanted.size or found.hexdigest() != wanted.sha256:
            raise HarnessError(f"{name} is not what the manifest says: it was changed after the bundle was written")


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a bundle.

    Raises `HarnessError` for a file that is no zip or is cut off, for an archive that is unsafe (members that are links
    or folders, absolute, climb out, appear twice, overlap, are encrypted or swell), and for one without a manifest to
    check the members against. Several faults are one error, with their number and the first few.
    """
    try:
        with open(path, "rb") as file, _zip(path, file) as zipped:
            yield Archive(path, file, zipped, _checked(path, zipped, os.fstat(file.fileno()).st_size))
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror or one_line(error)}") from error


def _zip(path: Path, file: BufferedReader) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (*BROKEN, OSError) as error:
        raise HarnessError(f"{path}: not a bundle, or cut off ({one_line(error)}): export or fetch it again") from None


def _checked(path: Path, zipped: zipfile.ZipFile, size: int) -> Manifest:
    faults = list(_unsafe(zipped.infolist(), size))
    if faults:
        more = f" (and {len(faults) - 1:,} more faults)" if len(faults) > 1 else ""
        raise HarnessError(f"{path}: refused: {faults[0]}{more}")
    names = {info.filename for info in zipped.infolist()}
    if MANIFEST not in names:
        raise HarnessError(f"{path}: not a bundle: it holds no {MANIFEST}; 'harness export' writes bundles")
    try:
        with _damage(MANIFEST):
            manifest = read_manifest(zipped.read(MANIFEST))
    except HarnessError as error:
        raise HarnessError(f"{path}: {error}") from error
    held = names - {MANIFEST}
    for name in sorted(held ^ manifest.members.keys()):
        what = "which its manifest does not name" if name in held else "its manifest names"
        raise HarnessError(f"{path}: {'holds' if name in held else 'lacks'} {shown(name)}, {what}")
    return manifest


def _unsafe(infos: list[zipfile.ZipInfo], size: int) -> Iterator[str]:
    """What makes an archive of `size` bytes unsafe to read, one line each."""
    if len(infos) > MEMBERS:
        yield f"{len(infos):,} members, at most {MEMBERS:,} are read"
        return
    twice = [name for name, n in Counter(info.filename for info in infos).items() if n > 1]
    yield from (f"{shown(name)} is there twice" for name in twice)
    alike = Counter(name.lower() for name in {info.filename for info in infos})
    yield from (f"{shown(name)} is there twice but for capitals" for name, n in alike.items() if n > 1)
    for info in infos:
        if fault := _fault(info):
            yield f"{shown(info.filename)} {fault}"
        limit = MANIFEST_BYTES + sum(len(i.filename) + ENTRY_BYTES for i in infos) if info.filename == MANIFEST else 0
        if info.file_size > limit > 0:
            yield f"{MANIFEST} would be {info.file_size:,} bytes, at most {limit:,} are read with so many members"
    if sum(info.compress_size for info in infos) > size:
        yield "its members overlap: together they are longer than the file"
    total = sum(info.file_size for info in infos if sort_of(info.filename) == "record")
    if total > TEXT_BYTES:
        yield f"its records would be {total:,} bytes, at most {TEXT_BYTES:,} are read"


def _fault(info: zipfile.ZipInfo) -> str:
    """Why a member may not be read, or nothing."""
    name, mode = info.filename, info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "is a link"
    if info.is_dir() or stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a folder" if info.is_dir() or stat.S_ISDIR(mode) else "is a device or a pipe"
    if name.startswith(("/", "\\")) or ":" in name or ".." in name.replace("\\", "/").split("/"):
        return "would land outside the folder"
    if any(_DEVICE.match(part) for part in name.split("/")):
        return "has a name that some systems keep for a device"
    if info.flag_bits & 1:
        return "is encrypted"
    sort = sort_of(name)
    if sort is None and name != MANIFEST:
        return "is no name that a bundle has"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that bundles are not"
    if sort == "prediction":
        return "" if info.compress_type == zipfile.ZIP_STORED else "is compressed; predictions are stored as they are"
    limit = RECORD_BYTES if sort == "record" else PAGE_BYTES
    if name != MANIFEST and info.file_size > limit:
        return f"would be {info.file_size:,} bytes, at most {limit:,} are read"
    if info.file_size > RATIO * max(info.compress_size, 1):
        return f"would grow {info.file_size // max(info.compress_size, 1):,} times when unpacked"
    return ""


@contextmanager
def _damage(name: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise HarnessError(f"{shown(name)} is damaged ({one_line(error)}): export or fetch the bundle again") from None


def printable(text: str) -> str:
    """A text from outside without what a terminal would obey, on one line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shown(name: str) -> str:
    """A name from outside as printable text of bearable length."""
    text = ascii(name)[1:-1]
    return text if len(text) <= 120 else f"{text[:80]}… ({len(name):,} characters)"
