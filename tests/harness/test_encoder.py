"""Encoders: normalised once and sealed; layers tapped by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.encoder import Encoder, FeatureMap, ModuleEncoder
from harness.errors import HarnessError
from harness.models import PRESETS, Preprocess

PLAIN = Preprocess(size=16, crop=1.0, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))


def pixels(n: int = 4, side: int = 16) -> Tensor:
    return torch.randint(256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2, 1)
        self.relu = nn.ReLU(inplace=inplace)
        self.block = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU(inplace=inplace))
        self.unused = nn.Linear(2, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.block(self.relu(self.conv(x)))).flatten(1)


def net(inplace: bool = True) -> Net:
    torch.manual_seed(0)
    return Net(inplace).eval()


class Mean(Encoder):
    preprocess = PLAIN

    def embed(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def test_pixels_are_normalised_exactly_once() -> None:
    x = pixels()
    reference = (x.numpy().astype(np.float64) / 255 - np.array(PLAIN.mean).reshape(3, 1, 1)) / np.array(
        PLAIN.std
    ).reshape(3, 1, 1)
    np.testing.assert_allclose(Mean()(x)["embedding"].numpy(), reference.mean((2, 3)), rtol=1e-5)


def test_bgr_encoders_get_bgr() -> None:
    class Caffe(Mean):
        preprocess = PRESETS["imagenet-caffe"]

    x = pixels()
    blue_first = x.float().flip(1).mean((2, 3)) - torch.tensor([103.939, 116.779, 123.68])
    assert torch.allclose(Caffe()(x)["embedding"], blue_first, atol=1e-2)


@pytest.mark.parametrize("name", ["forward", "normalise"])
def test_normalisation_is_sealed(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Own overrides the sealed {name}\(\): implement embed\(\) instead"):
        type("Own", (Encoder,), {name: lambda self, x: x})


@pytest.mark.parametrize("x", [torch.zeros(2, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8),
                               torch.zeros(2, 1, 8, 8, dtype=torch.uint8)])  # fmt: skip
def test_an_encoder_takes_uint8_pixels_only(x: Tensor) -> None:
    with pytest.raises(HarnessError, match=r"takes uint8 pixels \(N, 3, S, S\)"):
        Mean()(x)


def test_what_an_encoder_does_not_implement() -> None:
    class Empty(Encoder):
        preprocess = PLAIN

    with pytest.raises(HarnessError, match=r"Empty does not implement embed\(\)"):
        Empty()(pixels())
    with pytest.raises(HarnessError, match="Mean has no layer 'deep': only embedding"):
        Mean()(pixels(), ("embedding", "deep"))
    with pytest.raises(HarnessError, match="Mean has no spatial feature maps"):
        Mean().feature_maps(torch.zeros(1, 3, 16, 16))


def test_pooling_is_the_mean_over_space_or_tokens() -> None:
    maps, tokens, rows = torch.randn(2, 3, 4, 5), torch.randn(2, 7, 3), torch.randn(2, 3)
    assert torch.allclose(Mean().pool(maps, "l"), maps.mean((2, 3)), atol=1e-6)
    assert torch.allclose(Mean().pool(tokens, "l"), tokens.mean(1))
    assert torch.equal(Mean().pool(rows, "l"), rows)


def test_layers_are_the_names_of_submodules() -> None:
    encoder = ModuleEncoder(net(), PLAIN)
    assert encoder.layers == ("conv", "relu", "block", "unused", "pool", "embedding")
    assert ModuleEncoder(net(), PLAIN, ["block.0"]).layers == ("block.0", "embedding")
    assert ModuleEncoder(net(), PLAIN, ["embedding", "conv"]).layers == ("conv", "embedding")


@torch.inference_mode()
def test_taps_are_not_changed_by_what_follows_in_place() -> None:
    x = pixels()
    layers = ("conv", "relu", "block.0", "block", "embedding")
    inplace, apart = (ModuleEncoder(net(kind), PLAIN)(x, layers) for kind in (True, False))
    assert list(inplace) == list(layers)
    for layer in layers:
        assert torch.equal(inplace[layer], apart[layer]), layer
    assert bool((inplace["conv"] < 0).any())
    assert torch.equal(inplace["conv"].clamp(min=0), inplace["relu"])
    assert inplace["conv"].shape == (4, 6, 8, 8)
    assert inplace["embedding"].shape == (4, 8)


@torch.inference_mode()
def test_taps_are_removed() -> None:
    encoder = ModuleEncoder(net(), PLAIN)
    encoder(pixels(), ("conv",))
    with pytest.raises(HarnessError):
        encoder(pixels(), ("conv", "nowhere"))
    assert not any(module._forward_hooks for module in encoder.modules())


@torch.inference_mode()
def test_aliases() -> None:
    encoder = ModuleEncoder(net(), PLAIN, ["early"], {"early": "block.0"})
    assert torch.equal(encoder(pixels(), ("early",))["early"], encoder(pixels(), ("block.0",))["block.0"])


def test_an_unknown_layer_gets_the_nearest() -> None:
    with pytest.raises(HarnessError, match="Net has no layer 'blok'; did you mean 'block'"):
        ModuleEncoder(net(), PLAIN)(pixels(), ("blok",))


def test_a_layer_like_none_gets_the_list() -> None:
    with pytest.raises(HarnessError, match=r"Net has no layer 'zzz' \(has: conv, .*embedding\)"):
        ModuleEncoder(net(), PLAIN)(pixels(), ("zzz",))


def test_a_layer_that_the_forward_pass_does_not_use() -> None:
    with pytest.raises(HarnessError, match="layer 'unused' of Net gave no tensor in the forward pass"):
        ModuleEncoder(net(), PLAIN)(pixels(), ("unused",))


class Returns(nn.Module):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Any:
        return self.value


@pytest.mark.parametrize("shape", [(4, 6), (4, 5, 6), (4, 6, 2, 2)])
def test_modules_may_return_rows_tokens_or_maps(shape: tuple[int, ...]) -> None:
    out = ModuleEncoder(Returns(torch.randn(shape)), PLAIN)(pixels())
    assert out["embedding"].shape == (4, 6)


@pytest.mark.parametrize(("value", "got"), [((torch.zeros(4, 2),), "tuple"), (torch.zeros(4), r"\(4,\)")])
def test_modules_that_return_something_else(value: Any, got: str) -> None:
    with pytest.raises(HarnessError, match=f"Returns must return .* got {got}"):
        ModuleEncoder(Returns(value), PLAIN)(pixels())


@torch.inference_mode()
def test_the_pyramid_has_the_last_map_of_each_stride() -> None:
    encoder = ModuleEncoder(net(), PLAIN, ["conv", "relu", "block"])
    maps = encoder.feature_maps(torch.zeros(1, 3, 16, 16))
    assert [(m.name, m.stride, m.tensor.shape[-1]) for m in maps] == [("relu", 2, 8), ("block", 4, 4)]
    with pytest.raises(HarnessError, match="no spatial feature maps"):
        ModuleEncoder(net(), PLAIN, ["pool"]).feature_maps(torch.zeros(1, 3, 16, 16))
    own = [FeatureMap(torch.zeros(1, 2, 3, 3), 8, "own")]
    assert ModuleEncoder(net(), PLAIN, maps=lambda images: own).feature_maps(torch.zeros(1, 3, 16, 16)) is own


def test_gradients_of_the_embedding_reach_a_tapped_layer() -> None:
    encoder = ModuleEncoder(net(), PLAIN).eval()
    found = encoder(pixels(), ("block", "embedding"))
    (gradient,) = torch.autograd.grad(found["embedding"].sum(), found["block"])
    assert gradient.shape == found["block"].shape
    assert gradient.abs().sum() > 0


def test_the_final_map_is_the_last_layer_with_space() -> None:
    encoder = ModuleEncoder(net(), PLAIN).train()
    assert encoder.final_map == "block"
    assert encoder.training
    assert ModuleEncoder(net(), PLAIN, final_map="conv").final_map == "conv"
    flat = ModuleEncoder(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)), PLAIN)
    with pytest.raises(HarnessError, match="ModuleEncoder has no spatial feature maps"):
        _ = flat.final_map
    with pytest.raises(HarnessError, match="Encoder has no spatial feature maps"):
        _ = Encoder().final_map


def test_tokens_are_laid_out_without_their_prefix() -> None:
    encoder, grid = ModuleEncoder(net(), PLAIN), torch.arange(2 * 16 * 5).reshape(2, 16, 5)
    for prefix in (0, 1, 5):
        tokens = torch.cat([torch.full((2, prefix, 5), -1), grid], 1)
        assert torch.equal(encoder.spatial(tokens, "blocks.0"), grid.transpose(1, 2).reshape(2, 5, 4, 4))
    maps = torch.zeros(2, 3, 4, 4)
    assert encoder.spatial(maps, "conv") is maps
    for wrong in (torch.zeros(2, 5), torch.zeros(2, 5, 1, 1)):
        with pytest.raises(HarnessError, match="layer 'head' of ModuleEncoder is no spatial map"):
            encoder.spatial(wrong, "head")
