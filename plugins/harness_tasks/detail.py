"""Colour and detail that embeddings keep, in seconds: ridge regression of pixel statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.evidence import Decodings

if TYPE_CHECKING:
    from torch import Tensor

BINS = 8  # a channel
OPPONENTS = ((1.0, -1.0, 0.0), (0.5, 0.5, -1.0))  # red - green, yellow - blue
SIDE = 16
BATCH = 256


@task("detail", evidence=Decodings, primary="decoding_r2", version=2)
@dataclass(frozen=True)
class Detail:
    """Our definition: how well the image itself can be read off its embedding by ridge regression.

    Four variants: ``mean_colour``, the mean of each channel (3); ``chroma``, what of it is not brightness, as opponent
    colours (2): natural images of some brightness have much the same red, green and blue, so that an encoder blind to
    colour reads mean colours well, but these badly; ``histogram``, the shares of pixels in 8 bins of each channel (24);
    and ``thumbnail``, the image averaged to 16 x 16 RGB (768). All are of the uint8 pixels that the encoder sees, on a
    scale of 0 to 1. Each has one strength of 12, a decade apart in 1e-6 .. 1e5, with the least squared error on val
    (ties: the stronger), refitted on train + val. Embeddings are divided by their root mean square distance from the
    mean, so that their scale means nothing.

    Attributes:
        view: of the images.
    """

    view: str = "clean"

    @property
    def needs(self) -> Needs:
        return Needs(views=(self.view,), layers=("embedding",), encoder=True)

    def skip(self, card: DatasetCard) -> str | None:
        """Images are all it takes."""
        return None

    def run(self, data: TaskData) -> dict[str, Decodings]:
        import torch

        folds = (data.train, data.val, data.test)
        scale = _scale(data.train.embeddings)
        x = [fold.embeddings.double() / scale for fold in folds]
        y = [pixel_targets(fold.pixels(BATCH)) for fold in folds]
        best = _strengths(x, y)
        both = torch.cat(x[:2])
        found = {}
        for name, decay in best.items():
            values = _decode(both, torch.cat([y[0][name], y[1][name]]), decay, x[2])
            found[name] = Decodings(values.float().cpu(), y[2][name].cpu())
        return found


def pixel_targets(batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """uint8 batches (B, 3, S, S) to what is decoded of them, (N, T) float32 by variant, on their device."""
    import torch

    parts: dict[str, list[Tensor]] = {}
    for batch in batches:
        for name, part in _targets(batch).items():
            parts.setdefault(name, []).append(part)
    return {name: torch.cat(found) for name, found in parts.items()}


def _targets(pixels: Tensor) -> dict[str, Tensor]:
    import torch
    import torch.nn.functional as F

    images = pixels.float() / 255
    mean = images.mean((2, 3))
    level = (pixels.long() * BINS // 256).flatten(2)
    counts = torch.zeros(*level.shape[:2], BINS, device=pixels.device)
    counts.scatter_add_(2, level, torch.ones_like(level, dtype=counts.dtype))
    return {
        "mean_colour": mean,
        "chroma": mean @ torch.tensor(OPPONENTS, device=pixels.device).T,
        "histogram": counts.flatten(1) / level.shape[2],
        "thumbnail": F.adaptive_avg_pool2d(images, SIDE).flatten(1),
    }


def _scale(x: Tensor) -> float:
    """The root mean square of the centred features; 1 where they do not vary."""
    return float(x.double().var(0, correction=0).mean().sqrt()) or 1.0


def _strengths(x: list[Tensor], y: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Each variant's best weight decay, (1,): fitted to train for all at once, judged on val."""
    import torch

    from harness.numerics.logistic import WEIGHT_DECAYS
    from harness.numerics.ridge import fit_ridge_path

    decays = WEIGHT_DECAYS[::4].flip(0)
    train, val = (torch.cat(list(targets.values()), 1).double() for targets in y[:2])
    path = fit_ridge_path(x[0], train, decays)
    errors = torch.stack([(path.predict(x[1], g) - val).square().mean(0) for g in range(len(decays))])
    widths = [targets.shape[1] for targets in y[0].values()]
    means = [part.mean(1) for part in torch.split(errors, widths, 1)]
    return {name: decays[int(mean.argmin())][None] for name, mean in zip(y[0], means, strict=True)}


def _decode(x: Tensor, y: Tensor, decay: Tensor, new: Tensor) -> Tensor:
    """(M, T) of the features `new`."""
    from harness.numerics.ridge import fit_ridge_path

    return fit_ridge_path(x, y, decay).predict(new, 0)
