"""Intervals of influences against closed forms, and against changing each image's weight."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from harness.numerics import spectrum, transferability
from harness.numerics.influence import Estimate, estimate

IMAGES, COPIES = 40, 25
Statistic = Callable[[Tensor, Tensor], Estimate]


def test_the_mean_has_its_textbook_interval() -> None:
    x = torch.randn(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 3
    found = estimate(float(x.mean()), x)
    half = 1.96 * float(x.std(correction=0)) / 200**0.5
    assert found == pytest.approx((float(x.mean()), float(x.mean()) - half, float(x.mean()) + half))


def test_images_in_cliques_of_neighbours_count_as_one() -> None:
    """Three copies of each value, neighbours of each other, tell no more than one."""
    x = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    place = torch.arange(180).view(60, 3)
    others = torch.stack([place.roll(shift, 1) for shift in (1, 2)], 2).view(180, 2)
    once, thrice = estimate(0.0, x), estimate(0.0, x.repeat_interleave(3), others)
    assert thrice.high == pytest.approx(once.high)
    assert estimate(0.0, x.repeat_interleave(3)).high == pytest.approx(once.high / 3**0.5)


def wide(x: Tensor, y: Tensor) -> Estimate:
    return spectrum.entropy_rank(x.repeat(1, 10) * torch.linspace(1, 2, 60), 1e-7)


STATISTICS: dict[str, Statistic] = {
    "rankme": lambda x, y: spectrum.entropy_rank(x, 1e-7),
    "effective rank": lambda x, y: spectrum.entropy_rank(x, 0.0),
    "rank of fewer images than features": wide,
    "alpha": lambda x, y: spectrum.power_law(x, 2, 5),
    "lidar": lambda x, y: spectrum.lidar(x.view(len(x), 3, 2), 0.3, 1e-7),
    "class separation": transferability.class_separation,
}


@pytest.mark.parametrize("name", STATISTICS)
def test_half_widths_are_those_of_the_images_weights(name: str) -> None:
    """Of 25 copies of an image, one more or one less changes its weight by a 25th: a derivative by differences."""
    of, generator = STATISTICS[name], torch.Generator().manual_seed(1)
    y = torch.arange(IMAGES) % 3
    x = torch.randn(IMAGES, 6, generator=generator, dtype=torch.float64) * torch.linspace(1, 3, 6) + 1
    x += torch.nn.functional.one_hot(y, 6)
    many = torch.arange(IMAGES).repeat(COPIES)
    influence = torch.zeros(IMAGES)
    for i in range(IMAGES):
        more, less = torch.cat([many, many[i : i + 1]]), torch.cat([many[:i], many[i + 1 :]])
        influence[i] = (of(x[more], y[more]).value - of(x[less], y[less]).value) * len(many) / 2
    found = of(x[many], y[many])
    half = 1.96 * float((influence - influence.mean()).norm()) / (IMAGES * COPIES**0.5)
    assert found.high - found.value == pytest.approx(half, rel=2e-3)
    assert found.value - found.low == pytest.approx(found.high - found.value)
