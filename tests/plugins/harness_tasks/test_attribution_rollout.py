"""Attention rollout against the product of the weights that the libraries themselves tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer
from transformers import ViTConfig, ViTModel

from harness.encoder import Encoder, ModuleEncoder
from harness.errors import UndefinedError
from harness.models import Preprocess
from harness_models import timm_models
from harness_models.backbones import Backbone
from harness_tasks.attribution.classifier import Classifier
from harness_tasks.attribution.rollout import Attention, rolled_out, rollout

PIXELS = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
CLASSES = torch.zeros(2, dtype=torch.long)


def product(weights: list[Tensor]) -> Tensor:
    """Abnar & Zuidema's rollout (N, T, T) of attention (N, heads, T, T), as published."""
    joint = torch.eye(weights[0].shape[-1]).expand_as(weights[0][:, 0])
    for weight in weights:
        mixed = weight.mean(1) + torch.eye(weight.shape[-1])
        joint = (mixed / mixed.sum(-1, keepdim=True)) @ joint
    return joint


def sharpened(module: nn.Module) -> nn.Module:
    """With larger query and key weights, or a new network attends to all tokens alike."""
    torch.manual_seed(0)
    for name, parameter in module.named_parameters():
        if parameter.ndim == 2 and ("qkv" in name or "in_proj" in name or "query" in name or "key" in name):
            nn.init.normal_(parameter, std=0.3)
    return module.eval()


def explained(encoder: Encoder) -> Tensor:
    return rollout(Classifier(encoder, torch.empty(0), torch.empty(0), False), PIXELS, CLASSES)


@contextmanager
def eager(module: nn.Module, into: list[Tensor]) -> Iterator[None]:
    """timm's own attention weights, which it computes where fused attention is off."""
    handles = []
    for block in module.blocks:  # type: ignore[union-attr]
        block.attn.fused_attn = False
        handles.append(block.attn.attn_drop.register_forward_hook(lambda m, args, out: into.append(out)))
    yield
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_of_timm(pool: str) -> None:
    net = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=32, patch_size=8, depth=3, global_pool=pool, qk_norm=True
    )
    encoder = timm_models._backbone(sharpened(net), 32).encoder(Preprocess(size=32, crop=1.0))
    found = explained(encoder)
    weights: list[Tensor] = []
    with torch.no_grad(), eager(net, weights):
        encoder(PIXELS)
    flow = product(weights)
    row = flow[:, 0, 1:] if pool == "token" else flow[:, 1:, 1:].mean(1)
    torch.testing.assert_close(found, row.view(2, 4, 4), rtol=1e-5, atol=1e-7)
    assert found.std() > 0.01 * found.mean()


def test_of_torchvision() -> None:
    net = VisionTransformer(32, 8, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=4)
    net.heads = nn.Identity()
    sharpened(net)
    blocks = [f"encoder.layers.encoder_layer_{i}" for i in range(3)]
    encoder = Backbone(net, blocks, token_pooling=lambda tokens: tokens[:, 0]).encoder(Preprocess(size=32, crop=1.0))
    found, weights = explained(encoder), []

    def keep(module: nn.Module, args: tuple[Tensor, ...], out: object) -> None:
        weights.append(forward(module, *args, need_weights=True, average_attn_weights=False)[1])

    forward = nn.MultiheadAttention.forward
    handles = [m.register_forward_hook(keep) for m in net.modules() if isinstance(m, nn.MultiheadAttention)]
    with torch.no_grad():
        encoder(PIXELS)
    for handle in handles:
        handle.remove()
    assert len(weights) == 3
    torch.testing.assert_close(found, product(weights)[:, 0, 1:].view(2, 4, 4), rtol=1e-5, atol=1e-7)


def test_of_transformers() -> None:
    config = ViTConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, image_size=32,
                       patch_size=8)  # fmt: skip
    net = sharpened(ViTModel(config, add_pooling_layer=False))

    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.tokens = net, nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.tokens(self.net(x).last_hidden_state)[:, 0]

    backbone = Backbone(First(), ["tokens"], token_pooling=lambda tokens: tokens[:, 0], final_map="tokens")
    found = explained(backbone.encoder(Preprocess(size=32, crop=1.0)))
    net.set_attn_implementation("eager")
    with torch.no_grad():
        told = net(backbone.encoder(Preprocess(size=32, crop=1.0)).normalise(PIXELS), output_attentions=True).attentions
    torch.testing.assert_close(found, product(list(told))[:, 0, 1:].view(2, 4, 4), rtol=1e-5, atol=1e-7)


def test_the_forward_pass_is_not_changed_by_being_watched() -> None:
    net = sharpened(timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32, patch_size=8, depth=2))
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = net(x)
        with Attention() as attention:
            found = net(x)
    assert torch.equal(found, expected)
    assert [tuple(w.shape) for w in attention.weights] == [(2, 17, 17)] * 2
    assert all((w.sum(-1) - 1).abs().max() < 1e-5 for w in attention.weights)


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("kind", [None, "bool", "float"])
def test_weights_are_those_of_the_masked_and_scaled_product(scale: float | None, kind: str | None) -> None:
    q, k = torch.randn(2, 2, 3, 5, 4, generator=torch.Generator().manual_seed(0)).unbind(0)
    mask = {"bool": torch.ones(5, 5).tril().bool(), "float": torch.randn(5, 5), None: None}[kind]
    values = torch.eye(5).expand(2, 3, 5, 5)
    with Attention() as attention:
        out = nn.functional.scaled_dot_product_attention(q, k, values, attn_mask=mask, scale=scale)
    torch.testing.assert_close(attention.weights[0], out.mean(1), rtol=1e-5, atol=1e-6)


def test_uniform_attention_flows_uniformly() -> None:
    flow = rolled_out([torch.full((1, 4, 4), 0.25)], 1, 4)
    torch.testing.assert_close(flow[0], torch.eye(4) / 2 + 1 / 8)


def test_a_pooling_head_is_left_out_and_windows_are_refused() -> None:
    weights = [torch.full((1, 4, 4), 0.25), torch.full((1, 1, 4), 0.25)]
    assert torch.equal(rolled_out(weights, 1, 4), rolled_out(weights[:1], 1, 4))
    with pytest.raises(UndefinedError, match=r"seen was \(4, 4\) of 16"):
        rolled_out(weights, 1, 16)
    with pytest.raises(UndefinedError, match="seen was none"):
        rolled_out([], 1, 16)


def test_a_convolutional_network_has_none() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    with pytest.raises(UndefinedError, match="no attention rollout: layer '1' is made of no tokens"):
        explained(ModuleEncoder(net, Preprocess(size=32, crop=1.0)))
