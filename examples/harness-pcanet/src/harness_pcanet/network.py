"""PCANet (Chan et al. 2015, 1404.3606), simplified: convolutions whose filters are principal components of patches.

Nothing but images is needed to fit one: each stage's filters are the leading eigenvectors of the covariance of the
patches that the stage before gives.
"""

from __future__ import annotations

from pathlib import Path

import torch
from harness import Encoder, ModuleEncoder, Preprocess
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 5


class PCANet(nn.Module):
    """Two stages of filters, absolute values and pooling; 4 x 4 cells of the last are the embedding."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, first, PATCH, padding="same", bias=False)
        self.second = nn.Conv2d(first, second, PATCH, padding="same", bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 16 * second)."""
        for stage in (self.first, self.second):
            images = F.avg_pool2d(stage(images).abs(), 2)
        return F.adaptive_avg_pool2d(images, 4).flatten(1)


def principal_filters(images: Tensor, n: int) -> Tensor:
    """The first n principal components of the centred patches of images (N, C, H, W), as filters (n, C, k, k)."""
    patches = F.unfold(images, PATCH, stride=2).transpose(1, 2).flatten(0, 1).double()
    patches = patches - patches.mean(1, keepdim=True)
    components = torch.linalg.eigh(patches.T @ patches).eigenvectors.flip(1)[:, :n]
    return components.T.reshape(n, images.shape[1], PATCH, PATCH).float()


def encoder(path: Path, preprocess: Preprocess) -> Encoder:
    """The encoder of a checkpoint; every key must match."""
    state = load_file(path)
    network = PCANet(len(state["first.weight"]), len(state["second.weight"]))
    network.load_state_dict(state, strict=True)
    return ModuleEncoder(network, preprocess)
