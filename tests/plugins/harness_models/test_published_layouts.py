"""Each checkpoint format, on a file laid out as its method publishes it: keys, wrappers, heads, momentum encoders."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness_models.architectures import build
from harness_models.ckpt import model
from harness_models.formats import FORMATS

State = dict[str, Any]
R18, R50 = "torchvision:resnet18", "torchvision:resnet50"
VIT = "timm:vit_tiny_patch16_224?depth=2&embed_dim=24"
HEAD = {"0.weight": torch.ones(8, 4), "0.bias": torch.ones(8)}
OPTIMISER = {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.03, "params": [0]}]}
ARGS = Namespace(arch="vit", output_dir=Path("out"), lr=np.float64(0.03), epochs=800)


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def renamed(state: State, *rules: tuple[str, str]) -> State:
    """The state under the keys that the rules, applied in order, make."""
    for pattern, replacement in rules:
        state = {re.sub(pattern, replacement, key): value for key, value in state.items()}
    return state


def training(state: State) -> State:
    """The wrapper of PyTorch's ImageNet example."""
    return {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": OPTIMISER}


def other(state: State) -> State:
    """A second network of the same layout, such as a momentum encoder."""
    return {key: torch.zeros_like(value) for key, value in state.items()}


def moco(state: State) -> State:
    both = under("module.encoder_q.", state) | under("module.encoder_k.", other(state))
    heads = under("module.encoder_q.fc.", HEAD) | under("module.encoder_k.fc.", HEAD)
    return training({**both, **heads, "module.queue": torch.ones(4, 8), "module.queue_ptr": torch.zeros(1)})


def moco_v3(head: str) -> Callable[[State], State]:
    def layout(state: State) -> State:
        both = under("module.base_encoder.", state) | under("module.momentum_encoder.", other(state))
        heads = under(f"module.base_encoder.{head}.", HEAD) | under(f"module.momentum_encoder.{head}.", HEAD)
        return training(both | heads | under("module.predictor.", HEAD)) | {"scaler": {"scale": 65536.0}}

    return layout


def teacher_and_student(backbone: str, wrapper: str = "") -> Callable[[State], State]:
    """DINO's training checkpoint; `backbone` says whose weights are the source's."""

    def layout(state: State) -> State:
        networks = {}
        for name in ("student", "teacher"):
            weights = state if name == backbone else other(state)
            prefix = "module." if name == "student" else wrapper
            networks[name] = under(f"{prefix}backbone.", weights) | under(f"{prefix}head.mlp.", HEAD)
        losses = {"center": torch.zeros(1, 8)}
        return {**networks, "optimizer": OPTIMISER, "epoch": 100, "args": ARGS, "dino_loss": losses}

    return layout


def dinov2_training(state: State) -> State:
    chunked = renamed(state, (r"^blocks\.(\d+)\.", r"blocks.0.\1."))
    heads = under("dino_head.mlp.", HEAD) | under("ibot_head.mlp.", HEAD)
    return {"teacher": under("backbone.", {**chunked, "mask_token": torch.ones(1, 4)}) | heads}


def dinov2_registers(state: State) -> State:
    state = {**state, "mask_token": torch.ones(1, 4), "register_tokens": state["reg_token"]}
    position = torch.ones_like(state["cls_token"])
    state["cls_token"] = state["cls_token"] - position
    state["pos_embed"] = torch.cat([position, state["pos_embed"]], dim=1)
    del state["reg_token"]
    return state


def mae(state: State) -> State:
    decoder = {"mask_token": torch.ones(1, 4), "decoder_pos_embed": torch.ones(1, 4), **under("decoder_embed.", HEAD)}
    return {"model": state | decoder, "optimizer": OPTIMISER, "epoch": 1599, "scaler": {}, "args": ARGS}


def beit(state: State) -> State:
    """Pretraining shares the bias of relative positions."""
    table = next(value for key, value in state.items() if key.endswith("relative_position_bias_table"))
    state = {key: value for key, value in state.items() if "relative_position" not in key}
    shared = {"relative_position_bias_table": table, "relative_position_index": torch.ones(3, 3)}
    head = under("lm_head.", {"weight": torch.ones(8, 4)})
    return {"model": {**state, **under("rel_pos_bias.", shared), **head, "mask_token": torch.ones(1, 4)}}


def ijepa(state: State) -> State:
    both = {"encoder": under("module.", other(state)), "target_encoder": under("module.", state)}
    return {**both, "predictor": under("module.", HEAD), "opt": OPTIMISER, "scaler": None, "epoch": 300, "loss": 0.1}


def vissl(state: State) -> State:
    networks = {"trunk": under("_feature_blocks.", state), "heads": under("0.clf.", HEAD)}
    return {"classy_state_dict": {"base_model": {"model": networks, "meta": {}}, "optimizer": OPTIMISER}}


def solo(state: State) -> State:
    both = under("backbone.", state) | under("momentum_backbone.", other(state))
    heads = {f"{n}.{k}": v for n in ("projector", "momentum_projector", "classifier") for k, v in HEAD.items()}
    return {
        "state_dict": both | heads,
        "epoch": 99,
        "hyper_parameters": {"args": ARGS},
        "optimizer_states": [OPTIMISER],
    }


def lightly(state: State) -> State:
    network = build(R18).module
    network.load_state_dict(state)
    numbered = torch.nn.Sequential(*list(network.children())[:-1]).state_dict()
    both = under("backbone.", numbered) | under("backbone_momentum.", other(numbered))
    return {"state_dict": both | under("projection_head.layers.", HEAD), "pytorch-lightning_version": "2.1.0"}


def mmselfsup_vit(state: State) -> State:
    state = renamed(
        state,
        (r"^norm\.", "ln1."),
        (r"^patch_embed\.proj\.", "patch_embed.projection."),
        (r"^blocks\.(\d+)\.norm(\d)\.", r"blocks.\1.ln\2."),
        (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
        (r"\.mlp\.fc2\.", ".ffn.layers.1."),
        (r"^blocks\.", "layers."),
    )
    return {"meta": {"epoch": 300}, "state_dict": under("backbone.", state) | under("neck.", HEAD)}


def simclr_v2(state: State) -> State:
    """The modules of Separius' ResNet: a stem, then four stages of blocks, each a sequence of operations."""
    state = renamed(
        state,
        (r"^conv1\.", "net.0.0."),
        (r"^bn1\.", "net.0.1.0."),
        (r"^layer(\d)\.(\d+)\.", r"net.\1.blocks.\2."),
        (r"\.downsample\.0\.", ".projection.shortcut."),
        (r"\.downsample\.1\.", ".projection.bn.0."),
        (r"(blocks\.\d+)\.conv1\.", r"\1.net.0."),
        (r"(blocks\.\d+)\.bn1\.", r"\1.net.1.0."),
        (r"\.conv2\.", ".net.2."),
        (r"\.bn2\.", ".net.3.0."),
        (r"\.conv3\.", ".net.4."),
        (r"\.bn3\.", ".net.5.0."),
    )
    return {"resnet": state | under("fc.", {"weight": torch.ones(8, 4)}), "head": under("layers.", HEAD)}


def barlow(state: State) -> State:
    bn = {"module.bn.running_mean": torch.zeros(8), "module.bn.num_batches_tracked": torch.tensor(1)}
    return {"epoch": 1000, "model": under("module.backbone.", state) | under("module.projector.", HEAD) | bn}


def pycontrast(state: State) -> State:
    heads = under("module.head.", HEAD) | under("module.head_jig.fc1.", HEAD)
    return {"opt": ARGS, "model": under("module.encoder.", state) | heads, "optimizer": OPTIMISER, "epoch": 200}


def swav(state: State) -> State:
    return (
        under("module.", state) | under("module.projection_head.", HEAD) | {"module.prototypes.weight": torch.ones(3)}
    )


def vicregl(state: State) -> State:
    return {"model": under("module.backbone.", state) | under("module.maps_projector.", HEAD)}


def vicregl_convnext(state: State) -> State:
    """ConvNeXt's own names, without layer scale."""
    return renamed(
        {key: value for key, value in state.items() if not key.endswith(".gamma")},
        (r"^norm_pre\.", "norm."),
        (r"^stem\.", "downsample_layers.0."),
        (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
        (r"^stages\.(\d)\.blocks\.", r"stages.\1."),
        (r"\.conv_dw\.", ".dwconv."),
        (r"\.mlp\.fc(\d)\.", r".pwconv\1."),
    )


DEEPCLUSTER = {"module.prototypes.prototypes0.weight": torch.ones(3)}
DINOV2 = "timm:vit_small_patch14_dinov2?depth=2&img_size=56"
DINOV2_REGISTERS = "timm:vit_small_patch14_reg4_dinov2?depth=2&img_size=56"
CONVNEXT = "timm:convnext_atto?ls_init_value=1.0&use_grn=False&head_norm_first=True&depths=(1,1,2,1)&conv_mlp=False"
LAYOUTS: list[tuple[str, str, Callable[[State], State]]] = [
    ("plain", R18, dict),
    ("torchvision", R18, lambda s: s | under("fc.", {"weight": torch.ones(8, 4)})),
    ("torchvision", R18, lambda s: {"model": under("module.", s), "args": ARGS}),
    ("timm", VIT, lambda s: {"state_dict": s | under("head.", {"weight": torch.ones(8, 4)})}),
    ("moco", R18, moco),
    ("pcl", R18, moco),
    ("moco-v3", R18, moco_v3("fc")),
    ("moco-v3", VIT, moco_v3("head")),
    (
        "simsiam",
        R18,
        lambda s: training(under("module.encoder.", s | under("fc.", HEAD)) | under("module.predictor.", HEAD)),
    ),
    ("pycontrast", R18, pycontrast),
    ("swav", R18, swav),
    ("swav", R18, lambda s: training(swav(s) | DEEPCLUSTER)),
    ("barlow-twins", R18, dict),
    ("barlow-twins", R18, barlow),
    ("vicreg", R18, lambda s: {"model": under("module.backbone.", s) | under("module.projector.", HEAD)}),
    ("vicregl", R18, vicregl),
    ("vicregl", CONVNEXT, vicregl_convnext),
    ("dino", VIT, dict),
    ("dino", VIT, teacher_and_student("teacher")),
    ("dino", R18, teacher_and_student("teacher", "module.")),
    ("dino-student", VIT, teacher_and_student("student")),
    ("ibot", VIT, teacher_and_student("teacher")),
    ("ibot", VIT, lambda s: {"state_dict": {**s, "masked_embed": torch.ones(1, 4)}}),
    ("dinov2", DINOV2, lambda s: {**s, "mask_token": torch.ones(1, 4)}),
    ("dinov2", DINOV2, dinov2_training),
    ("dinov2-registers", DINOV2_REGISTERS, dinov2_registers),
    ("mae", VIT, lambda s: {"model": s}),
    ("mae", VIT, mae),
    ("beit", "timm:beit_base_patch16_224?depth=2&embed_dim=24&num_heads=2&global_pool=token", beit),
    (
        "beit",
        "timm:beit_base_patch16_224?depth=2&embed_dim=24&num_heads=2",
        lambda s: {"model": s | under("head.", HEAD)},
    ),
    ("ijepa", "timm:vit_huge_patch14_gap_224?depth=2&embed_dim=24&num_heads=2", ijepa),
    ("vissl", R18, vissl),
    ("solo-learn", R18, solo),
    ("lightly", R18, lightly),
    ("lightly", R18, lambda s: {"state_dict": under("backbone.", s)}),
    ("mmselfsup", R18, lambda s: {"state_dict": under("backbone.", s) | under("head.", HEAD)}),
    ("mmselfsup", VIT, mmselfsup_vit),
    ("lightning", R18, lambda s: {"state_dict": under("model.", s | under("fc.", HEAD)), "hyper_parameters": ARGS}),
    ("simclr-converted", R18, lambda s: {"state_dict": s | under("fc.", {"weight": torch.ones(8, 4)})}),
    ("simclr-v2-converted", R50, simclr_v2),
]
ids = [f"{name}-{index}" for index, (name, _, _) in enumerate(LAYOUTS)]


@cache
def source(arch: str) -> torch.nn.Module:
    """The backbone with weights and statistics that no constructor makes; not to be altered."""
    module = build(arch).module.eval()
    generator = torch.Generator().manual_seed(3)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not re.match(r"stages.*\.gamma$", key):
            tensor.copy_(torch.randint(1, 127, tensor.shape, generator=generator) / 1024)  # whose sums are exact
    for block in getattr(module, "blocks", ()):
        if hasattr(block.attn, "relative_position_bias_table"):  # one for all blocks, as BEiT pretrains
            block.attn.relative_position_bias_table = module.blocks[0].attn.relative_position_bias_table
    return module


def images(arch: str) -> Tensor:
    size = 56 if "img_size=56" in arch else 64 if "resnet" in arch or "convnext" in arch else 224
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(("name", "arch", "layout"), LAYOUTS, ids=ids)
def test_the_published_layout_loads_bit_for_bit(
    tmp_path: Path, name: str, arch: str, layout: Callable[[State], State]
) -> None:
    module, path = source(arch), tmp_path / "published.pth"
    torch.save(layout(module.state_dict()), path)
    encoder = model(str(path), arch=arch, format=name).load()
    loaded = encoder.module.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in module.state_dict().items())
    with torch.inference_mode():
        torch.testing.assert_close(encoder.module(images(arch)), module(images(arch)), rtol=0, atol=0)


def test_every_format_is_tested() -> None:
    assert {name for name, _, _ in LAYOUTS} | {"byol"} == FORMATS.keys()  # BYOL's pickle has a test of its own
    assert all(layout.summary for layout in FORMATS.values())


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"byol"}))
def test_what_does_not_fit_is_listed(tmp_path: Path, name: str) -> None:
    """A missing and an unexpected key are found whatever the format drops."""
    known = {key: (arch, layout) for key, arch, layout in LAYOUTS}
    arch, layout = known[name]
    state = source(arch).state_dict()
    gone = list(state)[-2 if "num_batches" in list(state)[-1] else -1]
    torch.save(
        layout({**{k: v for k, v in state.items() if k != gone}, "surplus.weight": torch.ones(1)}), tmp_path / "a.pth"
    )
    with pytest.raises(
        HarnessError, match=rf"1 keys missing \({re.escape(gone)}\); 1 keys unexpected \(.*surplus\.weight\)"
    ):
        model(str(tmp_path / "a.pth"), arch=arch, format=name).load()


def test_another_resolution_is_told_with_both_shapes(tmp_path: Path) -> None:
    torch.save(source(f"{VIT}&img_size=112").state_dict(), tmp_path / "a.pth")
    with pytest.raises(HarnessError, match=r"1 keys of another shape \(pos_embed 1x50x24, not 1x197x24\)"):
        model(str(tmp_path / "a.pth"), arch=VIT, format="mae").load()


def test_the_format_that_fits_is_named(tmp_path: Path) -> None:
    torch.save(simclr_v2(source(R50).state_dict()), tmp_path / "a.pth")
    with pytest.raises(HarnessError, match=r"it fits as format simclr-v2-converted$"):
        model(str(tmp_path / "a.pth"), arch=R50, format="moco").load()
    with pytest.raises(HarnessError) as caught:
        model(str(tmp_path / "a.pth"), arch=R18, format="moco").load()
    assert "it fits" not in str(caught.value)
