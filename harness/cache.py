"""The content-addressed array store: ``arrays/KIND/KEY.npy`` with a JSON sidecar that says what it is.

A key is a digest of all that can change the content (`harness.identity`), so an array is never stale: it is there,
whole, or it is not. Arrays are memory-mapped; a file appears under its name only when it is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import OutputError
from harness.records import sweep, write_atomically


class ArrayStore:
    """Arrays by kind (``pixels``, ``embeddings``) and key, and files of other formats beside them (evidence)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, key: str, ending: str = "npy") -> Path:
        return self.root / kind / key[:2] / f"{key}.{ending}"

    def get(self, kind: str, key: str) -> NDArray[Any] | None:
        """The array, memory-mapped read-only; None when it is absent. A truncated file counts as absent."""
        path = self.path(kind, key)
        if not path.is_file():
            return None
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except OSError:
            return None
        except (ValueError, EOFError):
            with contextlib.suppress(OSError):
                path.unlink()
            return None

    def facts(self, kind: str, key: str) -> dict[str, Any]:
        """The sidecar of an array; empty when there is none."""
        try:
            return dict(json.loads(self.path(kind, key, "json").read_text()))
        except (OSError, ValueError):
            return {}

    def create(self, kind: str, key: str, shape: Sequence[int], dtype: Any) -> ArrayWriter:
        """A writer of one array; nothing is visible until its `commit`."""
        return ArrayWriter(self, kind, key, tuple(shape), np.dtype(dtype))

    def publish(
        self, kind: str, key: str, ending: str, write: Callable[[Path], None], facts: Mapping[str, Any]
    ) -> None:
        """A file of another format: `write` fills a temporary path, which then appears under its name."""
        final = self.path(kind, key, ending)
        temporary = final.with_name(f".{key[:16]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            write_atomically(self.path(kind, key, "json"), json.dumps(dict(facts), indent=1).encode())
            os.replace(temporary, final)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {final}: {reason}; free space or choose another --arrays") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def scratch(self, key: str) -> Path:
        """A folder, not made yet, for what a task of this evidence key keeps while it runs."""
        return self.root / "scratch" / key

    def size(self) -> dict[str, int]:
        """Bytes held, by kind."""
        kinds = (folder for folder in self.root.iterdir() if folder.is_dir()) if self.root.is_dir() else ()
        return {k.name: sum(f.stat().st_size for f in k.rglob("*") if f.is_file()) for k in kinds}

    def sweep(self) -> None:
        """Remove what killed writers left behind, once it is a day old."""
        sweep(self.root)


class ArrayWriter:
    """One array under construction: a memory map under a temporary name, filled by index in any order."""

    def __init__(self, store: ArrayStore, kind: str, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.store, self.kind, self.key = store, kind, key
        final = store.path(kind, key)
        self.temporary = final.with_name(f".{key[:16]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with open(self.temporary, "wb") as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                )
                offset, size = file.tell(), int(np.prod(shape)) * dtype.itemsize
                _reserve(file.fileno(), offset + size)  # a full disk shows here, not as a bus error in the map
            self.array: NDArray[Any] = np.memmap(self.temporary, dtype, "r+", offset, shape)
        except OSError as error:
            self.discard()
            reason = error.strerror or error
            raise OutputError(
                f"cannot write {final.parent}: {reason}; free space or choose another --arrays"
            ) from error

    def commit(self, facts: Mapping[str, Any]) -> NDArray[Any]:
        """Make the array visible, its facts first, and return it memory-mapped."""
        assert isinstance(self.array, np.memmap)
        self.array.flush()
        with open(self.temporary, "rb") as file:
            os.fsync(file.fileno())
        sidecar = {**facts, "shape": list(self.array.shape), "dtype": str(self.array.dtype)}
        write_atomically(self.store.path(self.kind, self.key, "json"), json.dumps(sidecar, indent=1).encode())
        os.replace(self.temporary, self.store.path(self.kind, self.key))
        done = self.store.get(self.kind, self.key)
        assert done is not None
        return done

    def discard(self) -> None:
        """Forget the array; safe to call after `commit`."""
        with contextlib.suppress(OSError):
            self.temporary.unlink()


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


def default_arrays(out: Path) -> Path:
    """Where arrays go: HARNESS_ARRAYS, shared by all runs, or the run's own folder."""
    return Path(os.environ.get("HARNESS_ARRAYS") or out / "arrays").expanduser()
