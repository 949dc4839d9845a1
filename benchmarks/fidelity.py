"""Every protocol against what it should equal, on features of real images by real networks.

    python -m benchmarks.fidelity --features FOLDER
    python -m benchmarks.fidelity --features FOLDER --only protocol converged

FOLDER holds the files of `benchmarks._features`; where it holds none they are made. Prints a markdown table.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from tabulate import tabulate
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks._features import make
from benchmarks._fidelity import Check, Features, check, ece, few_shot, knn, load
from harness.numerics.logistic import WEIGHT_DECAYS, LogisticPath, fit_path
from harness_tasks.linear import Linear
from harness_tasks.probes import PROBES, Published


def train(f: Features) -> tuple[Tensor, Tensor]:
    """Features and targets without val."""
    return f.bank[: -len(f.val)], f.targets[: -len(f.val)]


def protocol(f: Features) -> Iterator[Check]:
    """linear[mode=protocol] against scikit-learn run as the released code does, with both tolerances."""
    for tolerance, scale in (("published", True), ("sklearn", False)):
        probe = Published(Linear(tolerance=tolerance), int(f.targets.max()) + 1)  # type: ignore[arg-type]
        fits = list(probe.sweep(*train(f)))
        ours = [top1(fit.logits(f.val).argmax(1), f.val_targets) for fit in fits]
        best = max(range(len(fits)), key=lambda g: ours[g])
        final = top1(probe.refit(f.bank, f.targets, fits[best]).logits(f.test).argmax(1), f.test_targets)
        theirs, chosen, test = released(f, scale)
        worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
        name = f"{f.name}, {tolerance} tolerance"
        yield check(name, "val top-1 %, worst of the 45 wd", ours[best], max(theirs), 0.1, worst)
        yield check(name, "chosen wd", fits[best].weight_decay, chosen, 0.0)
        yield check(name, "test top-1 %", final, test, 0.1)


def released(f: Features, scale: bool) -> tuple[list[float], float, float]:
    """Val top-1 at each wd, the chosen wd, and test top-1: the steps of the released code, one after the other."""
    as_then = torch.float64 if scale else torch.float32  # what lbfgs computed in
    bank, x, val, test = (part.to(as_then).numpy() for part in (f.bank, train(f)[0], f.val, f.test))
    y = train(f)[1].numpy()
    model, scores, best, chosen = LogisticRegression(solver="lbfgs", warm_start=True), [], 0.0, 0.0
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for decay in WEIGHT_DECAYS.tolist():
            model.set_params(C=1 / decay, tol=1e-4 / len(x) if scale else 1e-4).fit(x, y)
            scores.append(100 * float(np.mean(model.predict(val) == f.val_targets.numpy())))
            if scores[-1] > best:
                best, chosen = scores[-1], decay
        model.set_params(C=1 / chosen, tol=1e-4 / len(f.bank) if scale else 1e-4)
        model.fit(bank, f.targets.numpy())
    return scores, chosen, 100 * float(np.mean(model.predict(test) == f.test_targets.numpy()))


def converged(f: Features) -> Iterator[Check]:
    """linear[mode=converged] in float32 against the float64 optimum, whose own excess is bounded by its gradient."""
    x, y = train(f)
    classes, task = int(y.max()) + 1, Linear()
    ours = fit_path(x, y, WEIGHT_DECAYS, classes, rtol=task.rtol, max_iter=task.max_iter)
    best = fit_path(x.double(), y, WEIGHT_DECAYS, classes, rtol=1e-12, max_iter=20_000)
    reached, _ = textbook(ours, x, y)
    lowest, excess = textbook(best, x, y)
    gaps = reached / lowest - 1
    worst = int(gaps.argmax())
    points = float(reached[worst]), float(lowest[worst])
    yield check(f.name, "objective, worst relative excess of the 45 wd", *points, 1e-5, float(gaps[worst]))
    yield check(f.name, "certified relative excess of that optimum, worst of 45", float(excess.max()), 0.0, 1e-6)


def textbook(path: LogisticPath, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Objectives (G,) of fits, in float64, and how far at most they are from the optimum, relatively.

    Minimised over the biases, the objective is strongly convex in the weights, by l2: it exceeds the optimum by at most
    |g|^2 / (2 l2), g being its gradient. What the biases leave is their Newton decrement.
    """
    mean, centred = x.double().mean(0), x.double() - x.double().mean(0)
    found = []
    for w, b, decay in zip(path.weight.double(), path.bias.double(), WEIGHT_DECAYS.tolist(), strict=True):
        weight, bias = w.clone().requires_grad_(), (b + w @ mean).requires_grad_()
        l2, logits = decay / len(x), centred @ weight.T + bias
        value = cross_entropy(logits, y) + l2 / 2 * weight.square().sum()
        by_weight, by_bias = torch.autograd.grad(value, (weight, bias))
        p = logits.detach().softmax(1)
        hessian = torch.diag(p.mean(0)) - p.T @ p / len(p)
        left = by_bias @ torch.linalg.pinv(hessian, hermitian=True) @ by_bias / 2
        found.append((value.detach(), (by_weight.square().sum() / (2 * l2) + left) / value.detach()))
    return torch.stack([v for v, _ in found]), torch.stack([e for _, e in found])


def modes(f: Features) -> Iterator[Check]:
    """Test top-1 of the two modes of the linear task, which are not the same protocol: no bound."""
    found = []
    for mode in ("converged", "protocol"):
        probe = PROBES[mode](Linear(mode=mode), int(f.targets.max()) + 1)  # type: ignore[arg-type]
        best = max(probe.sweep(*train(f)), key=lambda fit: top1(fit.logits(f.val).argmax(1), f.val_targets))
        found.append(top1(probe.refit(f.bank, f.targets, best).logits(f.test).argmax(1), f.test_targets))
    yield check(f.name, "test top-1 %, converged / protocol", *found, float("inf"))


def top1(predicted: Tensor, targets: Tensor) -> float:
    return 100 * float((predicted == targets).double().mean())


CHECKS = {"protocol": protocol, "converged": converged, "modes": modes, "knn": knn, "few-shot": few_shot, "ece": ece}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--files", default="feat_*.npz", help="a pattern")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not list(args.features.glob(args.files)):
        make(args.features)
    files = [load(path) for path in sorted(args.features.glob(args.files))]
    rows = [row for name in args.only for f in files for row in CHECKS[name](f)]
    print(tabulate(rows, Check._fields, tablefmt="github", floatfmt=".4g"))
    print(f"\n{sum(row.ok for row in rows)} of {len(rows)} within their bounds")


if __name__ == "__main__":
    main()
