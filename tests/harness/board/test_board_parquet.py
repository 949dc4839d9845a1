from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harness.board import Board, Column, Entry, Row, build
from harness.board.formats import encode
from harness.board.formats.parquet import FIELDS
from harness.errors import HarnessError
from harness.records import Record

Make = Callable[..., Record]


def read(board: Board) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(encode(board, "parquet"))).to_pylist()
    return rows


def test_every_cell_is_a_row_of_typed_fields(make: Make) -> None:
    facts = {"task": {"version": 2}, "dataset": {"revision": "r1"}, "precision": "fp32"}
    about = {"domain": "natural", "near": True, "classes": 10}
    card = {"paradigm": "clustering", "method": "SwAV", "epochs": 200}
    records = [make("a", "linear@digits", 93.42, half=1.04, facts=facts, dataset=about, card=card)]
    records += [make("b", "linear@digits", reason="NaN loss"), make("a", "knn@digits", 80.0, kind="reported")]
    rows = {(r["model"], r["task"]): r for r in read(build(records, title="t"))}
    found = rows["a", "linear@digits"]
    told = {"value": 93.42, "low": 93.42 - 1.04, "n": 360, "seeds": 1, "status": "done", "kind": "measured"}
    told |= {"protocol": "linear", "dataset": "digits", "metric": "top1", "unit": "%", "higher_is_better": True}
    told |= {"task_version": 2, "metric_version": 1, "dataset_revision": "r1", "precision": "fp32", "decoder": None}
    told |= {"domain": "natural", "near": True, "classes": 10, "method": "SwAV", "epochs": 200, "rank": 1.0}
    told |= {"paradigm": "clustering", "place": 1, "average_rank": 1.0, "sd": None, "limit": None}
    assert {name: found[name] for name in told} == told
    failed, missing = rows["b", "linear@digits"], rows["b", "knn@digits"]
    assert [failed[n] for n in ("status", "value", "kind", "n", "note", "place")] == [
        "failed", None, None, None, "NaN loss", None,
    ]  # fmt: skip
    assert missing["status"] == "missing"
    assert rows["a", "knn@digits"]["kind"] == "reported"


def test_the_schema_and_what_it_is_of_are_in_the_file(make: Make) -> None:
    for board in (build([], title="t"), build([make("a", "linear@digits", 90.0)], title="t")):
        schema = pq.read_schema(io.BytesIO(encode(board, "parquet")))
        types = {"string": "string", "float64": "double", "int64": "int64", "bool_": "bool"}
        assert {field.name: str(field.type) for field in schema} == {n: types[kind] for n, kind in FIELDS.items()}
        assert schema.metadata[b"title"] == b"t"
        assert schema.metadata[b"rule"].decode() == board.rule.text
        assert json.loads(schema.metadata[b"notes"]) == list(board.footnotes)


def test_what_is_no_number_is_null() -> None:
    card = {"epochs": "many", "title": 3, "url": "\ud800"}
    entry = Entry("done", float("nan"), float("-inf"), 1e400)
    column = Column("linear@digits", "top1", dataset_card={"classes": True}, facts={"task": 3})
    (row,) = read(Board("t", (column,), (Row("a", "none", None, (entry,), card),)))
    assert [row[n] for n in ("value", "low", "high", "epochs", "classes", "task_version")] == [None] * 6
    assert (row["title"], row["url"]) == ("3", "?")


def test_without_pyarrow_one_line_says_what_to_install(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(HarnessError, match=r'needs pyarrow .*pip install "ssl-harness\[parquet\]"$'):
        encode(build([make("a", "linear@digits", 90.0)]), "parquet")
