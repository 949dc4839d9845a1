"""The array store: an array is there whole, or it is not there."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cache import ArrayStore, default_arrays
from harness.errors import OutputError

KEY = "ab" + "0" * 62


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path / "arrays")


def put(store: ArrayStore, key: str = KEY, n: int = 6) -> np.ndarray[Any, Any]:
    values = np.arange(n * 4, dtype=np.float32).reshape(n, 4)
    writer = store.create("embeddings", key, values.shape, np.float32)
    writer.array[::-1] = values[::-1]
    writer.commit({"model": "m"})
    return values


def leftovers(store: ArrayStore) -> list[Path]:
    return list(store.root.rglob("*.tmp"))


def test_an_array_is_memory_mapped_and_read_only(store: ArrayStore) -> None:
    assert store.get("embeddings", KEY) is None
    values = put(store)
    found = store.get("embeddings", KEY)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, values)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0
    assert store.facts("embeddings", KEY) == {"model": "m", "shape": [6, 4], "dtype": "float32"}
    assert leftovers(store) == []
    np.testing.assert_array_equal(np.load(store.path("embeddings", KEY)), values)


@pytest.mark.parametrize(("shape", "dtype"), [((3, 2), np.float16), ((2, 3, 4, 4), np.uint8), ((0, 4), np.float32)])
def test_any_shape_and_type(store: ArrayStore, shape: tuple[int, ...], dtype: Any) -> None:
    found = store.create("pixels", KEY, shape, dtype).commit({})
    assert (found.shape, found.dtype) == (shape, dtype)


def test_nothing_is_visible_before_commit(store: ArrayStore) -> None:
    writer = store.create("embeddings", KEY, (6, 4), np.float32)
    writer.array[:] = 1
    assert store.get("embeddings", KEY) is None
    assert store.facts("embeddings", KEY) == {}
    writer.discard()
    assert leftovers(store) == []
    writer.discard()


def test_discard_after_commit_keeps_the_array(store: ArrayStore) -> None:
    writer = store.create("embeddings", KEY, (2, 2), np.float32)
    writer.commit({})
    writer.discard()
    assert store.get("embeddings", KEY) is not None


def test_two_writers_of_one_key_do_not_meet(store: ArrayStore) -> None:
    first, second = (store.create("embeddings", KEY, (2, 2), np.float32) for _ in range(2))
    first.array[:], second.array[:] = 1, 2
    first.commit({})
    assert float(store.get("embeddings", KEY)[0, 0]) == 1
    second.commit({})
    assert float(store.get("embeddings", KEY)[0, 0]) == 2


@pytest.mark.parametrize("kept", [0, 5, 60, 130, -1])
def test_a_truncated_file_counts_as_absent(store: ArrayStore, kept: int) -> None:
    put(store)
    path = store.path("embeddings", KEY)
    path.write_bytes(path.read_bytes()[:kept])
    assert store.get("embeddings", KEY) is None
    assert not path.exists()
    values = put(store)
    np.testing.assert_array_equal(store.get("embeddings", KEY), values)


def test_a_pickle_is_never_loaded(store: ArrayStore) -> None:
    path = store.path("embeddings", KEY)
    path.parent.mkdir(parents=True)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert store.get("embeddings", KEY) is None


def test_a_full_disk_shows_when_the_array_is_made(store: ArrayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left on device; free space or choose another --arrays"):
        store.create("embeddings", KEY, (6, 4), np.float32)
    assert leftovers(store) == []


def test_without_posix_fallocate(store: ArrayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    np.testing.assert_array_equal(put(store), store.get("embeddings", KEY))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        ArrayStore(tmp_path / "file").create("embeddings", KEY, (2, 2), np.float32)
    with pytest.raises(OutputError, match="cannot write"):
        ArrayStore(tmp_path / "file").publish("evidence", KEY, "x", lambda path: None, {})


def test_other_files_appear_whole(store: ArrayStore) -> None:
    seen = []

    def write(path: Path) -> None:
        path.write_bytes(b"content")
        seen.append(store.path("evidence", KEY, "bin").exists())

    store.publish("evidence", KEY, "bin", write, {"task": "t"})
    assert seen == [False]
    assert store.path("evidence", KEY, "bin").read_bytes() == b"content"
    assert json.loads(store.path("evidence", KEY, "json").read_text()) == {"task": "t"}
    assert leftovers(store) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("its own mistake")])
def test_a_file_that_cannot_be_written_leaves_nothing(store: ArrayStore, error: Exception) -> None:
    def write(path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    expected = OutputError if isinstance(error, OSError) else ValueError
    with pytest.raises(expected, match=r"No space left|its own mistake"):
        store.publish("evidence", KEY, "bin", write, {})
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_the_sweep_removes_old_leftovers_only(store: ArrayStore) -> None:
    put(store)
    old, new = (store.create("embeddings", f"{c}{KEY[1:]}", (2, 2), np.float32).temporary for c in "cd")
    os.utime(old, (0, 0))
    os.utime(store.path("embeddings", KEY), (0, 0))
    store.sweep()
    assert not old.exists()
    assert new.exists()
    assert store.get("embeddings", KEY) is not None


def test_the_sweep_meets_another_run(store: ArrayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([self / "a" / "b" / ".vanished.tmp"]))
    store.sweep()


def test_sizes_by_kind(store: ArrayStore, tmp_path: Path) -> None:
    assert store.size() == {}
    put(store)
    sizes = store.size()
    assert list(sizes) == ["embeddings"]
    assert sizes["embeddings"] > 6 * 4 * 4


def test_where_arrays_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_arrays(tmp_path) == tmp_path / "arrays"
    monkeypatch.setenv("HARNESS_ARRAYS", "~/shared")
    assert default_arrays(tmp_path) == Path.home() / "shared"
