"""What the reporters to experiment trackers share: their package, names that trackers take, facts, the board."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.identity import digest
from harness.planning import Plan
from harness.records import Record, Summary

if TYPE_CHECKING:
    from harness.board import Board

LONGEST = 48
"""Characters of a part of a name: trackers take 250 of the whole, which has up to four parts."""


def require(package: str, extra: str) -> None:
    """Raises `HarnessError` that says what to install when a tracker's package is not there."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise HarnessError(f'--report {extra} needs {package} ({error}): pip install "ssl-harness[{extra}]"') from error


def safe(texts: Iterable[str]) -> dict[str, str]:
    """Each text in ASCII letters, digits, ``_``, ``-`` and ``.``, as all trackers take it.

    Texts that are cut, or that would become the same, end in a digest of what they were.
    """
    plain = {text: re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("._") or "_" for text in texts}
    times = Counter(plain.values())
    return {
        text: short if times[short] == 1 and len(short) <= LONGEST else f"{short[:LONGEST]}-{digest(text)[:8]}"
        for text, short in plain.items()
    }


class Names:
    """Names of a plan's cells, different for different cells: ``linear_digits/top1/tiny-random``; no seed in them."""

    def __init__(self, plan: Plan) -> None:
        self.models, self.tasks, self.metrics = safe(plan.models), safe(plan.tasks), safe(plan.metrics)

    def __call__(self, record: Record) -> str:
        model = self.models[record.model]
        if record.partner is not None:
            model = f"{model}-vs-{self.models[record.partner]}"
        return f"{self.tasks[record.task]}/{self.metrics[record.metric['name']]}/{model}"


def suite_facts(plan: Plan) -> dict[str, Any]:
    """What a run is of: the suite's fields, its models by name, and how much there is to do."""
    fields = plan.suite.model_dump(mode="json", exclude={"models", "description"})
    return {**fields, "models": list(plan.models), "cells": len(plan), "images": plan.images}


def totals(summary: Summary) -> dict[str, float]:
    """The numbers of a summary."""
    names = ("done", "reused", "failed", "skipped", "seconds", "images_forwarded")
    return {name: getattr(summary, name) for name in names} | {"undefined": len(summary.undefined)}


def board_of(plan: Plan, out: Path, summary: Summary) -> Board:
    """The run's own board."""
    from harness.api import leaderboard, selection

    return leaderboard(out, columns=selection(plan.suite), plan=plan, keys=summary.keys)
