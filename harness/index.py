"""The index: a disposable SQLite copy of a run's records, so that a million files need not be read for one table.

The files are the truth. The index may be deleted at any time, several processes may use it at once, and where it cannot
be written (a read-only folder) it lives in memory. What many records share, such as a model's card, it holds once.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from harness.errors import HarnessError, one_line
from harness.index_rows import FIELDS, NAMES, Reader, Row, row_of
from harness.outcomes import Indexed
from harness.records import SCHEMA, Record, read_record

LAYOUT = 100 * SCHEMA + 3
"""Of the tables, and the records in them; an index of any other layout is made anew."""

_BATCH = 2000
_PATIENCE = 30.0  # seconds to wait for another process's transaction
_TABLES = (
    f"""CREATE TABLE files (
        path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, error TEXT, {", ".join(FIELDS)}
    ) WITHOUT ROWID""",
    "CREATE TABLE parts (id INTEGER PRIMARY KEY, json BLOB NOT NULL)",
    "CREATE INDEX unreadable ON files (path) WHERE error IS NOT NULL",
)
_INSERT = f"INSERT OR REPLACE INTO files VALUES ({', '.join('?' * (4 + len(FIELDS)))})"
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

Result = TypeVar("Result")
Stamp = tuple[int, int]
Wanted = Callable[[str, str, str], bool]


class Unreadable(NamedTuple):
    """A file among the records that is none, and why: damaged, edited by hand, or of a newer harness."""

    path: str
    reason: str


class Synced(NamedTuple):
    """What `Index.sync` did: files read, rows of vanished files removed, and every file that cannot be read."""

    read: int
    removed: int
    unreadable: tuple[Unreadable, ...]

    def __str__(self) -> str:
        lines = [f"{self.read} files read, {self.removed} vanished, {len(self.unreadable)} unreadable"]
        return "\n".join(lines + [f"  {reason}" for _, reason in self.unreadable])


class Index:
    """The records under `folder` (a run's ``records/``), indexed in ``index.sqlite`` beside it.

    It holds nothing open between calls.

    Attributes:
        unreadable: what the last call found that is no record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = folder.parent / "index.sqlite"
        self.unreadable: tuple[Unreadable, ...] = ()

    def sync(self) -> Synced:
        """Bring the index up to date: read files that are new or changed, forget those that vanished."""
        return self._safely(self._sync)

    def rebuild(self) -> Synced:
        """Read every file again, whatever the index says."""
        return self._safely(self._rebuild)

    def records(self) -> list[Record]:
        """Every readable record, in the order of the paths, after a `sync`."""
        with no_collection():
            return self._safely(lambda db: [outcome.record() for outcome in self._outcomes(db)])

    def outcomes(self, wanted: Wanted | None = None) -> list[Indexed]:
        """`records` as boards read them, in a sixth of the time and a tenth of the memory.

        Args:
            wanted: tells from kind, task and model whether to give a record; by default all.
        """
        return self._safely(lambda db: self._outcomes(db, wanted))

    def _sync(self, db: sqlite3.Connection, again: bool = False) -> Synced:
        with no_collection():
            fresh, gone = self._changes(db, again)
            for start in range(0, len(fresh), _BATCH):
                self._take(db, fresh[start : start + _BATCH])
        if gone:
            with db:
                db.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in gone))
        errors = db.execute("SELECT path, error FROM files WHERE error IS NOT NULL ORDER BY path")
        self.unreadable = tuple(Unreadable(*row) for row in errors)
        return Synced(len(fresh), len(gone), self.unreadable)

    def _changes(self, db: sqlite3.Connection, again: bool) -> tuple[list[tuple[str, Stamp]], list[str]]:
        """Files that are new, changed or could not be read, and the paths of rows whose file is gone."""
        # What is known is asked before the folder is listed: a row that another process adds meanwhile is not removed.
        rows = db.execute("SELECT path, mtime_ns, size, error IS NULL FROM files")
        known = {path: (mtime, size) if good else None for path, mtime, size, good in rows}
        fresh = [file for file in _files(self.folder) if known.pop(_text(file[0]), None) != file[1] or again]
        return sorted(fresh), list(known)

    def _take(self, db: sqlite3.Connection, files: Iterable[tuple[str, Stamp]]) -> None:
        """Read the files and keep their rows."""
        shared: dict[int, bytes] = {}
        rows = [self._row(*file, shared) for file in files]  # before the lock, which is kept short
        with db:
            db.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?)", shared.items())
            db.executemany(_INSERT, rows)

    def _rebuild(self, db: sqlite3.Connection) -> Synced:
        return self._sync(db, again=True)  # in place: another process may be reading the index

    def _outcomes(self, db: sqlite3.Connection, wanted: Wanted | None = None) -> list[Indexed]:
        self._sync(db)
        read = Reader(db)
        rows = db.execute(f"SELECT {NAMES} FROM files WHERE error IS NULL ORDER BY path")
        with no_collection():
            return [read(row) for row in rows if wanted is None or wanted(row[1], row[4], row[2])]

    def _row(self, path: str, stamp: Stamp, shared: dict[int, bytes]) -> Row:
        """The row of a file; parts of its record are added to those `shared`, by id."""
        where = _text(path), *stamp
        try:
            return (*where, None, *row_of(read_record(self.folder / path), shared))
        except HarnessError as error:
            reason = str(error)
        except (PydanticSerializationError, OverflowError) as error:
            reason = f"{self.folder / path}: not a record: {one_line(error)}"
        return (*where, _text(reason), *[None] * len(FIELDS))

    def _safely(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do the work; a damaged index is deleted and made anew, one that cannot be used is replaced by memory."""
        for _ in range(2):
            try:
                with _opened(self.path) as db:
                    return work(db)
            except (sqlite3.DatabaseError, ValidationError) as error:
                if not self._deleted(error):
                    break
        self.path = None
        with _opened(None) as db:
            return work(db)

    def _deleted(self, error: sqlite3.DatabaseError | ValidationError) -> bool:
        """Whether the error told of damage, so that the index is now deleted."""
        if self.path is None or getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _CORRUPT:
            return False
        try:
            for ending in ("", "-wal", "-shm"):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
        except OSError:
            return False
        return True


def _text(name: str) -> str:
    """A name as SQLite can hold it: what is no UTF-8 becomes question marks."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


@contextmanager
def _opened(path: Path | None) -> Iterator[sqlite3.Connection]:
    """The database, with its tables, made if need be; in memory without a path."""
    with closing(sqlite3.connect(path or ":memory:", timeout=_PATIENCE)) as db:
        _share(db)
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
            _lay_out(db)
        yield db


def _share(db: sqlite3.Connection) -> None:
    """Let others read while one writes. Processes that ask this of a new file at once are refused without a wait."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _lay_out(db: sqlite3.Connection) -> None:
    with db:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:  # no other process was first
            for name in ("files", "parts"):
                db.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in _TABLES:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {LAYOUT}")


def _files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """The record files under ``MODEL/TASK/``, as path relative to `folder` and (mtime in ns, size in bytes)."""
    for model in _entries(folder):
        for task in _entries(model.path):
            for file in _entries(task.path):
                if file.name.endswith(".json") and not file.name.startswith("."):
                    try:
                        stat = file.stat()
                    except FileNotFoundError:  # removed since it was listed
                        continue
                    yield f"{model.name}/{task.name}/{file.name}", (stat.st_mtime_ns, stat.st_size)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the garbage collector, which takes nine tenths of the time of making 100,000 records."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
