"""The index: a disposable SQLite copy of a run's records, so that 100,000 files need not be read for one table.

The files are the truth. The index may be deleted at any time, several processes may use it at once, and where it cannot
be written (a read-only folder) it lives in memory.
"""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.records import SCHEMA, Record, read_record

LAYOUT = 100 * SCHEMA + 1
"""Of the table below and the records in it; an index of any other layout is made anew."""

_BATCH = 2000
_PATIENCE = 30.0  # seconds to wait for another process's transaction
_TABLE = """CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, error TEXT,
    status TEXT, model TEXT, partner TEXT, task TEXT, metric TEXT, seed INTEGER, key TEXT, finished REAL, record TEXT
) WITHOUT ROWID"""
_INSERT = f"INSERT OR REPLACE INTO files VALUES ({', '.join('?' * 13)})"
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

Result = TypeVar("Result")
Stamp = tuple[int, int]
Row = tuple[str | int | float | None, ...]


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
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = folder.parent / "index.sqlite"

    def sync(self) -> Synced:
        """Bring the index up to date: read files that are new or changed, forget those that vanished."""
        return self._safely(self._sync)

    def rebuild(self) -> Synced:
        """Read every file again, whatever the index says."""
        return self._safely(self._rebuild)

    def records(self) -> list[Record]:
        """Every readable record, in the order of the paths, after a `sync`."""
        return self._safely(self._records)

    def _sync(self, db: sqlite3.Connection, again: bool = False) -> Synced:
        # What is known is asked before the folder is listed: a row that another process adds meanwhile is not removed.
        known = {path: (mtime, size) for path, mtime, size in db.execute("SELECT path, mtime_ns, size FROM files")}
        broken = {path for (path,) in db.execute("SELECT path FROM files WHERE error IS NOT NULL")}
        found = dict(_files(self.folder))
        fresh = [(path, stamp) for path, stamp in found.items() if again or known.get(path) != stamp or path in broken]
        for start in range(0, len(fresh), _BATCH):
            rows = [self._row(*file) for file in fresh[start : start + _BATCH]]  # before the lock, which is kept short
            with db:
                db.executemany(_INSERT, rows)
        if gone := [(path,) for path in known.keys() - found.keys()]:
            with db:
                db.executemany("DELETE FROM files WHERE path = ?", gone)
        errors = db.execute("SELECT path, error FROM files WHERE error IS NOT NULL ORDER BY path")
        return Synced(len(fresh), len(gone), tuple(Unreadable(*row) for row in errors))

    def _rebuild(self, db: sqlite3.Connection) -> Synced:
        return self._sync(db, again=True)  # in place: another process may be reading the index

    def _records(self, db: sqlite3.Connection) -> list[Record]:
        self._sync(db)
        texts = db.execute("SELECT record FROM files WHERE error IS NULL ORDER BY path")
        with no_collection():
            return [Record.model_validate_json(text) for (text,) in texts]

    def _row(self, path: str, stamp: Stamp) -> Row:
        try:
            r = read_record(self.folder / path)
        except HarnessError as error:
            return (path, *stamp, str(error), *[None] * 9)
        found = (r.status, r.model, r.partner, r.task, r.metric["name"], r.seed, r.key, r.finished, r.model_dump_json())
        return (path, *stamp, None, *found)

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


@contextmanager
def _opened(path: Path | None) -> Iterator[sqlite3.Connection]:
    """The database, with its table, made if need be; in memory without a path."""
    with closing(sqlite3.connect(path or ":memory:", timeout=_PATIENCE)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
            _lay_out(db)
        yield db


def _lay_out(db: sqlite3.Connection) -> None:
    with db:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:  # no other process was first
            db.execute("DROP TABLE IF EXISTS files")
            db.execute(_TABLE)
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
