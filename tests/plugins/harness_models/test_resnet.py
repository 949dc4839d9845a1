from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from harness.models import PRESETS
from harness_models.architectures import build


def test_tiny_layers_go_from_shallow_to_deep() -> None:
    assert build("tiny").encoder(PRESETS["cifar"]).layers == (
        "stem",
        "stage1.0.residual", "stage1.0", "stage1.1.residual", "stage1.1",
        "stage2.0.residual", "stage2.0", "stage2.1.residual", "stage2.1",
        "stage3.0.residual", "stage3.0",
        "embedding",
    )  # fmt: skip


@pytest.mark.parametrize("arch", ["torchvision:resnet18", "timm:resnet18", "timm:seresnet50", "resnet50-caffe"])
def test_a_layer_is_its_residual_plus_the_shortcut(arch: str, pixels: Callable[[int], Tensor]) -> None:
    encoder = build(arch).encoder(PRESETS["imagenet"])
    for part in encoder.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)  # timm starts each branch's last at 0, so that nothing would be told apart
    names = ("layer3.0", "layer3.1.residual", "layer3.1")
    with torch.inference_mode():
        shortcut, residual, layer = encoder(pixels(224), names).values()
    torch.testing.assert_close(layer, torch.relu(shortcut + residual))
    assert residual.min() < 0


def test_residuals_stand_before_their_layers() -> None:
    layers = build("torchvision:resnet50").encoder(PRESETS["imagenet"]).layers
    assert layers[:2] == ("layer1.0.residual", "layer1.0")
    assert layers[-3:] == ("layer4.2.residual", "layer4.2", "embedding")
    assert len(layers) == 2 * 16 + 1


@pytest.mark.parametrize(
    ("arch", "strides"),
    [("tiny", [1, 2, 4, 8]), ("torchvision:resnet18", [4, 8, 16, 32]), ("timm:resnet18", [2, 4, 8, 16, 32])],
)
def test_the_pyramid_ends_in_what_is_pooled(arch: str, strides: list[int], pixels: Callable[[int], Tensor]) -> None:
    encoder = build(arch).encoder(PRESETS["imagenet"])
    images = encoder.normalise(pixels(224))
    with torch.inference_mode():
        maps = encoder.feature_maps(images)
        assert [m.stride for m in maps] == strides
        assert all(m.tensor.shape[-1] == 224 // m.stride for m in maps)
        torch.testing.assert_close(maps[-1].tensor.mean((2, 3)), encoder.embed(images))


def test_caffe_halves_in_the_first_convolution() -> None:
    caffe, torchvision = build("resnet50-caffe").module, build("torchvision:resnet50").module
    assert [caffe.layer3[0].conv1.stride, caffe.layer3[0].conv2.stride] == [(2, 2), (1, 1)]
    assert [torchvision.layer3[0].conv1.stride, torchvision.layer3[0].conv2.stride] == [(1, 1), (2, 2)]
    assert caffe.layer1[0].conv1.stride == (1, 1)
