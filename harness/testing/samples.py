"""Synthetic inputs for the checks: evidence of any quality, folds with and without signal, cards."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.datasets import DatasetCard, TargetKind
from harness.evidence import (
    Attributions,
    Decodings,
    Embeddings,
    Evidence,
    Grams,
    Manifold,
    Predictions,
    Reconstructions,
    ViewEmbeddings,
    ViewPredictions,
)

TEST = 240
NEVER_PERFECT = (Embeddings, ViewEmbeddings, Grams, Manifold, Attributions)
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


def view_embeddings(card: DatasetCard, quality: float, seed: int = 0) -> ViewEmbeddings:
    """`embeddings` of the images, and of 4 rotations of each that stray as far as `quality` is below 1."""
    clean = embeddings(card, quality, seed)
    random = torch.Generator().manual_seed(seed + 2)
    moved = torch.randn(TEST, 4, clean.features.shape[1], generator=random)
    features = clean.features[:, None] + (1.01 - quality) * moved
    angles = torch.tensor([0.0, 90, 180, 270]).expand(TEST, 4)[:, :, None]
    plain = clean.features.double()
    whitening = torch.linalg.cholesky(torch.linalg.inv(torch.cov(plain.T))).float()
    return ViewEmbeddings(features, clean.features, angles, plain.mean(0).float(), whitening, "rotation", clean.targets)


def view_predictions(card: DatasetCard, quality: float, seed: int = 0) -> ViewPredictions:
    """`predictions` of the images, and of 4 rotations of each."""
    clean = predictions(card, quality, seed)
    stray = torch.randn(TEST, 4, card.num_classes, generator=torch.Generator().manual_seed(seed + 2))
    views = clean.scores[:, None] + CONFIDENT * (1 - quality) * stray
    angles = torch.tensor([0.0, 90, 180, 270]).expand(TEST, 4)[:, :, None]
    return ViewPredictions(views, clean.scores, angles, "rotation", clean.targets)


def grams(card: DatasetCard, quality: float, seed: int = 0) -> Grams:
    """Block Grams of 2 layers in 2 views, ``deep`` and ``shallow``, from `embeddings` of this quality and of none."""
    made = {"shallow": embeddings(card, 0.0, seed), "deep": embeddings(card, quality, seed)}
    layers = {f"{name}#{at}": e.features + 0.1 * at for name, e in made.items() for at in range(2)}
    values = torch.stack([_blocks(features, 24) for features in layers.values()], 1)
    return Grams(values, tuple(layers), made["deep"].targets)


def _blocks(features: Tensor, block: int) -> Tensor:
    """(N, B): inner products within blocks, centred."""
    parts = [part - part.mean(0) for part in torch.split(features, block)]
    return torch.cat([part @ part.T for part in parts])


def manifold(card: DatasetCard, quality: float, seed: int = 0) -> Manifold:
    """Three views of each image, of flat neighbourhoods at quality 1."""
    random = torch.Generator().manual_seed(seed)
    neighbours = torch.randint(1, 20, (TEST, 3), generator=random).float()
    return Manifold(neighbours, 2 * torch.rand(TEST, 3, generator=random), torch.full((TEST, 3), quality))


def attributions(card: DatasetCard, quality: float, seed: int = 0) -> Attributions:
    """Maps that a share `quality` of the images has inside its mask."""
    random = torch.Generator().manual_seed(seed)
    masks = torch.zeros(TEST, 16, 16, dtype=torch.uint8)
    masks[:, 4:10, 4:10] = 1
    inside = torch.nn.functional.max_pool2d(masks.float()[:, None], 2)[:, 0] * torch.rand(TEST, 8, 8, generator=random)
    scattered = torch.rand(TEST, 8, 8, generator=random)
    maps = torch.where((torch.rand(TEST, generator=random) < quality)[:, None, None], inside, scattered)
    images = torch.randint(256, (TEST, 3, 16, 16), generator=random, dtype=torch.uint8)
    curve = (1 - quality / 2) * torch.rand(TEST, 5, generator=random)
    return Attributions(maps, images, curve, 1 - curve, masks, targets(card, seed=seed))


def reconstructions(card: DatasetCard, quality: float, seed: int = 0) -> Reconstructions:
    """Images of 32 pixels, and themselves mixed with others as far as `quality` is below 1."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (TEST, 3, 32, 32), generator=random, dtype=torch.uint8)
    others = torch.randint(256, (TEST, 3, 32, 32), generator=random, dtype=torch.uint8)
    return Reconstructions(images, torch.lerp(others.float(), images.float(), quality).round().to(torch.uint8))


def decodings(card: DatasetCard, quality: float, seed: int = 0) -> Decodings:
    """Three numbers an image, read off as well as `quality` says."""
    random = torch.Generator().manual_seed(seed)
    truth, noise = (torch.randn(TEST, 3, generator=random) for _ in range(2))
    return Decodings(torch.lerp(noise, truth, quality), truth)


def evidence(kind: type[Evidence], card: DatasetCard, quality: float, seed: int = 0) -> Evidence | None:
    """Evidence of a type, or None for an unknown one that has no classmethod ``example(card, quality, seed)``."""
    makers: dict[Any, Any] = {
        Predictions: predictions, Embeddings: embeddings, ViewEmbeddings: view_embeddings, Grams: grams,
        ViewPredictions: view_predictions, Manifold: manifold, Attributions: attributions,
        Reconstructions: reconstructions, Decodings: decodings,
    }  # fmt: skip
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
