"""The deep image prior: the published network, and inversions whose answer is known."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from harness.encoder import Encoder, ModuleEncoder
from harness.errors import HarnessError
from harness.models import PRESETS, Preprocess
from harness_tasks.inversion.prior import Prior, invert, normalise
from harness_tasks.inversion.skip import CHANNELS, SkipNet, depth_of, side_of


def identity(**preprocess: object) -> Encoder:
    """An encoder whose layer ``map`` is the normalised image."""
    net = nn.Sequential(OrderedDict(map=nn.AvgPool2d(1)))
    return ModuleEncoder(net, Preprocess(size=32, crop=1.0, **preprocess)).eval()


def ramps(size: int = 32) -> Tensor:
    """uint8 (3, S, S): red grows to the right, green downwards, blue falls to the right."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([x * 8, y * 8, 255 - x * 8]).to(torch.uint8)


def test_at_224_pixels_it_is_the_published_network() -> None:
    assert (depth_of(224), side_of(224, 6)) == (6, 256)
    assert sum(p.numel() for p in SkipNet(6).parameters()) == 2_606_763  # counted in the authors' released network
    prior = Prior(224, seed=0)
    assert prior.noise.shape == (1, 32, 256, 256)
    assert 0 <= float(prior.noise.min()) < 1e-6
    assert 0.1 - 1e-6 < float(prior.noise.max()) <= 0.1
    assert prior().shape == (1, 3, 224, 224)
    assert not any(isinstance(m, nn.Sigmoid | nn.Tanh) for m in prior.modules())


def test_the_image_is_the_top_left_of_what_the_network_makes() -> None:
    prior = Prior(30, seed=1)
    standardised = prior.net(prior.noise)[:, :, :30, :30]
    mean, std = ((torch.tensor(v).view(3, 1, 1)) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(prior(), standardised * std + mean)
    assert prior.noise.shape[-1] == 32


@pytest.mark.parametrize(("size", "depth", "side"), [(8, 1, 8), (30, 3, 32), (32, 3, 32), (96, 4, 96), (384, 6, 384)])
def test_small_inputs_are_halved_less_often(size: int, depth: int, side: int) -> None:
    assert (depth_of(size), side_of(size, depth)) == (depth, side)
    assert side >> depth >= 4
    assert side_of(size, depth + 1) >> (depth + 1) < 4 or depth == len(CHANNELS)
    assert Prior(size, seed=0)().shape == (1, 3, size, size)


NORMALISATIONS = {
    "imagenet": {},
    "bgr": {"channels": "BGR"},
    "caffe": PRESETS["imagenet-caffe"].model_dump(include={"mean", "std", "channels"}),
}


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_images_are_normalised_as_the_encoder_does_it(name: str) -> None:
    encoder, image = identity(**NORMALISATIONS[name]), ramps()[None]
    torch.testing.assert_close(normalise(encoder, image / 255), encoder.normalise(image))


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_an_encoder_that_keeps_all_gives_the_image_back(name: str) -> None:
    losses: list[Tensor] = []
    rebuilt = invert(identity(**NORMALISATIONS[name]), "map", ramps(), 0, 160, 1e-3, losses.append)
    assert len(losses) == 160
    assert losses[-1] < 0.02 * losses[0]
    assert (rebuilt.float() - ramps().float()).square().mean() < 50  # of 65025


def test_an_encoder_blind_to_colour_gives_the_grey_image_back_and_not_the_colours() -> None:
    class Grey(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(1, keepdim=True).expand(-1, 3, -1, -1)

    plain = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    encoder = ModuleEncoder(nn.Sequential(OrderedDict(map=Grey())), Preprocess(size=32, crop=1.0, **plain)).eval()
    rebuilt = invert(encoder, "map", ramps(), 0, 160, 1e-3, lambda loss: None).float()
    colours = (rebuilt - ramps().float()).square().mean()
    luminance = (rebuilt.mean(0) - ramps().float().mean(0)).square().mean()
    assert luminance < 100
    assert colours > 20 * luminance


def test_it_neither_uses_nor_changes_the_global_random_numbers() -> None:
    def run() -> Tensor:
        return invert(identity(), "map", ramps(), 5, 3, 1e-3, lambda loss: None)

    torch.manual_seed(1)
    first, after = run(), torch.rand(1)
    torch.manual_seed(1)
    assert after == torch.rand(1)
    assert torch.equal(first, run())
    other = invert(identity(), "map", ramps(), 6, 3, 1e-3, lambda loss: None)
    assert not torch.equal(first, other)


def test_it_is_computed_in_float32_under_autocast() -> None:
    def run() -> Tensor:
        return invert(identity(), "map", ramps(), 5, 3, 1e-3, lambda loss: None)

    with torch.autocast("cpu", torch.bfloat16):
        half = run()
    assert torch.equal(half, run())


def test_a_divergence_is_an_error() -> None:
    with pytest.raises(HarnessError, match="diverged; give a smaller lr than 1e\\+20"):
        invert(identity(), "map", ramps(), 0, 6, 1e20, lambda loss: None)
