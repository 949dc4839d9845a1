"""Boards with scores by variant, scores of pairs and stored evidence, for the tests of the analyses of features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.board import Board, build
from harness.evidence import Evidence
from harness.records import Record, ScoreData

Value = float | tuple[float, float, float]
PARADIGMS = {"sup": "supervised", "sim": "contrastive", "moco": "contrastive", "rand": "none", "vit": "masked"}


def scored(
    model: str, task: str, metric: str, values: Mapping[str, Value], partner: str | None = None, seed: int = 0
) -> Record:
    """A record with a score for each variant: a value, or a value and the ends of its interval."""
    found = [(variant, v if isinstance(v, tuple) else (v, None, None)) for variant, v in values.items()]
    return Record(
        status="done", model=model, task=task, metric={"name": metric, "version": 1, "unit": "", "bounds": None},
        partner=partner, seed=seed, key=f"{model}{partner}{task}{metric}{seed}", card=_card(model),
        scores=tuple(ScoreData(value=v, low=low, high=high, variant=name, n=9) for name, (v, low, high) in found),
    )  # fmt: skip


def kept(model: str, task: str) -> Record:
    """A record of a task whose evidence is stored."""
    return scored(model, task, "of", {"": 1.0}).model_copy(update={"facts": {"evidence": model + task}})


def board(records: Iterable[Record], stored: Mapping[str, Mapping[str, Evidence]] | None = None) -> Board:
    """All columns; `stored` is by model and task, one after the other."""
    return build(records, columns="all", stored=(stored or {}).get)


def with_evidence(stored: Mapping[tuple[str, str], Evidence | Mapping[str, Evidence]]) -> Board:
    """A board of models and tasks with their evidence."""
    named = {m + t: e if isinstance(e, Mapping) else {"": e} for (m, t), e in stored.items()}
    return board([kept(*key) for key in stored], named)


def _card(model: str) -> dict[str, Any]:
    return {"paradigm": PARADIGMS.get(model, "unknown")}
