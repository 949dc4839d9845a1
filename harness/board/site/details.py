"""From stored predictions to what the pages of models and tasks show of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.board.site.data import tasks_of
from harness.board.site.evidence import (
    Answers,
    Reliability,
    Tally,
    Wrong,
    agreement,
    answers,
    class_scores,
    class_sizes,
    difficulty,
    hardest,
    most_wrong,
    reliability,
)
from harness.board.site.images import KnownImages, called, listed
from harness.board.site.pictures import Pictures
from harness.board.site.texts import few, plain, public, rounded, several
from harness.board.table import Board
from harness.evidence import Predictions

WRONG, HARDEST, CLASSES, AGREEING = 12, 24, 200, 40
"""At most so many wrong answers of a model, hardest images, classes, and models whose answers are compared."""

Progress = Callable[[str], None]
Json = dict[str, Any]


@dataclass
class Details:
    """By the place of a model or a task on the board.

    Attributes:
        models: its tasks.
        notes: what there is no detail of, and why.
    """

    models: dict[int, list[Json]] = field(default_factory=dict)
    tasks: dict[int, Json] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Read:
    """One model's answers to one task, reduced to what its page shows."""

    model: int
    variant: str
    reliability: Reliability
    scores: NDArray[np.float64]
    wrong: list[Wrong]
    predicted: NDArray[np.int32] | NDArray[np.bool_]
    targets: NDArray[np.int64]
    rows: NDArray[np.int64] | None


def details(board: Board, images: dict[str, KnownImages], pictures: Pictures, progress: Progress) -> Details:
    """Read the board's predictions, task by task; each file once, and nothing of a task is held beyond it."""
    found, absent = Details(), list[str]()
    tasks = tasks_of(board) if board.stored is not None else []
    for j, task in enumerate(tasks):
        tell = partial(progress, f"evidence {j + 1}/{len(tasks)}: {plain(task, 60)}")
        _Task(board, task, images[task], pictures, tell).add_to(found, j, absent)
        images[task].forget()
    if absent:
        found.notes.append(
            f"no stored evidence of {several(len(absent), 'model and task', 'models and tasks')} ({few(absent, 1)}):"
            " no details of these"
        )
    found.notes += dict.fromkeys(known.fault for known in images.values() if known.fault and found.models)
    if pictures.withheld:
        found.notes.append(f"no pictures of {few(sorted(pictures.withheld))}: the cards do not say they may be shown")
    if pictures.full:
        found.notes.append(f"{len(pictures.files):,} thumbnails; further images are named only")
    return found


class _Task:
    """One task's evidence of all models."""

    def __init__(
        self, board: Board, task: str, images: KnownImages, pictures: Pictures, tell: Callable[[], None]
    ) -> None:
        """`tell` is called before evidence is read, if there is any."""
        self.tell = tell
        self.board, self.task, self.images, self.pictures = board, task, images, pictures
        self.places = [j for j, column in enumerate(board.columns) if column.task == task]
        self.tally: Tally | None = None
        self.rows: NDArray[np.int64] | None = None
        self.count = 0
        self.strangers = 0

    def add_to(self, found: Details, j: int, absent: list[str]) -> None:
        """Put the task's details into `found`, and models without evidence into `absent`."""
        read = list(self._read(absent))
        if self.tally is None:
            return
        found.tasks[j] = self._compared(self.tally)
        for each in read:
            found.models.setdefault(each.model, []).append({"task": j, **self._of_model(each)})
        if self.strangers:
            what = several(self.strangers, "model")
            found.notes.append(f"{self.task}: {what} answered other images than the others, and are not compared")

    def _read(self, absent: list[str]) -> Iterator[_Read]:
        """Every model's predictions, reduced at once; a task whose evidence is something else is left at the first."""
        for i, row in enumerate(self.board.rows):
            scored = [e for e in (row.entries[j] for j in self.places) if e.status == "done"]
            variants = self.board.evidence(row.model, self.task) if scored else None
            if variants is None:
                if any(e.kind == "measured" for e in scored):
                    absent.append(f"{row.model} × {self.task}")
                continue
            if not self.count:
                self.tell()
            self.count += 1
            variant, first = next(iter(variants.items()))
            if not isinstance(first, Predictions):
                return
            if (found := answers(first)) is not None:
                yield self._reduced(i, variant, found, first.scores.shape[1], scored[0].limit)

    def _reduced(self, model: int, variant: str, a: Answers, classes: int, limit: int | None) -> _Read:
        scores = class_scores(a, classes)
        if self.tally is None:
            self.tally = Tally(a.targets, classes)
            self.rows = self.images.rows(a.targets, limit)
        rows = self.rows
        if self.tally.fits(a):
            self.tally.add(model, a, scores)
        else:
            self.strangers += 1
            rows = self.images.rows(a.targets, limit)
        return _Read(model, variant, reliability(a), scores, most_wrong(a, WRONG), a.predicted, a.targets, rows)

    def _of_model(self, read: _Read) -> Json:
        multilabel, sizes = read.targets.ndim == 2, class_sizes(read.targets, len(read.scores))
        order = sorted(np.flatnonzero(np.isfinite(read.scores)).tolist(), key=lambda c: (read.scores[c], c))[:CLASSES]
        return {
            "variant": plain(read.variant),
            "measure": _measure(multilabel),
            "reliability": {
                "kind": "multi-label" if multilabel else "single-label",
                "ece": rounded(read.reliability.ece, 4),
                "bins": [[_four(said), _four(true), n] for said, true, n in read.reliability.bins],
            },
            "classes": [{"name": self._class(c), "accuracy": _four(read.scores[c]), "n": int(sizes[c])} for c in order],
            "wrong": [self._wrong(read, wrong) for wrong in read.wrong],
        }

    def _wrong(self, read: _Read, wrong: Wrong) -> Json:
        if wrong.label is None:
            target, predicted = (self._class(int(said[wrong.image])) for said in (read.targets, read.predicted))
        else:
            label = self._class(wrong.label)
            target, predicted = f"no {label}", label
            if read.targets[wrong.image, wrong.label] > 0:
                target, predicted = predicted, target
        return {
            **self._image(wrong.image, read.rows), "target": target, "predicted": predicted,
            "confidence": _four(wrong.confidence),
        }  # fmt: skip

    def _compared(self, tally: Tally) -> Json:
        """What the task's page shows of all models together."""
        mean, best, spread = tally.by_class()
        sizes = class_sizes(tally.targets, tally.classes)
        order = sorted(np.flatnonzero(np.isfinite(mean)).tolist(), key=lambda c: (mean[c], c))[:CLASSES]
        share, kappa = agreement(tally.predicted[:AGREEING])
        return {
            "n": len(tally.targets), "of": len(tally.models), "measure": _measure(tally.targets.ndim == 2),
            "classes": [
                {"name": self._class(c), "n": int(sizes[c]), "mean": _four(mean[c]),
                 "best": tally.models[best[c]], "spread": _four(spread[c])} for c in order
            ],
            "agreement": {"models": tally.models[:AGREEING], "matrix": _matrix(share), "kappa": _matrix(kappa)},
            "hardest": [
                {**self._image(hard.image, self.rows), "target": self._target(tally, hard.image), "wrong": hard.wrong,
                 "of": len(tally.models), "predicted": self._labels(tally.usual_mistake(hard.image))}
                for hard in hardest(tally.wrong, tally.sureness, HARDEST)
            ],
            "difficulty": difficulty(tally.wrong, len(tally.models)),
        }  # fmt: skip

    def _target(self, tally: Tally, image: int) -> str:
        target = tally.targets[image]
        return self._labels((int(target),) if target.ndim == 0 else np.flatnonzero(target).tolist())

    def _labels(self, labels: tuple[int, ...] | list[int]) -> str:
        return plain(listed(self.images.classes, labels), 200)

    def _class(self, label: int) -> str:
        return plain(called(self.images.classes, label), 200)

    def _image(self, image: int, rows: NDArray[np.int64] | None) -> Json:
        """The name of a test image, and its thumbnail."""
        row = None if rows is None else int(rows[image])
        split = self.images.split if row is not None else None
        named = f"image {image}" if split is None or row is None else public(split.ids[row], 200)
        return {"image": named, "picture": self.pictures.of(self.images, row)}


def _measure(multilabel: bool) -> str:
    return "average precision" if multilabel else "accuracy"


def _four(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else rounded(round(float(value), 4))


def _matrix(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[_four(value) for value in row] for row in values.tolist()]
