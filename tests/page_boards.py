"""A board with draws and evidence, for the tests of the pages of models, tasks and comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import site_world
import torch
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Page

from harness.board import Board, Entry, build
from harness.board.numbers import number
from harness.board.site.data import decimals
from harness.draws import Draws
from harness.evidence import Predictions
from harness.numerics.bootstrap import percentile_interval, weights
from harness.records import Record, ScoreData
from harness_datasets.digits import Digits

TOP1 = {"name": "top1", "version": 3, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
ECE = {"name": "ece", "version": 1, "unit": "", "bounds": [0, 1], "higher_is_better": False}
SKILL = {"alpha": 3.0, "beta": 2.9, "gamma": 2.2, "delta": 1.4}
RESAMPLES = 1000
MODES: dict[str, dict[str, Any]] = {"light": {}, "dark": {"color_scheme": "dark"}, "narrow": {"width": 375}}
LOADED = "() => [...document.querySelectorAll('.gallery img')].every((i) => i.complete && i.naturalWidth > 0)"
CARD: dict[str, Any] = {
    "title": "Model of <b>alpha</b>", "method": "SimCLR", "paradigm": "contrastive", "data": "imagenet-1k",
    "epochs": 200,
    "architecture": "resnet50", "parameters": 25_557_032, "licence": "MIT", "citation": "Someone et al., 2020",
    "url": "https://example.org/alpha", "batch": 4096,
}  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """One model's answers to ``linear@digits``.

    Attributes:
        right: (N,) 100 where right, else 0.
        draws: (R,) its mean on each resample.
    """

    predictions: Predictions
    right: NDArray[np.float64]
    draws: NDArray[np.float64]


@cache
def answers() -> dict[str, Answers]:
    """Of four models to the digits' test images; the images are hard or easy for all, so that scores correlate."""
    targets = torch.as_tensor(np.array(Digits().split("test").targets))
    drawn, n = torch.Generator().manual_seed(0), len(targets)
    shared = torch.randn(n, 10, generator=drawn)
    counts = torch.cat(list(weights(n, RESAMPLES)))
    found = {}
    for model, skill in SKILL.items():
        scores = shared + 0.7 * torch.randn(n, 10, generator=drawn)
        scores[torch.arange(n), targets] += skill
        right = 100.0 * (scores.argmax(1) == targets).double()
        found[model] = Answers(Predictions(scores.float(), targets), right.numpy(), (counts @ right / n).numpy())
    return found


@cache
def board() -> Board:
    """Five models, three tasks.

    ``linear@digits`` has top1 with draws, and ece without; ``knn@digits`` has draws but for gamma; ``linear@x`` is
    published, and has no intervals. Epsilon failed in ``knn@digits``, and is not ranked.
    """
    found = [record for model in SKILL for record in _of(model)]
    failed = _record("epsilon", "knn@digits", TOP1, _score(1.0), 1.0).model_copy(
        update={"status": "failed", "scores": (), "reason": "no <i>memory</i>"}
    )
    found += [failed, _record("epsilon", "linear@digits", TOP1, _score(10.0), 1.0)]
    stored = {f"{model}linear@digits": {"": each.predictions} for model, each in answers().items()}
    return build(found, columns="all", stored=stored.get, title="Boards & pages")


def shown(board: Board, model: str, column: str) -> tuple[str, str]:
    """A score and its interval as the pages write them."""
    at = next(j for j, c in enumerate(board.columns) if c.name == column)
    unit, entry = board.columns[at].unit, board.entry(model, column)
    values = [row.entries[at].value for row in board.rows]
    places = decimals([value for value in values if value is not None], unit)
    text = [None if value is None else number(value, unit, places) for value in (entry.value, entry.low, entry.high)]
    return (text[0] or "") + entry.mark, "—" if text[1] is None else f"{text[1]} – {text[2]}"


def entries(board: Board, column: str) -> dict[str, Entry]:
    """The scores of a column by model."""
    return {row.model: e for row in board.rows if (e := board.entry(row.model, column)).value is not None}


def faults(page: Page) -> list[str]:
    """The serious faults that axe finds on a page."""
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [f"{f['id']}: {f['nodes'][0]['html']}" for f in found if f["impact"] in ("serious", "critical")]


def _of(model: str) -> list[Record]:
    own = answers()[model]
    draws, worse = Draws.of(own.draws), Draws.of(own.draws - 5)
    ece = 0.4 - SKILL[model] / 10
    of = [
        _record(model, "linear@digits", TOP1, _score(own.right.mean(), own.draws), SKILL[model], draws=draws),
        _record(model, "linear@digits", ECE, (ScoreData(value=ece, low=ece - 0.02, high=ece + 0.03, n=539),), 1.0),
        _record(model, "knn@digits", TOP1, _score(own.right.mean() - 5, own.draws - 5), 1.0,
                draws=None if model == "gamma" else worse),
        _record(model, "linear@x", TOP1, (ScoreData(value=50 + SKILL[model]),), 1.0, kind="reported"),
    ]  # fmt: skip
    return of


def _score(value: float, draws: NDArray[np.float64] | None = None) -> tuple[ScoreData]:
    if draws is None:
        return (ScoreData(value=value, low=value - 2, high=value + 2, n=539),)
    low, high = percentile_interval(torch.as_tensor(draws))
    return (ScoreData(value=float(value), low=float(low), high=float(high), n=539),)


def _record(model: str, task: str, metric: dict[str, Any], scores: Any, seconds: float, **fields: Any) -> Record:
    given = {
        "card": CARD if model == "alpha" else {"paradigm": "clustering", "method": "SwAV"},
        "provenance": {
            "torch": "2.11",
            "device": "cpu",
            "seconds": {"task": seconds},
            "cost": {"parameters": 1000, "flops": 5e9},
        },
        "facts": {"weights": f"sha256 of {model}", "precision": "fp32", "evidence": f"{model}{task}"},
        "primary": metric is TOP1,
        "key": f"{model}{task}{metric['name']}",
        "finished": 1e9,
    }
    return Record(status="done", model=model, task=task, metric=metric, scores=scores, **(given | fields))


site_world.BOARDS["pages"] = board
