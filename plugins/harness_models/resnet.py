"""Residual networks: the layers of one, and the architectures that only a checkpoint can fill."""

from __future__ import annotations

from torch import nn
from torchvision.models import resnet50

from harness_models.backbones import Backbone
from harness_models.tiny import STAGES, TinyResNet

LEVELS = ("layer1", "layer2", "layer3", "layer4")


def resnet(module: nn.Module) -> Backbone:
    """A headless ResNet of torchvision's or timm's naming.

    Each block gives two layers, as in Grigg et al. 2021 (2110.00528): first ``layer3.2.residual``, the branch after
    its last batch normalisation, before the addition (their odd layers); then ``layer3.2``, after addition and ReLU
    (their even ones).
    """
    layers: list[str] = []
    aliases: dict[str, str] = {}
    for stage in LEVELS:
        for name, block in module.get_submodule(stage).named_children():
            layers += [f"{stage}.{name}.residual", f"{stage}.{name}"]
            aliases[layers[-2]] = f"{stage}.{name}.{_branch_end(block)}"
    return Backbone(module, layers, aliases, LEVELS)


def _branch_end(block: nn.Module) -> str:
    """The last submodule of a block's branch: squeeze-and-excitation, else the last (normalised) convolution."""
    return next(name for name in ("se", "bn3", "bn2", "conv3", "conv2") if getattr(block, name, None) is not None)


def resnet50_caffe(_: str = "") -> Backbone:
    """ResNet-50 as Caffe and Keras have it: a stage halves the resolution in its first 1x1, not in the 3x3.

    That is He et al. 2016 (1512.03385) as published; torchvision's is the later "v1.5".
    """
    module = resnet50(weights=None)
    module.fc = nn.Identity()
    for stage in LEVELS[1:]:
        block = module.get_submodule(stage)[0]
        block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
    return resnet(module)


def tiny(_: str = "") -> Backbone:
    """The architecture of the tiny zoo."""
    blocks = [f"stage{i}.{b}" for i, (_, count) in enumerate(STAGES, 1) for b in range(count)]
    layers = ["stem", *(layer for block in blocks for layer in (f"{block}.residual", block))]
    return Backbone(TinyResNet(), layers, levels=("stem", *(f"stage{i}" for i in range(1, len(STAGES) + 1))))
