from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from torch import Tensor

from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.models import PRESETS
from harness_models.architectures import build
from harness_models.timm_models import model, own_preprocess

VIT = "vit_tiny_patch16_224"


def test_random_weights_depend_on_the_seed_alone(pixels: Callable[[int], Tensor]) -> None:
    images = pixels(224)
    torch.manual_seed(1)
    first = model(VIT, pretrained=0).load()(images)["embedding"]
    torch.manual_seed(2)
    assert torch.equal(model(VIT, pretrained=0, seed=0).load()(images)["embedding"], first)
    assert not torch.equal(model(VIT, pretrained=0, seed=1).load()(images)["embedding"], first)


def test_identity_holds_the_seed_only_of_random_weights() -> None:
    assert model(VIT, pretrained=0, seed=3).identity == {"loader": "timm", "arch": VIT, "pretrained": False, "seed": 3}
    assert model(VIT, seed=3).identity == {"loader": "timm", "arch": VIT, "pretrained": True}
    assert model(VIT).weights is None


def test_the_embedding_is_timms_own(load: Callable[[str], Encoder], pixels: Callable[[int], Tensor]) -> None:
    encoder = load(f"timm:{VIT}?pretrained=0")
    timms = timm.create_model(VIT, num_classes=0).eval()
    timms.load_state_dict(encoder.module.state_dict())
    images = pixels(224)
    with torch.inference_mode():
        torch.testing.assert_close(encoder(images)["embedding"], timms(encoder.normalise(images)))


def test_a_vits_layers_are_pooled_as_its_last(load: Callable[[str], Encoder], pixels: Callable[[int], Tensor]) -> None:
    encoder = load(f"timm:{VIT}?pretrained=0")
    assert encoder.layers == (*(f"blocks.{i}" for i in range(12)), "embedding")
    with torch.inference_mode():
        tokens, embedding = encoder(pixels(224), ("blocks.11", "embedding")).values()
        assert tokens.shape == (2, 197, 192)
        torch.testing.assert_close(encoder.module.norm(encoder.pool(tokens, "blocks.11")[:, None])[:, 0], embedding)


@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3", "vit_tiny_r_s16_p8_224", "cait_xxs24_224"])
def test_prefix_tokens_are_no_patches(name: str) -> None:
    encoder = build(f"timm:{name}").encoder(PRESETS["imagenet"])
    prefix = encoder.module.num_prefix_tokens
    patches, odd = torch.arange(49.0)[None, :, None].expand(2, 49, 8), torch.full((2, prefix, 8), 500.0)
    assert encoder.pool(patches, "blocks.0").eq(24).all()  # before CaiT's class attention there is no prefix
    expected = 500 if encoder.module.global_pool == "token" else 24
    assert encoder.pool(torch.cat([odd, patches], 1), "blocks.0").eq(expected).all()


def test_a_vit_has_one_map_of_its_normalised_patches(
    load: Callable[[str], Encoder], pixels: Callable[[int], Tensor]
) -> None:
    encoder = load(f"timm:{VIT}?pretrained=0")
    images = encoder.normalise(pixels(224))
    with torch.inference_mode():
        (level,) = encoder.feature_maps(images)
        patches = encoder.module.forward_features(images)[:, 1:]
    assert (level.stride, level.tensor.shape) == (16, (2, 192, 14, 14))
    torch.testing.assert_close(level.tensor.flatten(2).transpose(1, 2), patches)


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("convnext_atto", [4, 8, 16, 32]),
        ("swin_tiny_patch4_window7_224", [4, 8, 16, 32]),  # its inside is (N, H, W, C)
        ("efficientnet_b0", [2, 4, 8, 16, 32]),
        ("mixer_s32_224", [32]),
        ("hiera_tiny_224", [4, 8, 16, 32]),
    ],
)
def test_families(name: str, strides: list[int]) -> None:
    encoder = build(f"timm:{name}").encoder(PRESETS["imagenet"])
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        tapped = encoder.activations(images, encoder.layers)
        maps = encoder.feature_maps(images)
    assert len(encoder.layers) > 2
    widths = {info["num_chs"] for info in encoder.module.feature_info}
    for layer, activation in tapped.items():
        pooled = encoder.pool(activation, layer)
        assert pooled.ndim == 2
        assert layer == "embedding" or pooled.shape[1] in widths
    assert [m.stride for m in maps] == strides
    assert all(m.tensor.shape[1] in widths for m in maps)


def test_what_gives_no_tensor_is_no_layer() -> None:
    encoder = build("timm:hrnet_w18_small").encoder(PRESETS["imagenet"])  # its stages give lists
    images = torch.randn(1, 3, 64, 64)
    assert encoder.layers == ("embedding",)
    assert [m.stride for m in encoder.feature_maps(images)] == [2, 4, 8, 16, 32]


@pytest.mark.parametrize("name", [VIT, "resnet50.a1_in1k", "beit_base_patch16_224", "convnext_atto.d2_in1k"])
def test_the_preprocessing_is_timms(name: str) -> None:
    own = own_preprocess(name)
    config = resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    resize, crop = create_transform(**config).transforms[:2]
    assert (own.geometry.resize, own.size) == (resize.size, crop.size[0])
    assert own.interpolation == resize.interpolation.value
    assert (own.mean, own.std) == (config["mean"], config["std"])


def test_squashing_is_kept_and_other_crops_are_refused() -> None:
    assert own_preprocess("eva_large_patch14_336.in22k_ft_in1k").fit == "squash"
    border = next(n for n in timm.list_pretrained() if timm.get_pretrained_cfg(n).crop_mode == "border")
    with pytest.raises(HarnessError, match=r"crop mode border: state preprocess="):
        own_preprocess(border)


def test_a_stated_size_becomes_the_vits(pixels: Callable[[int], Tensor]) -> None:
    made = model("vit_small_patch14_dinov2", pretrained=0, preprocess={"size": 98})
    assert made.load()(pixels(98), ["blocks.0"])["blocks.0"].shape == (2, 50, 384)


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(HarnessError, match="timm has no model 'resnet5O'; did you mean 'resnet5"):
        model("resnet5O")
    with pytest.raises(HarnessError, match="no weights 'dyno'; did you mean 'dino'"):
        model("vit_small_patch16_224.dyno")


def test_absent_weights_are_not_downloaded(checkpoints: Path) -> None:
    with pytest.raises(HarnessError, match=r"not on this machine: .*pretrained=0 .*ckpt:"):
        model(f"{VIT}.augreg_in21k", preprocess="imagenet").load()


def test_present_weights_load_strictly(checkpoints: Path, pixels: Callable[[int], Tensor]) -> None:
    source = timm.create_model("resnet18").eval()
    path = checkpoints / "resnet18.a1_in1k.safetensors"
    save_file(source.state_dict(), path)
    encoder = model("resnet18.a1_in1k").load()
    source.reset_classifier(0)
    images = pixels(224)
    torch.testing.assert_close(encoder(images)["embedding"], source(encoder.normalise(images)))

    state = source.state_dict()
    del state["conv1.weight"]
    save_file(state, path)
    with pytest.raises(HarnessError, match=r"cannot be built: .*conv1\.weight"):
        model("resnet18.a1_in1k").load()
