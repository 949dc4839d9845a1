"""Intervals from the influence of each image, by the jackknife, infinitesimal or not: Efron, The Jackknife, the
Bootstrap and Other Resampling Plans, 1982, chapters 3 and 6.

The influence is N times the derivative of a statistic in the image's weight; or N - 1 times what its absence takes
away, where a formula tells. All N take about as long as the statistic itself, which a bootstrap computes a thousand
times; and copies of an image, which resamples are full of, never occur: ranks and neighbours do not bear them.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

NORMAL = 1.96


class Estimate(NamedTuple):
    """A statistic of N images with its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(value: float, influence: Tensor, neighbours: Tensor | None = None) -> Estimate:
    """Return the value plus and minus 1.96 standard errors: the root of the summed squares of the influences, over N.

    Where influences depend on the images' neighbours, those of images that share neighbours go together. They are then
    taken to correlate by the share of their neighbourhoods that is common (our choice, after Conley 1999, GMM
    estimation with cross sectional dependence): each is spread evenly over the image and its neighbours.

    Args:
        influence: (N,) float64, up to a constant.
        neighbours: (N, k) indices.
    """
    centred = influence - influence.mean()
    if neighbours is not None:
        width = neighbours.shape[1]
        spread = centred.index_add(0, neighbours.reshape(-1), centred.repeat_interleave(width))
        centred = spread / (width + 1) ** 0.5
    half = NORMAL * float(centred.square().sum().sqrt()) / len(influence)
    return Estimate(value, value - half, value + half)
