"""A board as ``model-index``: the evaluation results of Hugging Face model cards, in YAML.

The format: https://github.com/huggingface/hub-docs/blob/main/modelcard.md, section model-index. A result is of a task;
the text of one model can stand at the head of its ``README.md`` as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from harness.board.formats.facts import at
from harness.board.numbers import one_line
from harness.board.table import Board, Column, Entry, Row

CLASSIFIED = ("single-label", "multi-label")
"""Kinds of datasets whose primary metric measures image classification."""

_NOTHING: dict[str, list[Any]] = {"model-index": []}


def render(board: Board) -> str:
    """A document for each model that has scores here, each between lines of dashes, as cards have them.

    Values are in the metric's own unit (``args``); nothing is ``verified``, which only Hugging Face may say.
    """
    documents = [{"model-index": [{"name": one_line(row.model), "results": found}]} for row, found in _scored(board)]
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the C library, where there is one, is ten times as fast
    written = [yaml.dump(d, Dumper=dumper, sort_keys=False, allow_unicode=True) for d in documents or [_NOTHING]]
    return "".join(f"---\n{text}" for text in written) + "---\n"


def _scored(board: Board) -> Iterator[tuple[Row, list[dict[str, Any]]]]:
    for row in board.rows:
        results: dict[str, dict[str, Any]] = {}
        for column, entry in zip(board.columns, row.entries, strict=True):
            if entry.status == "done":
                result = results.setdefault(column.task, _result(column))
                result["metrics"].append(_metric(column, entry))
        if results:
            yield row, list(results.values())


def _result(column: Column) -> dict[str, Any]:
    """A task's result, without metrics yet."""
    name, _, rest = column.dataset.partition("[")
    title = one_line(str(column.dataset_card.get("title") or "")).rstrip(".")
    dataset = {
        "type": one_line(name), "name": title or one_line(column.dataset),
        "config": one_line(rest.removesuffix("]")), "split": "test", "revision": _plain(column, "dataset", "revision"),
    }  # fmt: skip
    task = {"type": _type(column), "name": one_line(column.task)}
    return {"task": task, "dataset": {k: v for k, v in dataset.items() if v}, "metrics": []}


def _type(column: Column) -> str:
    """The Hub's name of the task: what a protocol measures on a classification dataset by its primary metric is that.

    The rest has no name there, and of published scores no record tells the protocol.
    """
    classifies = column.ranked and column.facts.get("task") and column.dataset_card.get("kind") in CLASSIFIED
    return "image-classification" if classifies else "other"


def _metric(column: Column, entry: Entry) -> dict[str, Any]:
    """One score. Its name has the task, as the Hub's library puts tasks of one dataset together."""
    args = {
        "variant": one_line(column.variant), "unit": one_line(column.unit),
        "version": _plain(column, "metric", "version"),
        "low": entry.low, "high": entry.high, "images": entry.n or None, "seeds": entry.seeds, "limit": entry.limit,
        "kind": entry.kind,
    }  # fmt: skip
    return {
        "type": one_line(column.metric),
        "value": entry.value,
        "name": one_line(column.name),
        "args": {name: value for name, value in args.items() if value not in (None, "")},
        "verified": False,
    }


def _plain(column: Column, *path: str) -> str | int | None:
    value = at(column.facts, *path)
    return value if isinstance(value, int) or value is None else one_line(str(value))
