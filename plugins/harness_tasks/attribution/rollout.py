"""Attention rollout (Abnar & Zuidema 2020, 2005.00928)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from harness.errors import UndefinedError
from harness_tasks.attribution.classifier import Classifier
from harness_tasks.attribution.maps import final_map, spatial


@torch.no_grad()
def rollout(classifier: Classifier, pixels: Tensor, classes: Tensor) -> Tensor:
    """(N, h, w): how much of each patch's input is in the tokens that the embedding is made of; the same for any class.

    The product over blocks of ``(A + I) / 2``, where A is the mean of the heads' attention; of it, the row of the class
    token, or the mean of the rows that the encoder pools.

    Raises `UndefinedError` for a network that is not made of attention of all tokens to all.
    """
    encoder, layer = classifier.encoder, final_map(classifier.encoder)
    with Attention() as attention:
        tokens = encoder(pixels, [layer])[layer]
    if tokens.ndim != 3:
        raise UndefinedError(f"no attention rollout: layer {layer!r} is made of no tokens")
    flow = rolled_out(attention.weights, len(pixels), tokens.shape[1])
    return spatial(encoder, encoder.pool(flow, layer)[:, :, None], layer)[:, 0]


def rolled_out(weights: Sequence[Tensor], images: int, tokens: int) -> Tensor:
    """The product, last block first, (N, T, T), of attention (N, T, T) in which the residual connection has half.

    Attention of a few tokens to others, as in pooling heads, is left out. Raises `UndefinedError` for windowed
    attention and without any.
    """
    square = [weight.float() for weight in weights if weight.shape[1] == weight.shape[2]]
    if not square or any(weight.shape != (images, tokens, tokens) for weight in square):
        found = f"{tuple(square[0].shape[1:])} of {tokens}" if square else "none"
        raise UndefinedError(f"no attention rollout: it needs attention of all tokens to all, seen was {found}")
    eye = torch.eye(tokens, device=square[0].device)
    flow = eye.expand(images, tokens, tokens)
    for weight in square:
        flow = (weight + eye) / 2 @ flow
    return flow


class Attention(TorchFunctionMode):
    """Sees the calls of PyTorch's attention functions, which timm, torchvision and transformers all use.

    Attributes:
        weights: (N, T, T) of each call in turn, the mean over heads; rows are queries and sum to 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            out, weights = func(*args, **(kwargs | {"need_weights": True, "average_attn_weights": True}))
            assert weights is not None
            self.weights.append(weights)
            return out, weights
        if func is F.scaled_dot_product_attention:
            self.weights.append(_weights(*args, **kwargs))
        return func(*args, **kwargs)


def _weights(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """(N, T, T) of queries and keys (N, heads, T, D), as `F.scaled_dot_product_attention` defines them."""
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1).mean(1)
