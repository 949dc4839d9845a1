"""Feature inversion: what of an image's colours and detail can be rebuilt from its features (Ericsson et al. 2021)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Reconstructions

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoder import Encoder


@task("reconstruct", evidence=Reconstructions, primary="colour_mse")
@dataclass(frozen=True)
class Reconstruct:
    """Inversion of the final spatial map with a deep image prior (2011.13377, 4.8 and A.8).

    Each image is rebuilt on its own: ||f(g_theta(z)) - f(I)||^2 is minimised over theta with Adam, for fixed noise z in
    U(0, 0.1) with 32 channels and g an encoder-decoder with skip connections (`harness_tasks.inversion.skip`); no prior
    on the image besides. z and the initial theta depend on the seed and the image alone: not on the other images, nor,
    where the input size is the same, on the model. At 224 pixels all constants are the published ones; smaller inputs
    have the same network with as many of its levels as leave the coarsest map a side of 4 or more.

    The paper rebuilt one image of each of 15 datasets: ``reconstruct[sample=1]``.

    Attributes:
        iterations: of Adam, an image.
        sample: images.
        layer: to invert; None for the encoder's final spatial map (``layer4`` of a ResNet).
        lr: of Adam.
        view: of the images.
    """

    iterations: int = 3000
    sample: int = 15
    layer: str | None = None
    lr: float = 1e-3
    view: str = "clean"

    def __post_init__(self) -> None:
        """Raises `HarnessError` for parameters that rebuild nothing."""
        if self.iterations < 1 or not self.lr > 0:
            raise HarnessError(f"reconstruct: needs iterations from 1 and lr above 0: {self.iterations}, {self.lr}")

    @property
    def needs(self) -> Needs:
        return Needs(folds=("test",), views=(self.view,), encoder=True, sample=self.sample)

    @classmethod
    def brief(cls) -> Reconstruct:
        """A quick instance, for the conformance kit."""
        return cls(iterations=1, sample=3)

    def skip(self, card: DatasetCard) -> str | None:
        """Images are all it takes."""
        return None

    def run(self, data: TaskData) -> Reconstructions:
        """Raises `UndefinedError` for an encoder without a spatial map where no layer is named."""
        import torch

        from harness_tasks.inversion.prior import invert

        if data.encoder is None:
            raise HarnessError("reconstruct: needs the encoder")
        encoder = data.encoder.requires_grad_(False)
        layer = self.layer or _final_map(encoder)
        images = torch.cat(list(data.test.pixels(self.sample)))
        total = self.iterations * len(images)
        rebuilt: list[Tensor] = []
        for at, image in enumerate(images):
            name = digest(image, data.seed)
            done = _kept(data.scratch, name, image)
            if done is None:
                progress = Counter(data, at * self.iterations, total)
                done = invert(encoder, layer, image, int(name[:15], 16), self.iterations, self.lr, progress)
                _keep(data.scratch, name, done)
            rebuilt.append(done.cpu())
        data.progress(total, total)
        return Reconstructions(images.cpu(), torch.stack(rebuilt))


def _final_map(encoder: Encoder) -> str:
    try:
        return encoder.final_map
    except HarnessError as error:
        raise UndefinedError(f"no inversion: {error}") from None


class Counter:
    """Tells the host of each iteration."""

    def __init__(self, data: TaskData, before: int, total: int) -> None:
        self.data, self.done, self.total = data, before, total

    def __call__(self, loss: Tensor) -> None:
        self.done += 1
        self.data.progress(self.done, self.total)


def digest(image: Tensor, seed: int) -> str:
    """Of an image's pixels and the seed: names what is kept of it, and seeds what is drawn for it."""
    return hashlib.sha256(f"{seed}:".encode() + image.cpu().numpy().tobytes()).hexdigest()


def _kept(folder: Path | None, name: str, like: Tensor) -> Tensor | None:
    """The image that a run before this one rebuilt, if it is there whole."""
    import torch

    path = folder / name if folder is not None else None
    if path is None or not path.is_file() or path.stat().st_size != like.numel():
        return None
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8).view(like.shape)


def _keep(folder: Path | None, name: str, rebuilt: Tensor) -> None:
    from harness.records import write_atomically

    if folder is not None:
        write_atomically(folder / name, rebuilt.cpu().numpy().tobytes())
