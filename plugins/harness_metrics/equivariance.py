"""Equivariance: can the features of a transformed image be told from the image's own and the transform?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import ViewEmbeddings
from harness.metrics import Weighted
from harness.transforms.names import NAMES

if TYPE_CHECKING:
    from torch import Tensor

COMPONENTS = 64
STRENGTHS = 12  # a decade apart, from 1e-6
ROUNDING = 1e-10  # of squares
LEAST = 8  # images: a quarter of them chooses the strength
PERIODS = {"angle": 360.0, "shift": 1.0}
NO_AMOUNT = ("seed", "order")  # parameters that are labels


@metric("equivariance_r2", accepts=ViewEmbeddings, bounds=(-math.inf, 1), higher_is_better=None)
def equivariance_r2(e: ViewEmbeddings) -> dict[str, Weighted]:
    """R^2 of ridge regression from an image's features and the transform's parameters to a view's (our definition).

    ``full``: from the features z, the parameters p and their products, so that a map linear in z may depend on p.
    ``alone``: from z alone, which an invariant encoder needs no more than. ``gain``: the share of what ``alone`` leaves
    that ``full`` explains, which tells equivariance from invariance; left out where it leaves nothing.

    All is on the 64 strongest principal components of images and views, at unit mean square. Parameters are
    standardised, angles and hues as sine and cosine. Each half of the images, taken in turns by the length of z, is
    predicted by a fit to the other, whose strength, of 12 a decade apart in 1e-6 .. 1e5, is the best of a fit to half
    of that on its rest. Raises `UndefinedError` for fewer than 8 images, constant features or parameters.
    """
    images, views = e.features.shape[:2]
    if images < LEAST:
        raise UndefinedError(f"equivariance_r2 needs {LEAST} images or more, got {images}")
    z, moved = _components(e)
    turns = z.square().sum(1).argsort(stable=True)
    z, moved = z[turns], moved[turns]
    p = _amounts(e)[turns]
    repeated = z[:, None].expand(-1, views, -1)
    full, total = _crossfit(_with_parameters(repeated, p), moved)
    alone, _ = _crossfit(repeated, moved)
    if not bool(total.sum() > 0):
        raise UndefinedError("equivariance_r2 is undefined: the features of views are constant")
    back = turns.argsort()
    full, alone, total = full[back], alone[back], total[back]
    found = {"full": _explained(full, total), "alone": _explained(alone, total)}
    if float(alone.sum()) > ROUNDING * float(total.sum()):
        found["gain"] = _explained(full, alone)
    return found


def _explained(left: Tensor, total: Tensor) -> Weighted:
    """The share of a total (N,) that is not left; undefined in draws where there is nothing to explain."""
    return Weighted(lambda w: 1 - (w @ left) / (w @ total).where(w @ total > 0, math.nan))


def _components(e: ViewEmbeddings) -> tuple[Tensor, Tensor]:
    """Principal components of images (N, K) and views (N, V, K), of unit mean square over all, float64."""
    import torch

    from harness.numerics.eigenbasis import Eigenbasis

    images, views = e.features.shape[:2]
    everything = torch.cat([e.clean, e.features.flatten(0, 1)])
    basis = Eigenbasis.of(everything)
    if not basis.axes.shape[1]:
        raise UndefinedError("equivariance_r2 is undefined: the features are constant")
    z = (everything.double() - basis.mean) @ basis.axes[:, :COMPONENTS]
    z = z / z.square().mean().sqrt()
    return z[:images], z[images:].view(images, views, -1)


def _amounts(e: ViewEmbeddings) -> Tensor:
    """(N, V, Q): the parameters that are amounts, standardised, those that do not vary left out."""
    import torch

    columns = []
    if e.family not in NAMES:
        raise UndefinedError(f"equivariance_r2 knows no parameters of the family {e.family!r}")
    for column, name in zip(e.parameters.double().unbind(2), NAMES[e.family].parameters, strict=True):
        if name in PERIODS:
            turn = column * (2 * math.pi / PERIODS[name])
            columns += [turn.cos(), turn.sin()]
        elif name not in NO_AMOUNT:
            columns.append(column)
    columns = [(c - c.mean()) / c.std() for c in columns if float(c.std()) > 1e-6 * float(c.abs().max())]
    if not columns:
        raise UndefinedError(f"equivariance_r2 is undefined: the parameters of {e.family} do not vary")
    return torch.stack(columns, 2)


def _with_parameters(z: Tensor, p: Tensor) -> Tensor:
    """z (N, V, K), p (N, V, Q) and their products, (N, V, K + Q + K Q)."""
    import torch

    return torch.cat([z, p, (z[..., None] * p[:, :, None]).flatten(2)], 2)


def _crossfit(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Squared errors (N,) of views' y (N, V, K) predicted from x (N, V, M), and about the mean of the fitted half."""
    left, total = y.new_empty(len(y)), y.new_empty(len(y))
    for half in (0, 1):
        fit, rest = slice(1 - half, None, 2), slice(half, None, 2)
        predicted = _predict(x[fit], y[fit], x[rest])
        left[rest] = (predicted - y[rest]).square().sum((1, 2))
        total[rest] = (y[fit].mean((0, 1)) - y[rest]).square().sum((1, 2))
    return left, total


def _predict(x: Tensor, y: Tensor, new: Tensor) -> Tensor:
    """y of new x, all (N, V, ...), at the strength that does best from every second image to the others."""
    import torch

    from harness.numerics.ridge import fit_ridge_path

    strengths = torch.logspace(-6, 5, STRENGTHS, dtype=torch.float64)
    path = fit_ridge_path(x[::2].flatten(0, 1), y[::2].flatten(0, 1), strengths)
    wanted = y[1::2].flatten(0, 1)
    errors = [float((path.predict(x[1::2].flatten(0, 1), g) - wanted).square().sum()) for g in range(STRENGTHS)]
    best = strengths[[errors.index(min(errors))]]
    predicted: Tensor = fit_ridge_path(x.flatten(0, 1), y.flatten(0, 1), best).predict(new.flatten(0, 1), 0)
    return predicted.unflatten(0, new.shape[:2])
