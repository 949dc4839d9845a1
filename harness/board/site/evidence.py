"""What stored predictions tell beyond their scores: where confidence fails, which classes and images are hard, and
which models agree. NumPy arrays in, NumPy arrays or plain values out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from harness.evidence import Predictions

BINS = 15
BLOCK = 4096
"""Images whose probabilities are held in float64 at a time."""

Bin = tuple[float | None, float | None, int]


@dataclass(frozen=True)
class Answers:
    """What is kept of one model's predictions of N images of C classes; with several labels an image, of its N x C.

    Attributes:
        predicted: (N,) int32 classes, or (N, C) bool: which labels have a probability of 0.5 or more.
        confidence: (N,) float64 probability of the predicted class; (N, C) of each label.
        right: (N,) whether the class, or the whole set of labels, is the target's.
        targets: (N,) or (N, C), as stored.
    """

    predicted: NDArray[np.int32] | NDArray[np.bool_]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    targets: NDArray[np.int64]

    @property
    def multilabel(self) -> bool:
        return self.predicted.ndim == 2


class Reliability(NamedTuple):
    """Mean confidence, accuracy and count of each of the 15 bins, the first two None where it is empty; ECE, 0 to 1."""

    bins: list[Bin]
    ece: float


class Wrong(NamedTuple):
    """A wrong answer about an image: the label that it is about, where an image has several, and its confidence."""

    image: int
    label: int | None
    confidence: float


class Hard(NamedTuple):
    """An image and how many of the models are wrong about it."""

    image: int
    wrong: int


def answers(p: Predictions) -> Answers | None:
    """What predictions say, in blocks of images; None without targets."""
    if p.targets is None or not len(p):
        return None
    targets = p.targets.numpy()
    if p.multilabel:
        confidence = np.concatenate([block.double().sigmoid().numpy() for block in _blocks(p.scores)])
        chosen = confidence >= 0.5
        return Answers(chosen, confidence, (chosen == (targets > 0)).all(1), targets)
    tops = [block.double().softmax(1).max(1) for block in _blocks(p.scores)]
    predicted = np.concatenate([top.indices.numpy() for top in tops]).astype(np.int32)
    return Answers(predicted, np.concatenate([top.values.numpy() for top in tops]), predicted == targets, targets)


def _blocks(scores: Tensor) -> Iterator[Tensor]:
    return (scores[start : start + BLOCK] for start in range(0, len(scores), BLOCK))


def reliability(a: Answers) -> Reliability:
    """Confidence against accuracy in 15 equal bins (i / 15, (i + 1) / 15] (Guo et al. 2017, 1706.04599, equation 3).

    With several labels an image, the bins are of every label's probability, and accuracy is the share of images that
    have the label.
    """
    confidence = a.confidence.ravel()
    right = (a.targets > 0 if a.multilabel else a.right).ravel().astype(np.float64)
    place = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    counts = np.bincount(place, minlength=BINS)
    said, true = (np.bincount(place, weights=w, minlength=BINS) for w in (confidence, right))
    each = zip(said, true, counts, strict=True)
    bins: list[Bin] = [(float(s / n), float(t / n), int(n)) if n else (None, None, 0) for s, t, n in each]
    return Reliability(bins, float(np.abs(said - true).sum() / len(confidence)))


def class_sizes(targets: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(C,) images of each class."""
    sizes: NDArray[np.int64] = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=classes)
    return sizes


def class_scores(a: Answers, classes: int) -> NDArray[np.float64]:
    """(C,) share of each class's images that are predicted to be of it; nan for a class without images.

    With several labels an image, each label's average precision, as their ranking does not depend on a threshold.
    """
    sizes, found = class_sizes(a.targets, classes), np.full(classes, np.nan)
    if a.multilabel:
        from sklearn.metrics import average_precision_score

        for c in np.flatnonzero(sizes):
            found[c] = average_precision_score(a.targets[:, c] > 0, a.confidence[:, c])
        return found
    hits = np.bincount(a.targets, weights=a.right, minlength=classes)
    np.divide(hits, sizes, out=found, where=sizes > 0)
    return found


def most_wrong(a: Answers, most: int) -> list[Wrong]:
    """The wrong answers of greatest confidence, at most one an image, the surest first.

    With several labels an image, the one that it is surest and wrong about; confidence is that of its answer, which may
    be that the label is absent.
    """
    if not a.multilabel:
        rows = np.flatnonzero(~a.right)
        order = rows[np.argsort(-a.confidence[rows], kind="stable")][:most]
        return [Wrong(int(i), None, float(a.confidence[i])) for i in order]
    sure = np.maximum(a.confidence, 1 - a.confidence)
    missed = np.where(a.predicted != (a.targets > 0), sure, -1.0)
    label = missed.argmax(1)
    worst = missed[np.arange(len(missed)), label]
    order = np.argsort(-worst, kind="stable")[:most]
    return [Wrong(int(i), int(label[i]), float(worst[i])) for i in order if worst[i] >= 0]


def agreement(predicted: Sequence[NDArray[np.int32] | NDArray[np.bool_]]) -> tuple[NDArray[np.float64], ...]:
    """Share of equal answers of every two of M models, and Cohen's kappa (1960), both (M, M) and symmetric.

    Kappa is ``(p_o - p_e) / (1 - p_e)``, p_e being what two models of the same class frequencies would share by chance;
    nan where that is 1.
    """
    flat = [p.ravel().astype(np.int64) for p in predicted]
    kinds = max((int(p.max()) + 1 for p in flat), default=1)
    share = np.eye(len(flat))
    for i, first in enumerate(flat):
        for j in range(i):
            share[i, j] = share[j, i] = np.mean(first == flat[j])
    often = np.array([np.bincount(p, minlength=kinds) / len(p) for p in flat]).reshape(len(flat), kinds)
    chance = often @ often.T
    chance[chance > 1 - 1e-12] = np.nan
    kappa = (share - chance) / (1 - chance)
    return share, kappa


def difficulty(wrong: NDArray[np.int64], models: int) -> list[int]:
    """How many images exactly k of M models are wrong about, k = 0..M, of the numbers (N,) wrong about each."""
    return [int(n) for n in np.bincount(wrong, minlength=models + 1)]


def hardest(wrong: NDArray[np.int64], sureness: NDArray[np.float64], most: int) -> list[Hard]:
    """The images that most models are wrong about; of those, the ones they are surest about first.

    Args:
        wrong: (N,) models wrong about each image.
        sureness: (N,) sum of their confidence in what is wrong.
    """
    order = np.lexsort((-sureness, -wrong))[:most]
    return [Hard(int(i), int(wrong[i])) for i in order if wrong[i] > 0]


class Tally:
    """All models' answers about the same images, added one after the other: for each, what the comparison needs."""

    def __init__(self, targets: NDArray[np.int64], classes: int) -> None:
        self.targets, self.classes = targets, classes
        self.models: list[int] = []
        self.predicted: list[NDArray[np.int32] | NDArray[np.bool_]] = []
        self.scores: list[NDArray[np.float64]] = []
        self.wrong = np.zeros(len(targets), np.int64)
        self.sureness = np.zeros(len(targets))

    def fits(self, a: Answers) -> bool:
        """Whether these are answers about the same images, as far as their targets tell."""
        return np.array_equal(self.targets, a.targets)

    def add(self, model: int, a: Answers, scores: NDArray[np.float64]) -> None:
        """Take in a model's answers and its scores by class."""
        self.models.append(model)
        self.predicted.append(a.predicted)
        self.scores.append(scores)
        self.wrong += ~a.right
        sure = np.where(a.predicted != (a.targets > 0), np.abs(a.confidence - 0.5), 0).max(1) if a.multilabel else None
        self.sureness += np.where(a.right, 0.0, a.confidence if sure is None else sure)

    def by_class(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        """(C,) mean over models, place of the best model, standard deviation; nan, -1, nan without images."""
        table = np.array(self.scores)
        known = np.isfinite(table).all(0)  # a class without images has none for any model
        best = np.where(known, np.where(known, table, 0).argmax(0), -1)
        return table.mean(0), best, table.std(0)

    def usual_mistake(self, image: int) -> tuple[int, ...]:
        """What most of the models that are wrong about an image take it for: the labels."""
        target = self.targets[image]
        said: list[tuple[int, ...]]
        if self.targets.ndim == 1:
            said = [(int(p[image]),) for p in self.predicted if p[image] != target]
        else:
            sets = [p[image] for p in self.predicted if (p[image] != (target > 0)).any()]
            said = [tuple(np.flatnonzero(each).tolist()) for each in sets]
        return max(sorted(set(said)), key=said.count)
