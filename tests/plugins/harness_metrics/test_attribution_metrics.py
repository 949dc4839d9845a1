"""Metrics of attribution maps against SciPy, scikit-image and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy, spearmanr
from skimage.metrics import structural_similarity
from skimage.transform import resize
from torch import Tensor

from harness.errors import UndefinedError
from harness.evidence import Attributions
from harness.metrics import Metric, Weighted, score, value
from harness_metrics import attribution
from harness_metrics.attribution import (
    attentive_diffusion,
    attribution_energy,
    attribution_entropy,
    attribution_gini,
    attribution_rank,
    attribution_ssim,
    deletion_auc,
    insertion_auc,
    pointing_game,
)

SIDE = 16
SINGLE = (attribution_energy, pointing_game, attribution_entropy, attribution_gini, attentive_diffusion)
PAIRS = (attribution_ssim, attribution_rank)


def evidence(maps: Tensor, **fields: Any) -> Attributions:
    return Attributions(maps, torch.zeros(len(maps), 3, SIDE, SIDE, dtype=torch.uint8), **fields)


def drawn(n: int = 6, side: int = 4, seed: int = 0) -> Attributions:
    """Random maps, masks and curves."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(n, side, side, generator=generator) ** 3
    masks = (torch.rand(n, SIDE, SIDE, generator=generator) > 0.6).to(torch.uint8)
    curves = torch.rand(2, n, 17, generator=generator)
    return evidence(maps, deletion=curves[0], insertion=curves[1], masks=masks)


def cell(side: int = 4, at: tuple[int, int] = (1, 2)) -> Tensor:
    """One map with all in one cell."""
    maps = torch.zeros(1, side, side)
    maps[0, at[0], at[1]] = 3.0
    return maps


def large(maps: Tensor) -> np.ndarray:
    """Each map at the image's size, by scikit-image."""
    made = [resize(m, (SIDE, SIDE), order=1, mode="edge", anti_aliasing=False) for m in maps.double().numpy()]
    return np.stack(made)


def of_images(metric: Metric, *given: Attributions) -> Tensor:
    found = metric(*given)
    assert isinstance(found, Tensor)
    assert found.shape == (len(given[0]),)
    return found


def test_energy_is_the_share_within_the_mask() -> None:
    e = drawn()
    assert e.masks is not None
    maps, masks = large(e.maps), e.masks.numpy()
    expected = 100 * (maps * masks).sum((1, 2)) / maps.sum((1, 2))
    assert np.abs(of_images(attribution_energy, e).numpy() - expected).max() < 1e-5
    flat = replace(e, maps=torch.full((6, 4, 4), 0.3))
    assert np.abs(of_images(attribution_energy, flat).numpy() - 100 * masks.mean((1, 2))).max() < 1e-5


def test_pointing_game_asks_where_the_maximum_is() -> None:
    maps = torch.cat([cell(SIDE, (3, 5)), cell(SIDE, (3, 6)), torch.full((1, SIDE, SIDE), 0.1)])
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    masks[:, :4, :6] = 1
    found = of_images(pointing_game, evidence(maps, masks=masks))
    assert found.tolist() == [100.0, 0.0, pytest.approx(100 * 24 / SIDE**2)]


def test_entropy_is_scipys_and_goes_from_one_cell_to_all_alike() -> None:
    e = drawn()
    expected = entropy(e.maps.flatten(1).double().numpy(), axis=1) / np.log(16)
    assert np.abs(of_images(attribution_entropy, e).numpy() - expected).max() < 1e-9
    ends = of_images(attribution_entropy, evidence(torch.cat([cell(), torch.full((1, 4, 4), 0.3)])))
    assert ends.tolist() == pytest.approx([0.0, 1.0], abs=1e-12)
    with pytest.raises(UndefinedError, match="maps of one cell"):
        attribution_entropy(evidence(torch.ones(2, 1, 1)))


def test_gini_is_half_the_relative_mean_difference() -> None:
    e = drawn()
    x = e.maps.flatten(1).double()
    expected = (x[:, :, None] - x[:, None, :]).abs().mean((1, 2)) / (2 * x.mean(1))
    torch.testing.assert_close(of_images(attribution_gini, e), expected, rtol=1e-9, atol=1e-9)
    ends = of_images(attribution_gini, evidence(torch.cat([cell(), torch.full((1, 4, 4), 0.3)])))
    assert ends.tolist() == pytest.approx([1 - 1 / 16, 0.0], abs=1e-7)


def test_attentive_diffusion_counts_cells_above_the_mean() -> None:
    maps = torch.cat([cell(), torch.full((1, 4, 4), 0.5), torch.arange(16.0).view(1, 4, 4)])
    assert of_images(attentive_diffusion, evidence(maps)).tolist() == [6.25, 0.0, 50.0]


def test_areas_are_under_the_curves() -> None:
    e = drawn()
    assert e.deletion is not None
    expected = [100 * np.trapezoid(curve, np.linspace(0, 1, 17)) for curve in e.deletion.double().numpy()]
    assert of_images(deletion_auc, e).tolist() == pytest.approx(expected)
    falling = torch.linspace(1, 0, 17).expand(2, 17)
    both = evidence(cell().expand(2, 4, 4), deletion=falling, insertion=torch.full((2, 17), 0.25))
    assert of_images(deletion_auc, both).tolist() == pytest.approx([50.0, 50.0])
    assert of_images(insertion_auc, both).tolist() == pytest.approx([25.0, 25.0])
    assert not deletion_auc.higher_is_better
    assert insertion_auc.higher_is_better
    assert [metric.higher_is_better for metric in PAIRS] == [None, None]  # that two models agree is no merit
    for metric in (deletion_auc, insertion_auc):
        with pytest.raises(UndefinedError, match="explain no class"):
            metric(evidence(cell()))


def scaled(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / (high - low)


def test_similarity_is_scikit_images() -> None:
    a, b = drawn(), drawn(seed=1, side=5)
    pairs = zip(scaled(large(a.maps)), scaled(large(b.maps)), strict=True)
    expected = [structural_similarity(x, y, data_range=1.0) for x, y in pairs]
    assert of_images(attribution_ssim, a, b).tolist() == pytest.approx(expected, abs=1e-6)
    assert of_images(attribution_ssim, a, a).tolist() == pytest.approx([1.0] * 6)
    brighter = replace(a, maps=2 * a.maps + 1)
    torch.testing.assert_close(attribution_ssim(brighter, b), attribution_ssim(a, b), rtol=1e-5, atol=1e-5)


def test_rank_agreement_is_spearmans() -> None:
    a, b = drawn(), drawn(seed=1, side=5)
    expected = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(large(a.maps), large(b.maps), strict=True)]
    assert of_images(attribution_rank, a, b).tolist() == pytest.approx(expected, abs=1e-4)
    at_size = [replace(e, maps=torch.from_numpy(large(e.maps))) for e in (a, b)]
    exact = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(*(e.maps.numpy() for e in at_size), strict=True)]
    assert of_images(attribution_rank, *at_size).tolist() == pytest.approx(exact, abs=1e-12)
    assert of_images(attribution_rank, at_size[0], replace(at_size[0], maps=-at_size[0].maps.exp())).tolist() == (
        pytest.approx([-1.0] * 6)
    )


@pytest.mark.parametrize("metric", PAIRS, ids=lambda metric: metric.name)
def test_pairs_are_symmetric_and_take_unlike_images(metric: Metric) -> None:
    a, b = drawn(), drawn(seed=1, side=7)
    b = replace(b, images=torch.zeros(6, 3, 2 * SIDE, 2 * SIDE, dtype=torch.uint8))
    torch.testing.assert_close(metric(a, b), metric(b, a))
    torch.testing.assert_close(metric(a, b), metric(a, replace(b, images=a.images)))


def test_windows_need_seven_pixels() -> None:
    a = replace(drawn(), images=torch.zeros(6, 3, 6, 6, dtype=torch.uint8))
    with pytest.raises(UndefinedError, match="smaller than 7 pixels"):
        attribution_ssim(a, a)


@pytest.mark.parametrize("metric", SINGLE[:4], ids=lambda metric: metric.name)
def test_maps_of_nothing_are_left_out(metric: Metric) -> None:
    e, kept = drawn(), torch.tensor([0, 2, 3, 5])
    e.maps[[1, 4]] = 0
    found = metric(e)
    assert isinstance(found, Weighted)
    assert score(metric, e).value == pytest.approx(value(metric, e.take(kept)))
    assert score(metric, e).low is not None
    with pytest.raises(UndefinedError, match=f"{metric.name} is undefined"):
        metric(e.take(torch.tensor([1, 4])))


@pytest.mark.parametrize("metric", PAIRS, ids=lambda metric: metric.name)
def test_a_constant_map_agrees_with_nothing(metric: Metric) -> None:
    a, b = drawn(), drawn(seed=1)
    a.maps[0], b.maps[1] = 0.7, 0.0
    kept = torch.arange(2, 6)
    assert score(metric, a, b).value == pytest.approx(value(metric, a.take(kept), b.take(kept)))


@pytest.mark.parametrize("metric", [attribution_energy, pointing_game], ids=lambda metric: metric.name)
def test_without_masks_or_with_empty_ones(metric: Metric) -> None:
    e = drawn()
    with pytest.raises(UndefinedError, match="no masks of the objects"):
        metric(replace(e, masks=None))
    assert e.masks is not None
    e.masks[0] = 0
    assert score(metric, e).value == pytest.approx(value(metric, e.take(torch.arange(1, 6))))


@pytest.mark.parametrize("metric", [*SINGLE, deletion_auc, insertion_auc, *PAIRS], ids=lambda metric: metric.name)
def test_they_conform(metric: Metric, conforms: Callable[[Any], None]) -> None:
    conforms(metric)


def test_all_metrics_are_named_here() -> None:
    found = {name for name, thing in vars(attribution).items() if isinstance(thing, Metric)}
    assert found == {metric.name for metric in (*SINGLE, deletion_auc, insertion_auc, *PAIRS)}
