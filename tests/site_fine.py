"""A small board for what is easily told wrongly: roundings, long headings, submitted scores, costs that are equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import site_world
from site_boards import METRIC, record

from harness.board import Board, Entry, build
from harness.records import Record, ScoreData

SUBMITTED = "submitted by Ann Author on 2026-01-02"
PAPER = {"title": "Someone et al., A Paper, 2021", "url": "https://example.org/paper"}
MODELS = [f"m{i}" for i in range(8)]
SHOTS = [f"fewshot[5w{k}s,view=squash]@scenes[{part}]" for part in ("colour", "shapes") for k in (5, 20)]
EPISODES = {**METRIC, "name": "episode_accuracy"}


def fine() -> Board:
    """Eight models: m6 was submitted, m7 reported. Scores of 400 images often lie just between two roundings."""
    drawn = np.random.default_rng(0)
    records = [_record(m, task, drawn) for m in MODELS for task in ("knn@digits", "linear@digits", *SHOTS)]
    board = build(records, title="Fine")
    rows = (replace(r, entries=tuple(map(_told, r.entries))) if r.model == "m6" else r for r in board.rows)
    return replace(board, rows=tuple(rows))


def _told(entry: Entry) -> Entry:
    return replace(entry, note=SUBMITTED)


def _record(model: str, task: str, drawn: np.random.Generator) -> Record:
    value, low, high = (int(drawn.integers(*ends)) / 4 for ends in ((200, 300), (150, 200), (300, 400)))
    if task == "linear@digits":
        value, low, high = value + 1e-9, low + 0.1, high + 0.35  # no sums of powers of two
    if (model, task) == ("m0", "linear@digits"):
        low = 46.10300000000001
    at = MODELS.index(model)
    cost = {"parameters": 1_000_000, "flops": 2_000_000 * (1 + at)}
    provenance: dict[str, Any] = {"cost": cost, "seconds": {"task": 1.0 + at}, "peak_memory": {"device": 1_500_000}}
    if model == "m7":
        provenance = PAPER
    scored = ScoreData(value=value, low=low, high=high, n=600 if task in SHOTS else 400)
    kind = {"m6": "submitted", "m7": "reported"}.get(model, "measured")
    return record(
        model, task, value, kind=kind, provenance=provenance, metric=EPISODES if task in SHOTS else METRIC,
        dataset={"title": f"Rendered scenes, {task.partition('@')[2]}"}, card={"paradigm": "contrastive"},
    ).model_copy(update={"scores": (scored,)})  # fmt: skip


site_world.BOARDS["fine"] = fine
