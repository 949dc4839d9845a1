"""Checks on real features: kNN against scikit-learn and faiss, episodes against scikit-learn, calibration: netcal.

They are run by `benchmarks.fidelity`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import torch
from netcal.metrics import ECE
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from harness.evidence import Predictions
from harness.metrics import value
from harness.numerics.calibration import temperature
from harness.numerics.knn import neighbours, vote
from harness.tasks import Fold, TaskData
from harness_metrics import calibration
from harness_tasks.fewshot import FewShot, draw

KS, TEMPERATURE = (1, 20, 200), 0.07


class Check(NamedTuple):
    """One comparison; `ok` is whether the difference is within its bound."""

    name: str
    what: str
    ours: float
    oracle: float
    difference: float
    bound: float
    ok: bool


class Features(NamedTuple):
    """One file: features (N, D) and targets (N,) of train with val, of val, and of test."""

    name: str
    bank: Tensor
    targets: Tensor
    val: Tensor
    val_targets: Tensor
    test: Tensor
    test_targets: Tensor


def load(path: Path) -> Features:
    """A file of features."""
    with np.load(path) as file:
        part = {key: torch.from_numpy(file[key]) for key in file}
    bank, targets = (torch.cat([part[f"{kind}_train"], part[f"{kind}_val"]]) for kind in "xy")
    name = path.stem.removeprefix("feat_")
    return Features(name, bank, targets, part["x_val"], part["y_val"], part["x_test"], part["y_test"])


def check(name: str, what: str, ours: float, oracle: float, bound: float, difference: float | None = None) -> Check:
    """A row; the difference is that of the two figures unless given."""
    found = abs(ours - oracle) if difference is None else difference
    return Check(name, what, ours, oracle, found, bound, found <= bound)


def knn(f: Features) -> Iterator[Check]:
    """Top-1 of each k, and how many per cent of the test images are predicted otherwise."""
    classes = int(f.targets.max()) + 1
    ks = [k for k in KS if k <= len(f.bank)]
    votes = vote(*neighbours(f.bank, f.test, max(ks)), f.targets, classes, ks, TEMPERATURE)
    index = faiss.IndexFlatIP(f.bank.shape[1])
    index.add(normalize(f.bank).numpy())
    found = index.search(normalize(f.test).numpy(), max(ks))
    by_faiss = vote(*map(torch.from_numpy, found), f.targets, classes, ks, TEMPERATURE)
    for k in ks:
        for peer, theirs in (("scikit-learn", scikit_learn(f, k)), ("faiss", by_faiss[k].argmax(1))):
            mine = votes[k].argmax(1)
            top1 = [100 * float((predicted == f.test_targets).double().mean()) for predicted in (mine, theirs)]
            differ = 100 * float((mine != theirs).double().mean())
            yield check(f.name, f"kNN k={k} top-1 %, predictions unlike {peer}'s %", *top1, 0.0, differ)


def scikit_learn(f: Features, k: int) -> Tensor:
    """Predicted classes (N,), in float64; unit rows, whose squared distance is 2 - 2 cosine."""

    def weights(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        cosine: NDArray[np.float64] = 1 - distance**2 / 2
        return np.exp((cosine - cosine.max(1, keepdims=True)) / TEMPERATURE)

    model = KNeighborsClassifier(k, algorithm="brute", weights=weights)
    model.fit(normalize(f.bank.double()).numpy(), f.targets.numpy())
    return torch.from_numpy(model.predict(normalize(f.test.double()).numpy()))


def few_shot(f: Features) -> Iterator[Check]:
    """Mean accuracy of 100 episodes, and the greatest difference of one, from scikit-learn's on the same episodes."""
    x, y = torch.cat([f.bank, f.test]), torch.cat([f.targets, f.test_targets])
    classes = tuple(map(str, range(int(y.max()) + 1)))
    data = TaskData({"test": Fold("test", {("embedding", "clean"): x}, y)}, classes, False, lambda evidence: 0.0)
    for setting in ("5w5s", "5w20s"):
        task = FewShot(setting, episodes=100)
        ours, theirs = task.run(data).accuracy.double(), []
        for images in draw(y.numpy(), task.ways, task.shots + task.queries, task.episodes, data.seed):
            support, query = images[:, : task.shots].ravel(), images[:, task.shots :].ravel()
            fitted = NearestCentroid().fit(x[support].numpy(), y[support].numpy())
            theirs.append(100 * float(fitted.score(x[query].numpy(), y[query].numpy())))
        differ = float((ours - torch.tensor(theirs)).abs().max())
        yield check(
            f.name, f"{setting} accuracy %, worst episode", float(ours.mean()), float(np.mean(theirs)), 1e-4, differ
        )


def ece(f: Features) -> Iterator[Check]:
    """Calibration of a logistic regression fitted on train without val, in percent; the temperature fitted on val."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # any classifier will do
        fitted = LogisticRegression(C=1.0).fit(f.bank[: -len(f.val)].numpy(), f.targets[: -len(f.val)].numpy())
    val, test = (logits(fitted, x) for x in (f.val, f.test))
    ours = temperature(val, f.val_targets)
    best = minimize_scalar(
        lambda b: float(cross_entropy(val.double() * b, f.val_targets)),
        bounds=(0.01, 100), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    yield check(f.name, "temperature / SciPy's", ours, 1 / best.x, 1e-4 * ours)
    p = Predictions(test, f.test_targets, temperature=ours)
    for what, metric, scores, equal in (
        ("ECE / netcal's", calibration.ece, test.double(), True),
        ("adaptive ECE / netcal's", calibration.ece_adaptive, test.double(), False),
        ("ECE at that temperature / netcal's", calibration.ece_temperature, test.double() / ours, True),
    ):
        measure = ECE(bins=calibration.BINS, equal_intervals=equal).measure
        oracle = 100 * float(measure(scores.softmax(1).numpy(), f.test_targets.numpy()))
        yield check(f.name, f"{what} %", value(metric, p), oracle, 1e-6)


def logits(model: LogisticRegression, x: Tensor) -> Tensor:
    """(N, C) float32; of two classes scikit-learn gives the difference."""
    found = torch.from_numpy(model.decision_function(x.numpy())).float()
    return found if found.ndim == 2 else torch.stack([torch.zeros_like(found), found], 1)
