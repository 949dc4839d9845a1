"""How like their originals images are that were rebuilt from features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import metric
from harness.errors import UndefinedError
from harness.evidence import Reconstructions

if TYPE_CHECKING:
    from torch import Tensor

LPIPS_NETS = {"alex": "AlexNet_Weights", "vgg": "VGG16_Weights", "squeeze": "SqueezeNet1_1_Weights"}
LPIPS_SIDE = 32  # below it AlexNet pools everything away
SSIM_SIDE = 11  # its Gaussian window


@metric("colour_mse", accepts=Reconstructions, bounds=(0, float("inf")), higher_is_better=False)
def colour_mse(e: Reconstructions) -> dict[str, Tensor]:
    """Mean squared error of pixels on a scale of 0 to 255, of all channels and of each (Ericsson et al. 2021, 4.8).

    (N,) each: ``mean``, ``red``, ``green``, ``blue``. No upper bound is declared, as for the published figures: the
    paper correlates these errors as they are, and not their logits.
    """
    error = (e.rebuilt.double() - e.images.double()).square().mean((2, 3))
    return {"mean": error.mean(1), "red": error[:, 0], "green": error[:, 1], "blue": error[:, 2]}


@metric("ssim", accepts=Reconstructions, bounds=(-1, 1))
def ssim(e: Reconstructions) -> Tensor:
    """Structural similarity (Wang et al. 2004), mean of the RGB channels, (N,).

    As published: a Gaussian window of 11 pixels, sigma 1.5, at all places where it lies within the image. Raises
    `UndefinedError` for images smaller than it.
    """
    import torch

    _large_enough("ssim", e, SSIM_SIDE)
    parts = zip(torch.split(e.rebuilt, 16), torch.split(e.images, 16), strict=True)
    return torch.cat([_inner(a, b) for a, b in parts])


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """(N,). torchmetrics averages over the places at the border too, where it mirrors the image."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    border = SSIM_SIDE // 2
    _, full = structural_similarity_index_measure(
        a.double(), b.double(), data_range=255.0, reduction="none", return_full_image=True
    )
    inner: Tensor = full[..., border:-border, border:-border].mean((1, 2, 3))
    return inner


@metric("lpips", accepts=Reconstructions, bounds=(0, float("inf")), higher_is_better=False)
def lpips(e: Reconstructions) -> dict[str, Tensor]:
    """Learned perceptual distance (Zhang et al. 2018, 1801.03924), version 0.1, on AlexNet, VGG-16 and SqueezeNet.

    (N,) each: ``alex``, and ``vgg`` and ``squeeze`` where their weights are installed. Nothing is downloaded: raises
    `UndefinedError`, which says what to put where, without AlexNet's; and for images smaller than 32 pixels.
    """
    _large_enough("lpips", e, LPIPS_SIDE)
    if not (path := weights_file("alex")).is_file():
        raise UndefinedError(
            f"lpips is undefined without torchvision's weights {path.name}, and nothing is downloaded here: put them in"
            f" {path.parent} (for vgg and squeeze also {weights_file('vgg').name} and {weights_file('squeeze').name})"
        )
    return {net: _distance(e, net) for net in LPIPS_NETS if weights_file(net).is_file()}


def weights_file(net: str) -> Path:
    """Where PyTorch's hub, and so torchmetrics, looks for the weights of a net before it would download them."""
    import torch
    import torchvision

    url: str = getattr(torchvision.models, LPIPS_NETS[net]).DEFAULT.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _distance(e: Reconstructions, net: Any) -> Tensor:
    """(N,). One pair of images at a time: a result does not depend on the others, and VGG is large."""
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    with torch.random.fork_rng(devices=[]), torch.inference_mode():  # torchvision draws weights before it loads them
        distance = LearnedPerceptualImagePatchSimilarity(net, normalize=True)
        pairs = zip(e.rebuilt.float() / 255, e.images.float() / 255, strict=True)
        return torch.stack([distance(a[None], b[None]) for a, b in pairs]).clone()


def _large_enough(name: str, e: Reconstructions, side: int) -> None:
    """Raises `UndefinedError` for images of less than `side` pixels."""
    if (found := e.images.shape[-1]) < side:
        raise UndefinedError(f"{name} is undefined on images of {found} pixels: it needs {side} or more")
