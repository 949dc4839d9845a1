"""Class activation maps: Grad-CAM (Selvaraju et al. 2017, 1610.02391) and CAM (Zhou et al. 2016, 1512.04150)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.encoder import EMBEDDING
from harness.errors import UndefinedError
from harness_tasks.attribution.classifier import Classifier
from harness_tasks.attribution.maps import final_map, spatial

CLOSE = 1e-2
"""Part of the embeddings' norm up to which they are the means of the final map: bfloat16 rounds to a fifth of it."""


def gradcam(classifier: Classifier, pixels: Tensor, classes: Tensor) -> Tensor:
    """(N, h, w): ReLU of the final map's channels, summed with the mean gradients of the class's logit as weights.

    Equations 1 and 2 of the paper, where ``Z`` is the number of cells.

    Raises `UndefinedError` where there is no spatial map, or the logit's gradient does not reach it.
    """
    encoder, layer = classifier.encoder, final_map(classifier.encoder)
    encoder.requires_grad_(True)  # or there is no graph
    with torch.enable_grad():
        found = encoder(pixels, [layer, EMBEDDING])
        if not found[layer].requires_grad:
            raise UndefinedError(f"no attribution: no weight of the network comes before layer {layer!r}")
        logits = classifier.logits(found[EMBEDDING]).gather(1, classes[:, None])
        (gradient,) = torch.autograd.grad(logits.sum(), found[layer], allow_unused=True)
    if gradient is None:
        raise UndefinedError(f"no attribution: the embedding's gradient does not reach layer {layer!r}")
    weights = spatial(encoder, gradient, layer).mean((2, 3), keepdim=True)
    return (weights * spatial(encoder, found[layer].detach(), layer)).sum(1).relu()


@torch.no_grad()
def cam(classifier: Classifier, pixels: Tensor, classes: Tensor) -> Tensor:
    """(N, h, w): ReLU of the final map's channels, summed with the class's weights, by the number of cells.

    Grad-CAM in closed form, for encoders that average their final map: then the gradient is the weight by that number.

    Raises `UndefinedError` for others.
    """
    encoder, layer = classifier.encoder, final_map(classifier.encoder)
    found = encoder(pixels, [layer, EMBEDDING])
    maps, embedding = spatial(encoder, found[layer], layer), found[EMBEDDING].float()
    pooled = maps.mean((2, 3))
    if pooled.shape != embedding.shape or (pooled - embedding).norm() > CLOSE * embedding.norm():
        raise UndefinedError(f"no class activation map: the embedding is not the mean of layer {layer!r}; use gradcam")
    return torch.einsum("nchw,nc->nhw", maps, classifier.weight[classes]).relu() / maps[0, 0].numel()
