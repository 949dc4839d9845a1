"""Views as a pass gives them, for tests: images, encoders, and the folds of a task made from them."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from harness.encoder import Encoder, ModuleEncoder
from harness.models import Preprocess
from harness.tasks import EMBEDDING, Fold, TaskData
from harness.transforms import family_of, image_seed

CANVAS, SIZE = 36, 32
SIZES = {"train": 90, "val": 30, "test": 24}
PREPROCESS = Preprocess(size=SIZE, crop=SIZE / CANVAS)


def images(fold: str, side: int = CANVAS) -> Tensor:
    """uint8 (N, 3, C, C): smooth coloured pictures."""
    coarse = torch.rand(SIZES[fold], 3, 5, 5, generator=torch.Generator().manual_seed(len(fold)))
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
    return (255 * smooth).clamp(0, 255).to(torch.uint8)


def targets(fold: str) -> Tensor:
    """(N,) of three classes: the brightest channel."""
    return images(fold).double().mean((2, 3)).argmax(1)


def encoder(name: str) -> Encoder:
    """``cnn``, ``vit``, or ``gray``, a CNN that sees the lightness only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        if name == "vit":
            net: nn.Module = timm.create_model("vit_tiny_patch16_224", img_size=SIZE, patch_size=8, num_classes=0)
            return ModuleEncoder(net, PREPROCESS, layers=["blocks.3", "blocks.11"]).eval()
        first = nn.Conv2d(3, 24, 5, 2, 2)
        net = nn.Sequential(first, nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1), nn.ReLU())
    if name == "gray":
        weight = torch.tensor([0.2989, 0.587, 0.114]) * torch.tensor(PREPROCESS.std)  # undoes the normalisation
        first.weight.data = first.weight.data.mean(1, keepdim=True) * weight[:, None, None]
    return ModuleEncoder(net, PREPROCESS).eval()


@torch.no_grad()
def embed(encoder: Encoder, pixels: Tensor, layer: str = EMBEDDING) -> Tensor:
    """(N, D)."""
    found = encoder(pixels, [layer])[layer]
    return found if layer == EMBEDDING else encoder.pool(found, layer)


def drawn(view: str) -> Tensor:
    """(N, V, P) for the test images."""
    family, n = family_of(view)
    return torch.stack([family.draw(n, image_seed(family.name, f"{i}.png")) for i in range(SIZES["test"])])


def folds(encoder: Encoder, view: str, layers: tuple[str, ...] = (EMBEDDING,)) -> dict[str, Fold]:
    """Clean features of all folds; those of the view's of the test fold."""
    centre = (CANVAS - SIZE) // 2
    made = {}
    for name in SIZES:
        clean = images(name)[..., centre : centre + SIZE, centre : centre + SIZE]
        features = {(layer, "clean"): embed(encoder, clean, layer) for layer in layers}
        made[name] = Fold(name, features, None if name == "test" else targets(name))
    family, n = family_of(view)
    moved = [family.apply(images("test"), drawn(view)[:, v], SIZE) for v in range(n)]
    views = {(layer, view): torch.stack([embed(encoder, m, layer) for m in moved], 1) for layer in layers}
    test = made["test"]
    return made | {"test": Fold("test", {**test.features, **views}, None, drawn=drawn)}


def data(encoder: Encoder, view: str, layers: tuple[str, ...] = (EMBEDDING,)) -> TaskData:
    """What the host would give a task."""
    return TaskData(folds(encoder, view, layers), ("red", "green", "blue"), False, lambda evidence: 0.0, layers=layers)
