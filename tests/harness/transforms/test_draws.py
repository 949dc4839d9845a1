"""Parameters of views: published grids, low-discrepancy sets, random draws."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop

from harness.transforms import FAMILIES

RANDOM = ("simclr", "crop", "colour")


@pytest.mark.parametrize("name", FAMILIES)
def test_shapes_are_those_declared(name: str) -> None:
    family = FAMILIES[name]
    for n in (1, 5, family.count):
        if family.limit is None or n <= family.limit:
            drawn = family.draw(n, 3)
            assert drawn.shape == (n, len(family.parameters))
            assert drawn.dtype == torch.float32
            assert drawn.equal(family.draw(n, 3))
            assert drawn.equal(family.draw(n, 4)) != family.seeded


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rotation", [0, 90, 180, 270]),
        ("scale", [0.25, 5 / 6, 17 / 12, 2]),
        ("brightness", [0.25, 11 / 6, 41 / 12, 5]),
        ("hue", [-0.5, -1 / 6, 1 / 6, 0.5]),
        ("posterize", [1, 3, 5, 7]),
        ("solarize", [0, 85, 170, 255]),
        ("jpeg", [100, 68, 37, 5]),
        ("blur", [1e-5, 20 / 3, 40 / 3, 20]),
        ("sharpness", [1, 32 / 3, 61 / 3, 30]),
    ],
)
def test_a_line_is_evenly_spaced(name: str, values: list[float]) -> None:
    torch.testing.assert_close(FAMILIES[name].draw(4, 0)[:, 0], torch.tensor(values).float(), rtol=1e-4, atol=1e-4)


def test_256_are_the_published_grids() -> None:
    """As the released code of 2111.11398 lists them, lengths as parts of its 224 and 256 pixels."""
    torch.testing.assert_close(FAMILIES["rotation"].draw(256, 0)[:, 0], torch.linspace(0, 360, 257)[:256])
    shift = torch.linspace(-16, 16, 17)[:16] / 224
    torch.testing.assert_close(FAMILIES["translation"].draw(256, 0), torch.cartesian_prod(shift, shift))
    shear = torch.linspace(-160, 160, 17)[:16]
    torch.testing.assert_close(FAMILIES["shear"].draw(256, 0), torch.cartesian_prod(shear, shear))
    offset, side = torch.linspace(0, 0.25, 4), torch.linspace(0.75, 0.25, 4)
    boxes = torch.cartesian_prod(offset, offset, side, side)
    torch.testing.assert_close(FAMILIES["resized_crop"].draw(256, 0), boxes)


@pytest.mark.parametrize(("name", "n"), [("translation", 16), ("shear", 9), ("resized_crop", 16)])
def test_a_perfect_power_is_a_full_grid(name: str, n: int) -> None:
    drawn = FAMILIES[name].draw(n, 0)
    assert math.prod(len(column.unique()) for column in drawn.T) == n == len(drawn.unique(dim=0))


@pytest.mark.parametrize(("name", "low", "high"), [("translation", -1 / 14, 1 / 14), ("shear", -160, 160)])
def test_other_numbers_fill_the_box_evenly(name: str, low: float, high: float) -> None:
    drawn = (FAMILIES[name].draw(50, 0) - low) / (high - low)
    assert 0 <= drawn.min() < 0.1
    assert 0.9 < drawn.max() <= 1
    cells = (drawn * 5).long().clamp(max=4)
    assert len((cells[:, 0] * 5 + cells[:, 1]).unique()) >= 24  # of 25, where a random set leaves some 3 empty
    nearest = torch.cdist(drawn, drawn).fill_diagonal_(9).min(1).values
    assert nearest.min() > 0.5 / math.sqrt(50)


@pytest.mark.parametrize("name", RANDOM)
def test_the_first_draws_do_not_depend_on_how_many(name: str) -> None:
    draw = FAMILIES[name].draw
    assert draw(7, 5).equal(draw(50, 5)[:7])


@pytest.mark.parametrize("name", ["elastic", "noise"])
def test_strengths_are_the_same_for_all_images_and_seeds_are_not(name: str) -> None:
    one, other = FAMILIES[name].draw(20, 1), FAMILIES[name].draw(20, 2)
    assert one[:, 0].equal(other[:, 0])
    assert len(torch.cat([one[:, 1], other[:, 1]]).unique()) == 40
    assert one[:, 1].equal(one[:, 1].round())


def test_simclr_is_drawn_as_published() -> None:
    """Shares and ranges over 20,000 draws; five standard errors; boxes as torchvision draws them."""
    n = 20_000
    drawn = FAMILIES["simclr"].draw(n, 0).double()
    top, left, height, width, flip, brightness, contrast, saturation, hue, order, gray, sigma = drawn.T
    for share, wanted in ((flip, 0.5), (gray, 0.2), (sigma > 0, 0.5), (brightness != 1, 0.8), (hue != 0, 0.8)):
        assert abs(share.double().mean() - wanted) < 5 * math.sqrt(wanted * (1 - wanted) / n)
    on = brightness != 1
    for factor in (brightness[on], contrast[on], saturation[on]):
        assert 0.2 <= factor.min() < 0.21
        assert 1.79 < factor.max() <= 1.8
    assert -0.2 <= hue.min() < -0.199
    assert 0.199 < hue.max() <= 0.2
    assert set(order[on].tolist()) == set(range(24))
    assert sigma[sigma > 0].min() >= 0.1
    assert sigma.max() <= 2
    area, ratio = height * width, width / height
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height).max() <= 1 + 1e-6
    assert (left + width).max() <= 1 + 1e-6
    assert 0.08 - 1e-6 <= area.min() < 0.085
    assert 0.75 - 1e-6 <= ratio.min() < 0.76
    assert 1.32 < ratio.max() <= 4 / 3 + 1e-6
    torch.manual_seed(0)
    picture = torch.empty(1, 1000, 1000)
    boxes = [RandomResizedCrop.get_params(picture, [0.08, 1], [3 / 4, 4 / 3]) for _ in range(2000)]
    peer = torch.tensor(boxes, dtype=torch.float64) / 1000
    assert ks_2samp(area, peer[:, 2] * peer[:, 3]).statistic < 0.04
    assert ks_2samp(ratio, peer[:, 3] / peer[:, 2]).statistic < 0.04
    assert ks_2samp(top, peer[:, 0]).statistic < 0.04
    assert ks_2samp(left, peer[:, 1]).statistic < 0.04
