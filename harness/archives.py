"""Archives, unpacked so that nothing lands outside the folder, and all of it or nothing."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Literal, Self

from harness.errors import HarnessError, one_line

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ADVICE = "delete it and fetch it again"
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError, ValueError)
CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """One entry of an archive; `target` is a link's, `open` gives a file's content."""

    name: str
    kind: Literal["file", "folder", "symlink", "hardlink"]
    target: str = ""
    open: Callable[[], IO[bytes] | BufferedIOBase] | None = None


def unpack(archive: Path | str, folder: Path | str) -> Path:
    """Unpack ``.tar`` (gz, bz2, xz), ``.zip``, or the one file of a ``.gz`` into `folder`, beside what it holds.

    Raises `HarnessError` for a damaged or truncated archive, and for one with a member that is absolute, climbs out by
    ``..``, is or lies behind a link that may leave the folder, or is a device. `folder` is then as it was.
    """
    archive, folder = Path(archive), Path(folder).resolve()
    members = _reader(archive)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            root = Path(temporary, "content")
            root.mkdir()
            for member in members(archive):
                _place(root, member)
            _check_merge(root, folder)
            _merge(root, folder)
    except HarnessError as error:
        raise HarnessError(f"{archive}: {error}") from error
    except DAMAGE as error:
        raise HarnessError(f"{archive}: truncated or damaged ({one_line(error)}): {ADVICE}") from error
    except OSError as error:
        advice = "" if error.errno else f": truncated or damaged: {ADVICE}"
        raise HarnessError(f"{archive}: cannot be unpacked: {one_line(error)}{advice}") from error
    return folder


def _reader(archive: Path) -> Callable[[Path], Iterator[Member]]:
    name = archive.name.lower()
    if name.endswith(TARS):
        return _tar
    if name.endswith(".zip"):
        return _zip
    if name.endswith(".gz"):
        return _gz
    raise HarnessError(f"{archive}: not an archive: expected {', '.join(TARS)}, .zip or .gz")


class _Header(tarfile.TarInfo):
    """A header of a tar; tarfile itself takes a damaged or missing one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _tar(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, tarinfo=_Header) as tar:
        for info in tar:
            if info.isfile():
                yield Member(info.name, "file", open=partial(_content, tar, info))
            elif info.isdir():
                yield Member(info.name, "folder")
            elif info.issym() or info.islnk():
                yield Member(info.name, "symlink" if info.issym() else "hardlink", info.linkname)
            else:
                raise HarnessError(f"its member {info.name!r} is a device or a pipe: refused")
        while tar.fileobj is not None and tar.fileobj.read(CHUNK):
            pass  # to the checksum at the end of a compressed stream


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    assert content is not None
    return content


def _zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                yield Member(info.filename, "symlink", file.read(info).decode())
            elif info.is_dir():
                yield Member(info.filename, "folder")
            elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                yield Member(info.filename, "file", open=partial(file.open, info))
            else:
                raise HarnessError(f"its member {info.filename!r} is a device or a pipe: refused")


def _gz(archive: Path) -> Iterator[Member]:
    if not archive.stat().st_size:  # which gzip takes for an archive of nothing
        raise EOFError("empty")
    yield Member(archive.name[:-3], "file", open=partial(gzip.GzipFile, archive))


def _place(root: Path, member: Member) -> None:
    """Make a member under `root`; of two of one name the later stays."""
    name = _inside(member.name)
    parent = root
    for part in name.parts[:-1]:
        parent = parent / part
        if parent.is_symlink():
            raise HarnessError(f"its member {member.name!r} lies behind a link: refused")
        parent.mkdir(exist_ok=True)
    path = root / name
    if member.kind == "folder":
        if path.is_symlink():
            raise HarnessError(f"its member {member.name!r} lies behind a link: refused")
        path.mkdir(exist_ok=True)
        return
    source = root / _inside(member.target) if member.kind == "hardlink" else None
    if path.is_symlink() or (path.is_file() and path != source):
        path.unlink()
    if member.kind == "symlink":
        _check_target(name, member)
        path.symlink_to(member.target)
    elif source is not None:
        _link(root, source, path, member)
    elif member.open is not None:
        with member.open() as content, path.open("xb") as out:
            shutil.copyfileobj(content, out, CHUNK)


def _inside(name: str) -> PurePosixPath:
    """A member's name below the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise HarnessError(f"its member {name!r} would land outside the folder: refused")
    return path


def _check_target(name: PurePosixPath, member: Member) -> None:
    """A link may climb only to begin with, and no higher than the folder.

    Since no member lies behind a link, its parents are real folders; so wherever else it passes through links, each of
    these stays inside too.
    """
    target = PurePosixPath(member.target)
    climbs = next((i for i, part in enumerate(target.parts) if part != ".."), len(target.parts))
    if target.is_absolute() or climbs >= len(name.parts) or ".." in target.parts[climbs:]:
        raise HarnessError(f"its link {member.name!r} to {member.target!r} may leave the folder: refused")


def _link(root: Path, source: Path, path: Path, member: Member) -> None:
    behind = [p for p in (source, *source.parents) if p.is_relative_to(root) and p != root and p.is_symlink()]
    if behind or not source.is_file():
        raise HarnessError(f"its link {member.name!r} to {member.target!r} is to no file of the archive: refused")
    if path != source:
        os.link(source, path)


def _check_merge(new: Path, folder: Path) -> None:
    """Raise `HarnessError` where a file and a folder, or a link and a folder, would have one name."""
    if not folder.is_dir():
        return
    for path in new.iterdir():
        there = folder / path.name
        real = [p.is_dir() and not p.is_symlink() for p in (path, there)]
        if all(real):
            _check_merge(path, there)
        elif any(real) and os.path.lexists(there):
            raise HarnessError(f"{there} is in the way: remove it")


def _merge(new: Path, folder: Path) -> None:
    """Move everything below `new` to `folder`, whole folders at once where there is none of the name."""
    if not folder.exists():
        try:
            os.rename(new, folder)
            return
        except OSError:  # another process made it meanwhile
            if not folder.is_dir():
                raise
            _check_merge(new, folder)
    for path in new.iterdir():
        there = folder / path.name
        if path.is_dir() and not path.is_symlink():
            _merge(path, there)
        else:
            os.replace(path, there)
