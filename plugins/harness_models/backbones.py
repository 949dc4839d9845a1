"""Headless networks, and the encoders made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from harness.encoder import FeatureMap, ModuleEncoder
from harness.models import Preprocess


@dataclass(frozen=True)
class Backbone:
    """A network without its head, and how its inside is to be read.

    Attributes:
        module: normalised images (N, 3, S, S) to pooled features (N, D).
        layers: tappable submodules, shallow to deep; None for its direct children.
        aliases: layer names that differ from their submodule's.
        levels: submodules whose outputs are the feature pyramid, fine to coarse; empty: taken from the layers.
        maps: makes the pyramid, where the network has a method for it.
        token_pooling: makes (N, D) of (N, T, D) with a prefix of class or register tokens, as the network pools its
            own last tokens. Square numbers of tokens are patches alone, and are averaged.
        channels_last: whether spatial activations are (N, H, W, C).
        final_map: the layer for attribution, where it is not the last of the layers that is a map.
    """

    module: nn.Module
    layers: Sequence[str] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    levels: Sequence[str] = ()
    maps: Callable[[Tensor], list[FeatureMap]] | None = None
    token_pooling: Callable[[Tensor], Tensor] | None = None
    channels_last: bool = False
    final_map: str = ""

    def encoder(self, preprocess: Preprocess) -> BackboneEncoder:
        """The backbone as an encoder, in evaluation mode."""
        encoder = BackboneEncoder(self, preprocess)
        encoder.eval()
        return encoder


class BackboneEncoder(ModuleEncoder):
    """The encoder of a `Backbone`: knows its tokens, memory layout and pyramid."""

    def __init__(self, backbone: Backbone, preprocess: Preprocess) -> None:
        super().__init__(
            backbone.module,
            preprocess,
            backbone.layers,
            backbone.aliases,
            backbone.maps,
            backbone.final_map,
            backbone.channels_last,
        )
        self.backbone = backbone

    def feature_maps(self, images: Tensor) -> list[FeatureMap]:
        if self.backbone.maps is not None or not self.backbone.levels:
            return super().feature_maps(images)
        maps = self.activations(images, self.backbone.levels)
        return [FeatureMap(a, round(images.shape[-1] / a.shape[-1]), name) for name, a in maps.items()]

    def pool(self, activation: Tensor, layer: str) -> Tensor:
        if activation.ndim != 3 or self.backbone.token_pooling is None or _is_square(activation.shape[1]):
            return super().pool(activation, layer)
        return self.backbone.token_pooling(activation)


def _is_square(n: int) -> bool:
    """Whether `n` tokens are those of a square image's patches, without a prefix, as before CaiT's class attention."""
    return math.isqrt(n) ** 2 == n


def first_norm(module: nn.Module, blocks: Sequence[str], name: str) -> str:
    """The first normalisation of a transformer's last block, before its class token looks at the others.

    Empty for a network without.
    """
    layer = f"{blocks[-1]}.{name}" if blocks else ""
    return layer if layer in dict(module.named_modules()) else ""
