"""Boards of models with manifold graph metrics and scores, for the tests of the analyses of geometry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.board import Board, build
from harness.records import Record, ScoreData

PARADIGMS = ("contrastive", "non-contrastive", "clustering", "supervised")
TOP1 = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
VARIANTS = ("mean", "sd", "q25", "q50", "q75")
METRICS = ("nnk_neighbours", "nnk_diameter", "nnk_affinity")


def mgm(
    model: str, values: Sequence[float], task: str = "nnk@cifar10", paradigm: str = "", **card: Any
) -> list[Record]:
    """The records of one task of geometry: six `values` are the mean and the sd of each metric."""
    made = []
    for at, name in enumerate(METRICS):
        metric = {"name": name, "version": 1, "unit": "", "bounds": None, "higher_is_better": False}
        mean, sd = values[2 * at : 2 * at + 2]
        of = zip(VARIANTS, (mean, sd, mean - sd, mean, mean + sd), strict=True)
        scores = tuple(ScoreData(value=value, variant=variant, n=99) for variant, value in of)
        about = {"paradigm": paradigm, **card}
        made.append(
            Record(status="done", model=model, task=task, metric=metric, scores=scores, card=about, primary=at == 0,
                   key=f"{model}{task}{name}")
        )  # fmt: skip
    return made


def score(model: str, task: str, value: float, metric: dict[str, Any] = TOP1, **dataset: Any) -> Record:
    """One score that ranks models."""
    return Record(status="done", model=model, task=task, metric=metric, primary=True, key=model + task,
                  scores=(ScoreData(value=value, n=1000),), dataset=dataset)  # fmt: skip


def board(models: int = 14, planted: bool = True, top1: bool = True, seed: int = 0) -> Board:
    """Models with the MGMs of two manifolds and scores on two datasets, and ImageNet top-1 on their cards.

    Where it is `planted`, the logit of a score is linear in two MGMs, with little noise.
    """
    random = np.random.default_rng(seed)
    made: list[Record] = []
    values = random.normal(size=(models, 12))
    for at in range(models):
        name = f"model-{at}"
        card = {"reported": {"imagenet_top1": 60 + 15 * random.random()}} if top1 else {}
        for task, some in (("nnk@cifar10", values[at, :6]), ("nnk[simclr[50]]@cifar10", values[at, 6:])):
            made += mgm(name, (5 + some).tolist(), task, PARADIGMS[at % 4], **card)
        for dataset in ("birds", "cars"):
            signal = values[at, 0] + values[at, 7] if planted else random.normal()
            y = 100 / (1 + np.exp(-(signal + 0.1 * random.normal())))
            made.append(score(name, f"linear@{dataset}", float(y), collection="kornblith"))
    return build(made, columns="all")
