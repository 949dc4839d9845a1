from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.models import PRESETS
from harness_models.architectures import build
from harness_models.torchvision_models import model, own_preprocess


def test_the_embedding_is_the_classifiers_input(
    load: Callable[[str], Encoder], pixels: Callable[[int], Tensor]
) -> None:
    encoder = load("torchvision:resnet18?pretrained=0&seed=4")
    torch.manual_seed(4)
    own = torchvision.models.resnet18().eval()
    own.fc = nn.Identity()
    images = pixels(224)
    torch.testing.assert_close(encoder(images)["embedding"], own(encoder.normalise(images)))


def test_only_the_last_linear_layer_is_taken_off() -> None:
    classifier = build("torchvision:mobilenet_v3_small").module.get_submodule("classifier")
    assert [type(part) for part in classifier] == [nn.Linear, nn.Hardswish, nn.Dropout, nn.Identity]


def test_a_vits_tokens_are_pooled_by_class_token() -> None:
    encoder = build("torchvision:vit_b_32").encoder(PRESETS["imagenet"])
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    last = encoder.layers[-2]
    assert last == "encoder.layers.encoder_layer_11"
    with torch.inference_mode():
        tokens, embedding = encoder.activations(images, (last, "embedding")).values()
        torch.testing.assert_close(encoder.module.encoder.ln(encoder.pool(tokens, last)), embedding)


def test_swins_maps_are_channels_first() -> None:
    encoder = build("torchvision:swin_t").encoder(PRESETS["imagenet"])
    with torch.inference_mode():
        maps = encoder.feature_maps(torch.randn(1, 3, 224, 224))
    assert [(m.stride, m.tensor.shape[1]) for m in maps] == [(4, 96), (8, 192), (16, 384), (32, 768)]


@pytest.mark.parametrize(
    ("source", "resize"), [("resnet50/IMAGENET1K_V1", 256), ("resnet50/IMAGENET1K_V2", 232), ("resnet50", 232)]
)
def test_the_preprocessing_is_the_weights_own(source: str, resize: int) -> None:
    geometry = own_preprocess(source).geometry
    assert (geometry.resize, geometry.size, geometry.interpolation) == (resize, 224, "bilinear")


def test_identity() -> None:
    assert model("resnet18/IMAGENET1K_V1").identity == {"loader": "torchvision", "arch": "resnet18", "pretrained": True}
    assert model("resnet18", pretrained=0, seed=2).identity["seed"] == 2


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(HarnessError, match="no classifier 'resnet5O'; did you mean 'resnet50'"):
        model("resnet5O")
    with pytest.raises(HarnessError, match=r"no weights 'IMAGENET_V1'; did you mean 'IMAGENET1K_V1'\?"):
        model("resnet50/IMAGENET_V1")
    with pytest.raises(HarnessError, match="torchvision:squeezenet1_0 has no linear classifier"):
        build("torchvision:squeezenet1_0")
    with pytest.raises(HarnessError, match="no classifier 'fcn_resnet50'"):
        build("torchvision:fcn_resnet50")


def test_absent_weights_are_not_downloaded(checkpoints: Path) -> None:
    with pytest.raises(HarnessError, match=r"not on this machine: fetch it to .*resnet18-f37072fd\.pth"):
        model("resnet18").load()


@pytest.mark.parametrize("folder", ["", "torch/hub/checkpoints"])
def test_present_weights_load(checkpoints: Path, folder: str, pixels: Callable[[int], Tensor]) -> None:
    source = torchvision.models.resnet18().eval()
    (checkpoints / folder).mkdir(parents=True, exist_ok=True)
    torch.save(source.state_dict(), checkpoints / folder / "resnet18-f37072fd.pth")
    encoder = model("resnet18").load()
    source.fc = nn.Identity()
    images = pixels(224)
    torch.testing.assert_close(encoder(images)["embedding"], source(encoder.normalise(images)))
