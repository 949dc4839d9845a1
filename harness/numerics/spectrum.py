"""What the eigenvalues of features' second moments tell: how many directions are used, and how evenly.

All in float64: besides the features, copies of at most three times their number of values are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from harness.errors import UndefinedError
from harness.numerics.eigenbasis import ROWS, above_rounding, second_moments
from harness.numerics.influence import Estimate, estimate


def principal(x: Tensor, mean: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the R nonzero eigenvalues of the second moments X'X / N, descending, (R,), and X on their axes, (N, R).

    By one float64 eigendecomposition of the smaller of X'X and XX'. An eigenvalue counts as zero when it is no more
    than the rounding of that and of the centring.

    Args:
        x: (N, D).
        mean: (D,) float64, subtracted from each row first; nothing is without it.
    """
    shift = x.new_zeros(x.shape[1], dtype=torch.float64) if mean is None else mean
    if len(x) < x.shape[1]:
        centred = x.double() - shift
        values, images = torch.linalg.eigh(centred @ centred.T / len(x))
        kept = above_rounding(values, shift)
        values, images = values[kept].flip(0), images[:, kept].flip(1)
        return values, images.mul_((len(x) * values).sqrt())
    values, axes = torch.linalg.eigh(second_moments(x, shift))
    kept = above_rounding(values, shift)
    axes = axes[:, kept].flip(1)
    return values[kept].flip(0), torch.cat([(block - shift) @ axes for block in torch.split(x, ROWS)])


def entropy_rank(x: Tensor, epsilon: float) -> Estimate:
    """Return exp(-sum p log p), p = singular values / their sum + epsilon, of the features (N, D) as they are.

    Roy & Vetterli, The effective rank, EUSIPCO 2007, with epsilon 0; Garrido et al., RankMe, ICML 2023, equation 1,
    with 1e-7. The sum is over all min(N, D) singular values, zeros included.

    Raises `UndefinedError` where all features are zero.
    """
    values, projections = principal(x)
    if not len(values):
        raise UndefinedError("the rank of features that are all zero is undefined")
    return _estimate(values, projections.square(), lambda v: _perplexity(v.sqrt(), min(x.shape), epsilon))


def power_law(x: Tensor, first: int, last: int) -> Estimate:
    """Return alpha of the power law rank^-alpha that the eigenvalues of the covariance of features (N, D) follow.

    Agrawal et al., alpha-ReQ, NeurIPS 2022: minus the least-squares slope of log eigenvalue in log rank, here over the
    ranks `first` to `last`, counted from 1.

    Raises `UndefinedError` for fewer than `last` directions with variance.
    """
    values, projections = principal(x, x.mean(0, dtype=torch.float64))
    if len(values) < last:
        raise UndefinedError(f"the fit is over ranks {first} to {last}, the features have {len(values)}")
    rank = torch.arange(first, last + 1, dtype=torch.float64).log()
    rank = (rank - rank.mean()) / (rank - rank.mean()).square().sum()
    fitted = slice(first - 1, last)
    return _estimate(values[fitted], projections[:, fitted].square(), lambda v: -(rank @ v.log()))


def lidar(x: Tensor, delta: float, epsilon: float) -> Estimate:
    """Return LiDAR of the features (N, V, D) of V views of N images: Thilak et al., LiDAR, ICLR 2024, section 3.

    That is exp(-sum p log p), p = eigenvalues / their sum + epsilon, of the D x D matrix that linear discriminant
    analysis with a class for each image diagonalises: S_w^-1/2 S_b S_w^-1/2, S_b the covariance of the images' means,
    S_w that of the views within images plus `delta` on the diagonal. Delta has the unit of the features' squares.

    Raises `UndefinedError` for fewer than two views or means that are all equal, and where `delta` is lost in rounding.
    """
    if x.shape[1] < 2:
        raise UndefinedError(f"LiDAR needs two views of each image, got {x.shape[1]}")
    means = x.mean(1, dtype=torch.float64)
    within = delta * torch.eye(x.shape[2], dtype=torch.float64)
    for _, deviations in _within(x, means):
        within.addmm_(deviations.T, deviations, alpha=1 / (len(x) * x.shape[1]))
    factor, failed = torch.linalg.cholesky_ex(within)
    if failed:
        raise UndefinedError(f"the covariance within images is singular, {delta:g} on its diagonal notwithstanding")
    overall = means.mean(0)
    whitened = torch.linalg.solve_triangular(factor, (means - overall).T, upper=False).T
    values, projections = principal(whitened)
    if not len(values) or not bool((means - overall).abs().amax() > 1e-12 * means.abs().amax()):
        raise UndefinedError("LiDAR is undefined: all images have the same mean over views")

    count, slopes = x.shape[2], _slopes(values, lambda v: _perplexity(v, x.shape[2], epsilon))
    whitened_axes = whitened.T @ projections / (len(x) * values)
    axes = torch.linalg.solve_triangular(factor.T, whitened_axes, upper=True)
    spread = [
        ((deviations @ axes).square() @ (slopes * values)).view(images, -1).mean(1)
        for images, deviations in _within(x, means)
    ]
    found = float(_perplexity(values, count, epsilon))
    return estimate(found, projections.square() @ slopes - torch.cat(spread))


def _within(x: Tensor, means: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield, for b images at a time, b and their views' features minus the image's mean (b * V, D), float64."""
    rows = max(1, ROWS // x.shape[1])
    for block, mean in zip(torch.split(x, rows), torch.split(means, rows), strict=True):
        yield len(block), (block - mean[:, None]).flatten(0, 1)


def _perplexity(values: Tensor, count: int, epsilon: float) -> Tensor:
    """Return exp(-sum p log p), p = value / sum + epsilon, of positive values (R,) and `count` - R zeros."""
    p = torch.cat([values / values.sum(), values.new_zeros(count - len(values))]) + epsilon
    return (-torch.xlogy(p, p).sum()).exp()


def _estimate(values: Tensor, squares: Tensor, statistic: Callable[[Tensor], Tensor]) -> Estimate:
    """Return a statistic of eigenvalues (R,), which change in an image's weight as its squared projections, (N, R)."""
    return estimate(float(statistic(values)), squares @ _slopes(values, statistic))


def _slopes(values: Tensor, statistic: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the derivatives of a statistic in its arguments (R,)."""
    with torch.enable_grad():
        moving = values.detach().clone().requires_grad_()
        return torch.autograd.grad(statistic(moving), moving)[0]
