"""Synthetic inputs for the checks: evidence of any quality, folds with and without signal, cards."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.datasets import DatasetCard, TargetKind
from harness.evidence import Embeddings, Evidence, Predictions

TEST = 240
CONFIDENT = 30.0  # logits: the softmax of the rest is below 1e-12


def card(kind: TargetKind = "single-label", classes: int = 10) -> DatasetCard:
    """The card of a synthetic dataset."""
    return DatasetCard(
        name="synthetic", revision="1", kind=kind, classes=tuple(f"class {i}" for i in range(classes)),
        splits={"train": 300, "val": 120, "test": TEST}, domain="synthetic",
    )  # fmt: skip


CARDS = (card(), card(classes=2), card("multi-label"))


def targets(card: DatasetCard, n: int = TEST, seed: int = 0) -> Tensor:
    """(N,) balanced class indices, or (N, C) of 0 and 1 with every row and column set somewhere."""
    random = np.random.RandomState(seed)
    single = random.permutation(n) % card.num_classes
    if card.kind == "single-label":
        return torch.from_numpy(single.astype(np.int64))
    several = random.rand(n, card.num_classes) < 0.25
    several[np.arange(n), single] = True
    return torch.from_numpy(several.astype(np.int64))


def predictions(card: DatasetCard, quality: float, seed: int = 0) -> Predictions:
    """Right and confident for a share `quality` of the images, random scores for the others."""
    truth = targets(card, seed=seed)
    random = torch.Generator().manual_seed(seed + 1)
    hot = truth.bool() if truth.ndim == 2 else torch.nn.functional.one_hot(truth, card.num_classes).bool()
    scores = torch.where(hot, CONFIDENT, -CONFIDENT)
    guessed = torch.rand(TEST, generator=random) >= quality
    scores[guessed] = torch.randn(int(guessed.sum()), card.num_classes, generator=random)
    return Predictions(scores, truth, multilabel=truth.ndim == 2)


def embeddings(card: DatasetCard, quality: float, seed: int = 0) -> Embeddings:
    """Class centres in 16 dimensions plus noise; at quality 1 classes are far apart, at 0 there is noise only."""
    truth = targets(card, seed=seed)
    random = torch.Generator().manual_seed(seed + 1)
    features = torch.randn(TEST, 16, generator=random) + 40 * quality * _centres(truth, card.num_classes)
    return Embeddings(features, truth)


def _centres(truth: Tensor, classes: int, dims: int = 16) -> Tensor:
    """(N, dims): each image's class centre, or the sum of several."""
    random = torch.Generator().manual_seed(99)
    centres = torch.nn.functional.normalize(torch.randn(classes, dims, generator=random), dim=1)
    return centres[truth] if truth.ndim == 1 else truth.float() @ centres


def evidence(kind: type[Evidence], card: DatasetCard, quality: float, seed: int = 0) -> Evidence | None:
    """Evidence of a type, or None for an unknown one that has no classmethod ``example(card, quality, seed)``."""
    makers: dict[Any, Any] = {Predictions: predictions, Embeddings: embeddings}
    maker = getattr(kind, "example", None) or makers.get(kind)
    return None if maker is None else maker(card, quality, seed)


def features(truth: Tensor, classes: int, signal: float, seed: int) -> Tensor:
    """(N, 32) float32: unit noise around class centres `signal` apart from the origin."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(len(truth), 32, generator=random) + signal * _centres(truth, classes, 32)


def pixels(truth: Tensor, classes: int, signal: float, seed: int, size: int = 32) -> Tensor:
    """uint8 (N, 3, S, S): noise, tinted by the class as far as `signal` is above 0."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(truth), 3, size, size, generator=random)
    tint = _centres(truth, classes, 3)[:, :, None, None]
    return (128 + 20 * noise + 10 * signal * tint).clamp(0, 255).to(torch.uint8)
