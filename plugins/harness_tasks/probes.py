"""The solvers of the linear probe, behind one interface."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor

from harness import TaskData
from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.numerics.calibration import temperature
from harness.numerics.logistic import WEIGHT_DECAYS, LogisticPath, fit_path, fit_path_multilabel

TOL = 1e-4
MAX_ITER = 100


@dataclass(frozen=True)
class Fit:
    """A linear classifier at one strength: weights (C, D) and biases (C,), on the features' device."""

    weight_decay: float
    weight: Tensor
    bias: Tensor

    def logits(self, x: Tensor) -> Tensor:
        """(M, C) float32 of features (M, D)."""
        return torch.addmm(self.bias, x, self.weight.T).float()


def val_temperature(fit: Fit, data: TaskData) -> float | None:
    """What to divide the fit's scores by, as the val images have it; None for sets of labels."""
    return None if data.multilabel else temperature(fit.logits(data.val.embeddings), data.val.targets)


class Stopping(Protocol):
    """The parameters of a task that say when a converged fit ends."""

    @property
    def rtol(self) -> float: ...
    @property
    def max_iter(self) -> int: ...


class Settings(Stopping, Protocol):
    """What the solvers read of the task's parameters."""

    @property
    def tolerance(self) -> str: ...


class Probe(Protocol):
    """Fits logistic regression to features (N, D) and targets: classes (N,), or labels (N, C) of 0 and 1."""

    def sweep(self, x: Tensor, y: Tensor) -> Iterator[Fit]:
        """A fit at each of the 45 strengths. Of equally good ones, the first is to be chosen."""
        ...

    def refit(self, x: Tensor, y: Tensor, chosen: Fit) -> Fit:
        """A fit to more images at the strength of one of the sweep."""
        ...


def chosen(probe: Probe, data: TaskData) -> tuple[Fit, Fit]:
    """The fit with the best primary metric on val, the first of equally good ones, and its refit on train + val."""

    def score(fit: Fit) -> float:
        return data.judge(Predictions(fit.logits(data.val.embeddings), multilabel=data.multilabel))

    best = max(probe.sweep(data.train.embeddings, data.train.targets), key=score)
    x = torch.cat([data.train.embeddings, data.val.embeddings])
    y = torch.cat([data.train.targets, data.val.targets])
    return best, probe.refit(x, y, best)


class Converged:
    """Every problem is solved, by `harness.numerics.logistic`; the stronger weight decays come first.

    `classes` is None for labels.
    """

    def __init__(self, settings: Stopping, classes: int | None) -> None:
        self.settings, self.classes = settings, classes

    def sweep(self, x: Tensor, y: Tensor) -> Iterator[Fit]:
        decays = WEIGHT_DECAYS.flip(0)
        path = self._path(x, y, decays, None)
        return (Fit(float(decays[g]), path.weight[g], path.bias[g]) for g in range(len(decays)))

    def refit(self, x: Tensor, y: Tensor, chosen: Fit) -> Fit:
        decays = torch.tensor([chosen.weight_decay], dtype=torch.float64)
        path = self._path(x, y, decays, (chosen.weight, chosen.bias))
        return Fit(chosen.weight_decay, path.weight[0], path.bias[0])

    def _path(self, x: Tensor, y: Tensor, decays: Tensor, start: tuple[Tensor, Tensor] | None) -> LogisticPath:
        rtol, max_iter = self.settings.rtol, self.settings.max_iter
        if self.classes is None:
            return fit_path_multilabel(x, y, decays, start=start, rtol=rtol, max_iter=max_iter)
        return fit_path(x, y, decays, self.classes, start=start, rtol=rtol, max_iter=max_iter)


class Published:
    """The released code of Ericsson et al. 2021: one scikit-learn object, warm-started from whatever it fitted last.

    Its scikit-learn, 0.22, gave a problem of two classes, and so each label, two columns of weights; today's has one
    column, which is the same classifier at half the weight decay. It also computed in float64, and stopped at 1e-4 of
    the gradient of the sum of losses, where today's computes in the features' own type and takes the mean: `tolerance`
    says which.
    """

    def __init__(self, settings: Settings, classes: int | None) -> None:
        self.tolerance, self.classes = settings.tolerance, classes
        self.model: Any = LogisticRegression(solver="lbfgs", warm_start=True, max_iter=MAX_ITER)

    def sweep(self, x: Tensor, y: Tensor) -> Iterator[Fit]:
        return self._fits(x, y, WEIGHT_DECAYS.tolist())

    def refit(self, x: Tensor, y: Tensor, chosen: Fit) -> Fit:
        return next(self._fits(x, y, [chosen.weight_decay]))

    def _fits(self, x: Tensor, y: Tensor, decays: Sequence[float]) -> Iterator[Fit]:
        features, targets = x.cpu().numpy(), y.cpu().numpy()
        if self.tolerance == "published":
            features = features.astype(np.float64)
        of_kind = self._classifier if self.classes is not None else self._labels
        for decay in decays:
            weight, bias = of_kind(features, targets, decay)
            yield Fit(decay, torch.from_numpy(weight).to(x), torch.from_numpy(bias).to(x))

    def _classifier(self, x: NDArray[Any], y: NDArray[Any], decay: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weights (C, D) and biases (C,). A class without images is never predicted: see `fit_path`."""
        seen, total = np.unique(y), self.classes or 0
        if len(seen) < 2:
            raise HarnessError(f"linear[mode=protocol]: all training images are of class {seen[0]}; two are needed")
        coefficients, intercepts = self._minimise(x, y, decay)
        if len(seen) == 2:  # one column, which sets the second class apart from the first
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        weight = np.zeros((total, x.shape[1]), x.dtype)
        bias = np.full(total, -math.log(len(x) * max(total - len(seen), 1)), x.dtype)
        weight[seen], bias[seen] = coefficients, intercepts
        return weight, bias

    def _labels(self, x: NDArray[Any], y: NDArray[Any], decay: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weights (L, D) and biases (L,). A label that all images share has the odds of N images against one."""
        weight = np.zeros((y.shape[1], x.shape[1]), x.dtype)
        bias = ((2 * y[0] - 1) * math.log(len(x))).astype(x.dtype)
        for label in np.flatnonzero((y != y[0]).any(0)):
            coefficients, intercepts = self._minimise(x, y[:, label], decay)
            weight[label], bias[label] = coefficients[0], intercepts[0]
        return weight, bias

    def _minimise(self, x: NDArray[Any], y: NDArray[Any], decay: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """scikit-learn's coefficients and intercepts. BLAS threads slow these small products down."""
        classes = np.unique(y)
        if hasattr(self.model, "classes_") and len(self.model.classes_) != len(classes):
            del self.model.coef_  # of another shape: a cold start
        columns = 2 if len(classes) == 2 else 1
        tol = TOL / len(x) if self.tolerance == "published" else TOL
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.set_params(C=columns / decay, tol=tol).fit(x, y)
        return self.model.coef_.copy(), self.model.intercept_.copy()


PROBES: dict[str, type[Converged] | type[Published]] = {"converged": Converged, "protocol": Published}
