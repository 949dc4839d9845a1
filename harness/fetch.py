"""Downloads: resumed, checked, and there under their name only when complete. Archives: `harness.archives`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, build_opener

from harness.archives import unpack
from harness.errors import HarnessError, one_line

__all__ = ["ByHandError", "Progress", "Wanted", "fetch", "require_network", "unpack"]

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there and, where known, the total; never called for what was there already."""

CHUNK = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
RESUMABLE = (OSError, HTTPException)  # HTTPError, URLError and TimeoutError are OSErrors


class ByHandError(HarnessError):
    """What no program can fetch: the message says how the user gets it, and where to put it."""


def fetch(
    url: str, path: Path | str, digest: str = "", size: int | None = None, progress: Progress | None = None
) -> Path:
    """The file of a URL (http, https, file) at `path`; downloaded unless it is there and as declared.

    What a broken download leaves (``NAME.part``) is resumed; of several processes one downloads and the others wait.

    Args:
        digest: ``sha256:HEX``, ``md5:HEX`` or the hex digits of a SHA-256, of which the first 8 or more will do.
        size: in bytes.
        progress: called with the bytes so far and their total.

    Raises `HarnessError` when the file cannot be had or is not as declared; nothing is then left at `path`, and a file
    that was there stays as it was.
    """
    path, wanted = Path(path), Wanted.read(digest, size)
    if wanted.fault(path) is None:
        return path
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise HarnessError(f"cannot fetch {url}: only http, https and file URLs")
    if urlsplit(url).scheme != "file":
        require_network(url, path)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(part) as file:
            if wanted.fault(path) is None:  # another process was faster
                part.unlink()
            else:
                _complete(_Transfer(url, part, file, wanted, progress), path)
    except RESUMABLE as error:
        raise HarnessError(f"cannot fetch {url}: {_reason(error)}: {_advice(error, path)}") from error
    return path


def require_network(what: str, path: Path) -> None:
    """Raise `HarnessError` when HARNESS_OFFLINE forbids to fetch `what`, saying where it must go instead."""
    if os.environ.get("HARNESS_OFFLINE", "0") not in ("", "0"):
        raise HarnessError(f"HARNESS_OFFLINE is set: fetch {what} elsewhere and put it at {path}")


@dataclass(frozen=True)
class Wanted:
    """What a file must be; `hexdigest` is a digest or the beginning of one, empty when none is declared."""

    kind: str
    hexdigest: str
    size: int | None

    @classmethod
    def read(cls, digest: str, size: int | None = None) -> Wanted:
        """Raises `HarnessError` for what is no digest."""
        match = re.fullmatch(r"(?:sha256:)?([0-9a-f]{8,64})|md5:([0-9a-f]{32})", digest.strip().lower())
        if digest and not match:
            raise HarnessError(f"no digest: {digest!r}: expected sha256:HEX (at least 8 digits), md5:HEX or HEX")
        kind = "md5" if match and match[2] else "sha256"
        return cls(kind, (match[1] or match[2]) if match else "", size)

    def fault(self, path: Path) -> str | None:
        """What is wrong with a file, or None."""
        if not path.is_file():
            return "is not there"
        if self.size is not None and (found := path.stat().st_size) != self.size:
            return f"has {found:,} bytes, not {self.size:,} as declared"
        if not self.hexdigest:
            return None
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, self.kind).hexdigest()
        if digest.startswith(self.hexdigest):
            return None
        return f"has the {self.kind} digest {digest}, not {self.hexdigest} as declared"


@contextmanager
def _claimed(part: Path) -> Iterator[IO[bytes]]:
    """The unfinished file, open to append and locked; the lock dies with its process."""
    while True:
        with part.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is(part, file):  # whoever had it finished and renamed it: take a new one
                continue
            try:
                yield file
            finally:
                if _is(part, file) and not os.fstat(file.fileno()).st_size:
                    part.unlink()
            return


def _is(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _complete(transfer: _Transfer, path: Path) -> None:
    """Download, check and rename; what was resumed and turns out wrong is downloaded once more, from the beginning."""
    resumed = transfer.start > 0
    transfer.run()
    fault = transfer.wanted.fault(transfer.part)
    if fault and resumed:
        transfer.empty()
        transfer.run()
        fault = transfer.wanted.fault(transfer.part)
    transfer.tag.unlink(missing_ok=True)
    if fault:
        transfer.part.unlink()
        raise HarnessError(f"{transfer.url} {fault}: it changed, or was damaged on the way; nothing of it is kept")
    os.fsync(transfer.file.fileno())
    os.replace(transfer.part, path)


@dataclass(frozen=True)
class _Transfer:
    """One file on its way into `part`. `tag` names the version that the bytes so far are of."""

    url: str
    part: Path
    file: IO[bytes]
    wanted: Wanted
    progress: Progress | None

    @property
    def start(self) -> int:
        return self.file.seek(0, os.SEEK_END)

    @property
    def tag(self) -> Path:
        return self.part.with_name(f"{self.part.name}.tag")

    def empty(self) -> None:
        self.file.truncate(0)

    def run(self) -> None:
        """Until all is there. A cut connection is taken up again as long as each try gets further."""
        if not self.wanted.hexdigest and not self.tag.is_file():
            self.empty()  # nothing would tell whether the rest belongs to the same file
        while True:
            start = self.start
            try:
                return self._try(start)
            except RESUMABLE:
                if self.start <= start:
                    raise
            finally:
                self.file.flush()

    def _try(self, start: int) -> None:
        headers = {"User-Agent": "ssl-harness", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self.tag.is_file():
                headers["If-Range"] = self.tag.read_text()
        try:
            response = build_opener().open(Request(_direct(self.url), headers=headers), timeout=TIMEOUT)
        except HTTPError as error:
            with error:
                if error.code != 416 or not start:
                    raise
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return None  # all is there already
            return self._again()
        with response:
            partial = response.status == 206
            if partial and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                if not start:
                    raise HTTPException("the server sends a part that was not asked for")
                return self._again()
            self._receive(response, start if partial else 0)

    def _again(self) -> None:
        self.empty()
        self._try(0)

    def _receive(self, response: Any, start: int) -> None:
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        if None not in (total, self.wanted.size) and total != self.wanted.size:
            raise HarnessError(f"{self.url} has {total:,} bytes, not {self.wanted.size:,} as declared")
        if response.headers.get_content_type() == "text/html" and not self.wanted.hexdigest:
            raise HarnessError(f"{self.url} answers with a web page, not a file: fetch it in a browser to "
                               f"{self.part.with_suffix('')}")  # fmt: skip
        if not start:
            self.empty()
            self._remember(response)
        for chunk in iter(lambda: response.read1(CHUNK), b""):
            self.file.write(chunk)
            start += len(chunk)
            if self.progress is not None:
                self.progress(start, total or self.wanted.size)
        if total is not None and start != total:
            raise ConnectionError(f"the connection broke after {start:,} of {total:,} bytes")

    def _remember(self, response: Any) -> None:
        """Keep what tells this version of the file from another, for ``If-Range``."""
        tag = response.headers.get("ETag", "")
        strong = tag if not tag.startswith("W/") else ""
        if version := strong or response.headers.get("Last-Modified", ""):
            self.tag.write_text(version)
        else:
            self.tag.unlink(missing_ok=True)


def _direct(url: str) -> str:
    """The URL in ASCII; Dropbox gives a file only to those who ask for it."""
    if urlsplit(url).hostname in ("www.dropbox.com", "dropbox.com") and "dl=1" not in url:
        url = url.replace("dl=0", "dl=1") if "dl=0" in url else f"{url}{'&' if '?' in url else '?'}dl=1"
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, URLError):
        return error.reason if isinstance(error.reason, str) else one_line(error.reason)
    return one_line(error)


def _advice(error: Exception, path: Path) -> str:
    if isinstance(error, HTTPError):
        return f"fetch it elsewhere and put it at {path}"
    if isinstance(error, OSError) and error.filename is not None:
        return "mend that first"
    return f"try again (what has arrived is kept), or, offline, fetch it elsewhere and put it at {path}"
