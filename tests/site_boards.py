"""Boards, and what a built site holds, for the tests of the site."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from harness.board import Board, Column, Entry, Row, build
from harness.board.table import Standing
from harness.evidence import Evidence, Predictions
from harness.records import Record, ScoreData

METRIC = {"name": "top1", "version": 3, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><b>",
    "two\nlines\x07",
    "x" * 10_000,
    "abc\u202egnp.exe",
    "../../etc/passwd",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "=HYPERLINK(1)",
    "line\u2028end",
    "lone \ud800 half",
]
"""Names that would break a page, a script, a path or a spreadsheet."""


def record(model: str, task: str, value: float, **fields: Any) -> Record:
    """A measured top-1 of 100 images."""
    scores = (ScoreData(value=value, low=value - 1, high=value + 2, n=100),)
    given: dict[str, Any] = {"primary": True, "key": f"{model}{task}", "finished": 1e9, "metric": METRIC}
    return Record(status="done", model=model, task=task, scores=scores, **(given | fields))


def small() -> Board:
    """Three models and two tasks; one score is reported, and the third model failed in a task."""
    card = {"title": "A", "parameters": 25_600_000, "epochs": 0, "url": "https://example.org", "batch": 256}
    where = {"torch": "2.11", "device": "cpu", "plugins": {"a": "one 1.0", "b": "one 1.0"}, "seconds": {"task": 1.5}}
    facts = {"weights": "f00", "task": {"version": 2, "parameters": {"k": [20, 1]}}, "precision": "fp32"}
    records = [
        record("a", "knn@digits", 93.45678, card=card, provenance=where, facts=facts),
        record("a", "linear@digits", 97.0, card=card, provenance=where, facts=facts),
        record("b", "knn@digits", 90.0, provenance=where),
        record("b", "linear@digits", 98.5, kind="reported"),
        record("c", "knn@digits", 12.0),
        record("c", "linear@digits", 0.0).model_copy(update={"status": "failed", "scores": (), "reason": "no memory"}),
    ]
    return replace(build(records, title="Mine"), footnotes=("a note",))


def hostile() -> Board:
    """Every name and text of a board is one of the hostile ones."""
    records = []
    for i, bad in enumerate(HOSTILE):
        card = {"title": bad, "paradigm": bad, "url": f"javascript:{bad}", "more": {bad: [bad]}}
        task = f"knn@{bad}".replace("/", "")
        facts = {"precision": bad, "weights": bad, "task": {"parameters": {bad: bad}}}
        records.append(record(bad, task, 50.0 + i, card=card, facts=facts, provenance={"device": bad}))
        records.append(
            record(bad, "linear@x", 0.0).model_copy(update={"status": "failed", "scores": (), "reason": bad})
        )
    return replace(build(records, title=HOSTILE[0]), footnotes=tuple(HOSTILE))


def with_evidence(stored: Mapping[tuple[str, str], Mapping[str, Evidence] | Evidence], **fields: Any) -> Board:
    """Models and tasks with their evidence."""
    by_variant = {m + t: e if isinstance(e, Mapping) else {"": e} for (m, t), e in stored.items()}
    records = [record(m, t, 50.0, **({"facts": {"evidence": m + t}} | fields)) for m, t in stored]
    return build(records, stored=by_variant.get)


def says(targets: Sequence[int], said: Sequence[int], confidence: float = 0.9, classes: int = 3) -> Predictions:
    """Predictions of these classes, each with this probability."""
    p = torch.full((len(said), classes), (1 - confidence) / (classes - 1))
    p[torch.arange(len(said)), torch.tensor(said)] = confidence
    return Predictions(p.log(), torch.tensor(targets))


def called(data: bytes) -> tuple[str, list[Any]]:
    """The function that a data script calls, and with what."""
    function, _, rest = data.decode("ascii").partition("(")
    assert rest.endswith(");\n")
    return function, json.loads(f"[{rest[:-3]}]")


def large(models: int, columns: int) -> Board:
    """Scores of all digits, each with an interval."""
    drawn = np.random.default_rng(0)
    values, halves = drawn.uniform(20, 95, (models, columns)), drawn.uniform(0.5, 3, (models, columns))
    card = {"method": "Method", "paradigm": "contrastive", "architecture": "resnet50", "data": "imagenet-1k"}
    where = {"python": "3.11.7", "torch": "2.11.0", "device": "cpu", "plugins": {"m": "ssl-harness 0.1.0"}}
    rows = tuple(
        Row(
            f"model-{i:04}", "contrastive", 1 + i / 3,
            tuple(Entry("done", v, v - h, v + h, n=10_000) for v, h in zip(values[i], halves[i], strict=True)),
            card | {"parameters": 25_000_000 + i}, Standing(50 - i / 30, 49.123, 51.456, i + 1, max(1, i - 9), i + 9),
            facts={"weights": f"{i:016x}"}, provenance=where,
        )
        for i in range(models)
    )  # fmt: skip
    return Board("Large", tuple(Column(f"linear@dataset{j}", "top1", unit="%") for j in range(columns)), rows)
