"""Deletion and insertion curves against a loop over pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from harness.encoder import ModuleEncoder
from harness.models import Preprocess
from harness_tasks.attribution.classifier import Classifier
from harness_tasks.attribution.deletion import blur, curves

SIDE = 8


def images(n: int, size: int = SIDE) -> Tensor:
    return torch.randint(0, 256, (n, 3, size, size), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)


def classifier(multilabel: bool = False) -> Classifier:
    torch.manual_seed(4)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    encoder = ModuleEncoder(module, Preprocess(size=SIDE, crop=1.0)).eval()
    return Classifier(encoder, torch.randn(3, 4), torch.randn(3), multilabel)


@pytest.mark.parametrize("multilabel", [False, True])
def test_pixels_go_and_come_in_the_order_of_the_map(multilabel: bool) -> None:
    of, shown = classifier(multilabel), images(2)
    maps, classes = torch.rand(2, SIDE, SIDE, generator=torch.Generator().manual_seed(5)), torch.tensor([2, 0])
    deletion, insertion = curves(of, shown, maps, classes)
    blurred = blur(shown)
    for at in range(2):
        order = sorted(range(SIDE * SIDE), key=lambda p: -float(maps[at].flatten()[p]))
        mean = shown[at].double().mean((1, 2)).round().to(torch.uint8)
        for step in range(17):
            gone, come = shown[at].clone(), blurred[at].clone()
            for p in order[: 4 * step]:
                gone[:, p // SIDE, p % SIDE] = mean
                come[:, p // SIDE, p % SIDE] = shown[at, :, p // SIDE, p % SIDE]
            for changed, curve in ((gone, deletion), (come, insertion)):
                with torch.no_grad():
                    logits = of.encoder(changed[None])["embedding"][0] @ of.weight.T + of.bias
                wanted = (logits.sigmoid() if multilabel else logits.softmax(0))[classes[at]]
                assert float(curve[at, step]) == pytest.approx(float(wanted), abs=1e-6)


def test_a_coarse_map_is_brought_to_the_image_and_ties_go_row_by_row() -> None:
    of, shown, classes = classifier(), images(1), torch.tensor([1])
    coarse = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    fine = torch.nn.functional.interpolate(coarse[None], (SIDE, SIDE), mode="bilinear")[0]
    for a, b in zip(curves(of, shown, coarse, classes), curves(of, shown, fine, classes), strict=True):
        assert torch.equal(a, b)
    flat, falling = torch.ones(1, SIDE, SIDE), torch.arange(64, 0, -1).view(1, SIDE, SIDE).float()
    for a, b in zip(curves(of, shown, flat, classes), curves(of, shown, falling, classes), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("size", "sigma"), [(32, 5.0), (224, 5.0), (448, 10.0)])
def test_the_blur_is_a_gaussian_cut_off_at_one_standard_deviation(size: int, sigma: float) -> None:
    shown = images(1, size)
    expected = [
        gaussian_filter(c.astype(np.float64), sigma, mode="mirror", radius=round(sigma)) for c in shown[0].numpy()
    ]
    assert np.abs(blur(shown)[0].numpy() - np.stack(expected)).max() <= 1
