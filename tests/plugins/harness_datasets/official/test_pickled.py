from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import python2

from harness_datasets.official.pickled import read_batch

PIXELS = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072).astype(np.uint8)


class Shell:
    """What a pickle can do to whoever loads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("ran",)


@pytest.mark.parametrize("key", ["labels", "fine_labels"])
@pytest.mark.parametrize("dump", [python2, lambda value: pickle.dumps(value, protocol=4)])
def test_pixels_and_labels(key: str, dump: Any, tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(dump({"data": PIXELS, key: [4, 2], "coarse_labels": [0, 0]}))
    pixels, labels = read_batch(tmp_path / "batch")
    assert np.array_equal(pixels, PIXELS)
    assert labels.tolist() == [4, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"data": Shell()}), "names builtins.print"),
        (pickle.dumps({"data": PIXELS, "labels": [4]}), "no uint8 pixels"),
        (pickle.dumps({"data": PIXELS.astype(float), "labels": [4, 2]}), "no uint8 pixels"),
        (pickle.dumps({"data": "pixels", "labels": [4, 2]}), "no uint8 pixels"),
        (pickle.dumps({"labels": [4, 2]}), "truncated, or no batch"),
        (pickle.dumps([1, 2]), "truncated, or no batch"),
        (pickle.dumps({"data": PIXELS, "labels": [4, 2]})[:-9], "truncated, or no batch"),
        (b"no pickle", "truncated, or no batch"),
        (b"", "truncated, or no batch"),
    ],
)
def test_anything_else_is_refused(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(ValueError, match=f"^batch .*{message}"):
        read_batch(tmp_path / "batch")
    assert capsys.readouterr().out == ""
