"""Encoders: loaded models behind one interface, which own their preprocessing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from harness.errors import HarnessError, nearest
from harness.models import Preprocess

EMBEDDING = "embedding"


@dataclass(frozen=True)
class FeatureMap:
    """One level of a dense pyramid: `tensor` (N, C, H, W) whose cells are `stride` input pixels apart."""

    tensor: Tensor
    stride: int
    name: str


class Encoder(nn.Module):
    """A loaded model: pooled embeddings, named layers, feature maps.

    The host calls the encoder on uint8 pixels; `forward` is sealed and normalises exactly once, then calls the hooks
    below with normalised images (N, 3, S, S). Subclasses implement `embed`, and the other hooks where they can.

    Attributes:
        preprocess: the input geometry and normalisation, applied by the host.
        layers: tappable layer names, shallow to deep; the last is ``embedding``.
    """

    preprocess: Preprocess
    layers: tuple[str, ...] = (EMBEDDING,)
    _sealed: ClassVar[tuple[str, ...]] = ("forward", "normalise")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if broken := [name for name in Encoder._sealed if name in vars(cls)]:
            raise TypeError(f"{cls.__name__} overrides the sealed {broken[0]}(): implement embed() instead")

    @final
    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 RGB pixels (N, 3, S, S) to ``(x / 255 - mean) / std`` in the encoder's channel order and dtype."""
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
            raise HarnessError(f"an encoder takes uint8 pixels (N, 3, S, S), got {pixels.dtype} {tuple(pixels.shape)}")
        if self.preprocess.channels == "BGR":
            pixels = pixels.flip(1)
        mean = torch.tensor(self.preprocess.mean, device=pixels.device).view(3, 1, 1)
        std = torch.tensor(self.preprocess.std, device=pixels.device).view(3, 1, 1)
        images = pixels.float().div_(255).sub_(mean).div_(std)
        return images.to(next((p.dtype for p in self.parameters() if p.is_floating_point()), images.dtype))

    def forward(self, pixels: Tensor, layers: Sequence[str] = (EMBEDDING,)) -> dict[str, Tensor]:
        """uint8 pixels to the activations of exactly `layers`; ``embedding`` is (N, D).

        Raises `HarnessError` naming a layer that `activations` left out.
        """
        found = self.activations(self.normalise(pixels), layers)
        if missed := [layer for layer in layers if layer not in found]:
            kind = type(getattr(self, "module", self)).__name__
            raise HarnessError(f"layer {missed[0]!r} of {kind} gave no tensor in the forward pass")
        return {layer: found[layer] for layer in layers}

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, S, S) to pooled embeddings (N, D)."""
        raise HarnessError(f"{type(self).__name__} does not implement embed()")

    def activations(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Normalised images to each layer's activation, (N, C, H, W) or (N, T, D); ``embedding`` is (N, D)."""
        if unknown := set(layers) - {EMBEDDING}:
            raise HarnessError(f"{type(self).__name__} has no layer {sorted(unknown)[0]!r}: only {EMBEDDING}")
        return {EMBEDDING: self.embed(images)}

    def feature_maps(self, images: Tensor) -> list[FeatureMap]:
        """Normalised images to a pyramid of maps, fine to coarse. Raises `HarnessError` where there is none."""
        raise HarnessError(f"{type(self).__name__} has no spatial feature maps")

    def pool(self, activation: Tensor, layer: str) -> Tensor:
        """One layer's activation to (N, D): mean over space or tokens."""
        return activation.flatten(2).mean(2) if activation.ndim == 4 else _pool_tokens(activation)

    @property
    def final_map(self) -> str:
        """The last layer whose activation is spatial and through all of which the embedding's gradient flows.

        Raises `HarnessError` where there is none.
        """
        raise HarnessError(f"{type(self).__name__} has no spatial feature maps")

    def spatial(self, activation: Tensor, layer: str) -> Tensor:
        """One layer's activation as a map (N, C, h, w): tokens are taken off their prefix and laid out in a square.

        Raises `HarnessError` for an activation that is no map.
        """
        if activation.ndim == 3 and activation.shape[1] > 3:
            side = math.isqrt(activation.shape[1])  # a prefix of class and register tokens is shorter than a row
            activation = activation[:, -side * side :].transpose(1, 2).reshape(len(activation), -1, side, side)
        if activation.ndim != 4 or activation.shape[-1] == 1:
            raise HarnessError(f"layer {layer!r} of {type(self).__name__} is no spatial map: {tuple(activation.shape)}")
        return activation


class ModuleEncoder(Encoder):
    """Any `nn.Module` as an encoder: layers are its submodules' names, tapped by forward hooks.

    Args:
        module: maps normalised images to (N, D), (N, C, H, W) or (N, T, D); the latter two are averaged.
        preprocess: its input.
        layers: submodule names, shallow to deep; default: every direct child.
        aliases: layer names that differ from their submodule's (``layer3.2.residual`` for ``layer3.2.bn3``).
        maps: makes the feature pyramid, where the module has a way of its own.
        final_map: see `Encoder.final_map`; default: the last of the layers whose activation is a map, of tokens the
            last but one, as patches of the last are not looked at by a class token.
        channels_last: whether the module's spatial activations are (N, H, W, C).
    """

    def __init__(
        self,
        module: nn.Module,
        preprocess: Preprocess,
        layers: Sequence[str] | None = None,
        aliases: Mapping[str, str] | None = None,
        maps: Callable[[Tensor], list[FeatureMap]] | None = None,
        final_map: str = "",
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.module = module
        self.preprocess = preprocess
        self.aliases = dict(aliases or {})
        self._maps, self._final_map, self._channels_last = maps, final_map, channels_last
        names = [name for name, _ in module.named_children()] if layers is None else list(layers)
        self.layers = (*(name for name in names if name != EMBEDDING), EMBEDDING)

    def embed(self, images: Tensor) -> Tensor:
        out = self.module(images)
        if not isinstance(out, Tensor) or out.ndim not in (2, 3, 4):
            shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise HarnessError(
                f"{type(self.module).__name__} must return (N, D), (N, T, D) or (N, C, H, W), got {shape}"
            )
        return out if out.ndim == 2 else self.pool(out, EMBEDDING)

    def activations(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Those of the layers that output a tensor in the forward pass."""
        tapped: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for layer in layers:
                if layer != EMBEDDING:
                    hook = self._submodule(layer).register_forward_hook(_tap(tapped, layer, self._channels_last))
                    stack.callback(hook.remove)
            tapped[EMBEDDING] = self.embed(images)
        return {layer: tapped[layer] for layer in layers if layer in tapped}

    def feature_maps(self, images: Tensor) -> list[FeatureMap]:
        if self._maps is not None:
            return self._maps(images)
        names = [layer for layer in self.layers if layer != EMBEDDING]
        size = images.shape[-1]
        spatial = {name: a for name, a in self.activations(images, names).items() if a.ndim == 4 and a.shape[-1] > 1}
        if not spatial:
            return super().feature_maps(images)
        last_at = {round(size / a.shape[-1]): FeatureMap(a, round(size / a.shape[-1]), n) for n, a in spatial.items()}
        return [last_at[stride] for stride in sorted(last_at)]

    @property
    def final_map(self) -> str:
        self._final_map = self._final_map or self._last_map()
        return self._final_map

    def _last_map(self) -> str:
        """Found by a forward pass of a blank image."""
        names, side = [layer for layer in self.layers if layer != EMBEDDING], self.preprocess.size
        parameter = next(self.parameters(), torch.empty(0))
        training = self.training
        with torch.no_grad():
            found = self.eval().activations(parameter.new_zeros(1, 3, side, side), names)
        self.train(training)
        maps = [name for name, a in found.items() if a.ndim == 4 and a.shape[-1] > 1]
        tokens = [name for name, a in found.items() if a.ndim == 3 and a.shape[1] > 3]
        if not maps and len(tokens) < 2:
            return super().final_map
        return maps[-1] if maps else tokens[-2]

    def _submodule(self, layer: str) -> nn.Module:
        try:
            return self.module.get_submodule(self.aliases.get(layer, layer))
        except AttributeError:
            known = [*self.layers, *(name for name, _ in self.module.named_modules())]
            hint = nearest(layer, known) or f" (has: {', '.join(self.layers)})"
            raise HarnessError(f"{type(self.module).__name__} has no layer {layer!r}{hint}") from None


def _tap(into: dict[str, Tensor], layer: str, channels_last: bool) -> Callable[[nn.Module, Any, Any], Tensor | None]:
    """A forward hook that keeps the output and hands a copy on: an in-place ReLU that follows would change it.

    That way round, gradients of what is computed from the copy reach what is kept.
    """

    def hook(module: nn.Module, args: Any, output: Any) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        if channels_last and output.ndim == 4:
            into[layer] = output.permute(0, 3, 1, 2)
            return into[layer].permute(0, 2, 3, 1).clone()
        into[layer] = output
        return output.clone()

    return hook


def _pool_tokens(activation: Tensor) -> Tensor:
    return activation.mean(1) if activation.ndim == 3 else activation.flatten(1)
