"""Deep-image-prior inversion: the image, of those a network makes of noise, whose activation is nearest a given one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.models import PRESETS
from harness_tasks.inversion.skip import NOISE, SkipNet, depth_of, side_of

IMAGENET = PRESETS["imagenet"]


class Prior(nn.Module):
    """g_theta(z) of fixed noise z: calling it gives an RGB image (1, 3, `size`, `size`), on a scale of 0 to 1.

    The network's own output is that image normalised by ImageNet's mean and standard deviation, as published, whatever
    the encoder's: in the units of an encoder that takes 0 to 255, as many steps would get it nowhere. Noise and initial
    weights are drawn from `seed` on the CPU, so that they are the same for all encoders and devices.
    """

    noise: Tensor

    def __init__(self, size: int, seed: int) -> None:
        super().__init__()
        self.size, depth = size, depth_of(size)
        side = side_of(size, depth)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = SkipNet(depth)
            self.register_buffer("noise", 0.1 * torch.rand(1, NOISE, side, side))

    def forward(self) -> Tensor:
        image: Tensor = self.net(self.noise)[:, :, : self.size, : self.size]
        return image * _column(IMAGENET.std, image) + _column(IMAGENET.mean, image)


def invert(
    encoder: Encoder, layer: str, image: Tensor, seed: int, iterations: int, lr: float, report: Callable[[Tensor], None]
) -> Tensor:
    """The image that `layer` of the encoder takes for `image` (uint8 (3, S, S)), found by Adam; uint8 (3, S, S).

    Mean squared error of the whole activation, in float32 whatever autocast is set. As published, batch normalisation
    in the prior uses the statistics of its one image to the end.

    Args:
        encoder: in evaluation mode, its weights frozen.
        report: called with the loss of each iteration, detached.

    Raises `HarnessError` when the last loss or the image is not finite.
    """
    with torch.autocast(image.device.type, enabled=False):
        with torch.no_grad():
            wanted = encoder(image[None], (layer,))[layer].float()
        prior = Prior(image.shape[-1], seed).to(image.device)
        optimiser = torch.optim.Adam(prior.parameters(), lr)
        dtype, loss = encoder.normalise(image[None]).dtype, torch.zeros(())
        for _ in range(iterations):
            optimiser.zero_grad()
            found = encoder.activations(normalise(encoder, prior()).to(dtype), (layer,))[layer]
            loss = (found.float() - wanted).square().mean()
            loss.backward()
            optimiser.step()
            report(loss.detach())
        with torch.no_grad():
            rebuilt: Tensor = prior()[0] * 255
        if not bool(loss.isfinite() & rebuilt.isfinite().all()):
            raise HarnessError(f"the inversion of {layer} diverged; give a smaller lr than {lr:g}")
        return rebuilt.round().clamp(0, 255).to(torch.uint8)


def normalise(encoder: Encoder, images: Tensor) -> Tensor:
    """What `Encoder.normalise` does, for images (N, 3, S, S) between pixels: RGB on a scale of 0 to 1."""
    preprocess = encoder.preprocess
    images = images.flip(1) if preprocess.channels == "BGR" else images
    return (images - _column(preprocess.mean, images)) / _column(preprocess.std, images)


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    """(3, 1, 1)."""
    return torch.tensor(values, device=like.device).view(3, 1, 1)
