"""Decoding of pixels from embeddings: encoders that keep all of the colours, and none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.evidence import Decodings
from harness.metrics import value
from harness.tasks import Fold, TaskData
from harness.testing.worlds import MemoryImages
from harness_metrics.detail import decoding_r2
from harness_tasks.detail import Detail, pixel_targets

SIZES = {"train": 400, "val": 100, "test": 200}


def images(fold: str, side: int = 32) -> Tensor:
    """uint8 (N, 3, S, S): smooth colour fields around a colour of each image's own; channels are independent."""
    random = torch.Generator().manual_seed(len(fold))
    n = SIZES[fold]
    coarse = torch.rand(n, 3, 4, 4, generator=random) * 100 + torch.rand(n, 3, 1, 1, generator=random) * 155
    return F.interpolate(coarse, side, mode="bilinear").round().to(torch.uint8)


def decode(encode: Callable[[Tensor], Tensor]) -> dict[str, Decodings]:
    """The task's evidence for an encoder given as a function of images (N, 3, S, S) in [0, 1]."""
    folds = {}
    for name in SIZES:
        pixels = images(name)
        folds[name] = Fold(name, {("embedding", "clean"): encode(pixels.float() / 255)}, None, MemoryImages(pixels))
    return Detail().run(TaskData(folds, ("a",), False, lambda e: 0.0))


def scores(encode: Callable[[Tensor], Tensor]) -> dict[str, float]:
    return {name: value(decoding_r2, found) for name, found in decode(encode).items()}


def projection(width: int, inputs: int) -> Tensor:
    return torch.randn(inputs, width, generator=torch.Generator().manual_seed(8)) / inputs**0.5


def thumbnail(x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, 16).flatten(1)


def test_targets_are_those_of_numpy() -> None:
    pixels = images("val", 48)[:5]
    found = pixel_targets(torch.split(pixels, 2))
    for i, image in enumerate(pixels.numpy()):
        np.testing.assert_allclose(found["mean_colour"][i], image.mean((1, 2)) / 255, rtol=1e-5)
        red, green, blue = image.mean((1, 2)) / 255
        np.testing.assert_allclose(found["chroma"][i], [red - green, (red + green) / 2 - blue], atol=1e-6)
        counts = [np.histogram(channel, bins=range(0, 257, 32))[0] for channel in image]
        np.testing.assert_allclose(found["histogram"][i], np.ravel(counts) / 48**2, atol=1e-7)
        small = image.reshape(3, 16, 3, 16, 3).mean((2, 4)) / 255
        np.testing.assert_allclose(found["thumbnail"][i], small.ravel(), rtol=1e-5)
    assert [targets.shape[1] for targets in found.values()] == [3, 2, 24, 768]


def test_a_random_projection_of_the_thumbnail_decodes_it() -> None:
    weights = projection(100, 768)  # of fields with 48 degrees of freedom
    found = scores(lambda x: thumbnail(x) @ weights)
    assert found["thumbnail"] > 0.99
    assert found["mean_colour"] > 0.99


def test_a_colour_blind_encoder_decodes_brightness_but_not_colour() -> None:
    weights = projection(100, 768)
    blind = scores(lambda x: thumbnail(x.mean(1, keepdim=True).expand(-1, 3, -1, -1)) @ weights)
    seeing = scores(lambda x: thumbnail(x) @ weights)
    # of independent channels of equal variance, their mean tells a third of each one's variance
    assert blind["mean_colour"] == pytest.approx(1 / 3, abs=0.08)
    assert seeing["mean_colour"] - blind["mean_colour"] > 0.5
    assert blind["chroma"] < 0.05
    assert seeing["chroma"] > 0.95
    assert seeing["histogram"] > 2 * blind["histogram"]
    assert seeing["thumbnail"] - blind["thumbnail"] > 0.4


def test_noise_decodes_nothing() -> None:
    random = torch.Generator().manual_seed(4)
    found = scores(lambda x: torch.randn(len(x), 20, generator=random))
    assert all(-0.1 < r2 < 0.05 for r2 in found.values())


def test_constant_features_decode_nothing() -> None:
    assert all(-0.1 < r2 <= 0 for r2 in scores(lambda x: torch.ones(len(x), 4)).values())


def test_the_scale_of_the_features_means_nothing() -> None:
    weights = projection(30, 768)
    small, large = (decode(lambda x, s=s: s * (thumbnail(x) @ weights)) for s in (1e-3, 1e3))
    for name, found in small.items():
        torch.testing.assert_close(found.values, large[name].values, rtol=1e-3, atol=1e-5)


def test_evidence_is_of_the_test_images_and_has_its_own_truth() -> None:
    found = decode(thumbnail)
    assert list(found) == ["mean_colour", "chroma", "histogram", "thumbnail"]
    truth = pixel_targets([images("test")])
    for name, each in found.items():
        each.check(200, 1)
        assert torch.equal(each.truth, truth[name])
        assert torch.equal(each.join(targets=torch.zeros(200)).truth, each.truth)
    needs = Detail(view="whole").needs
    assert (needs.features, needs.encoder) == ((("embedding", "whole"),), True)
