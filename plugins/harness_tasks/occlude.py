"""Occlusion attention (Ericsson et al. 2021, 2011.13377, 4.9 and A.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Needs, TaskData, task
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Attributions

if TYPE_CHECKING:
    from torch import Tensor

    from harness_tasks.occlusion.forward import Plain, Shared
    from harness_tasks.occlusion.sliding import Masks

PUBLISHED = 10 / 224  # side of a mask by the side of the image


@task("occlude", evidence=Attributions, primary="attentive_diffusion")
@dataclass(frozen=True)
class Occlude:
    """How much the embedding changes when a part of the image is hidden; no class is involved.

    A square of zeros (of the normalised image: the mean colour) slides over the image; the score of a place is
    ``||f(x) - f(x masked)|| / ||f(x)||`` of the pooled embeddings, and a pixel gets the mean over the masks on it.

    Published is a 10 x 10 mask at stride 1 over 242 x 242 pixels, of which the central 224 x 224 get a map: 54,289
    places an image, 100 of which cover each pixel. Our reading: the image keeps the encoder's own size, and masks slide
    out of it at its borders. At 224 the number of places and the coverage are the same, and it works at any size, for
    transformers too. A greater stride is coarser: a pixel is then covered (mask / stride)^2 times, rounded up or down
    along each axis.

    Embeddings are exact, up to rounding. Where the network can be traced, only what a mask changes is computed.

    Attributes:
        sample: test images, a fixed choice; the paper takes one from each of 15 datasets.
        mask: its side in pixels; None for 10 at 224, in proportion at other sizes, 2 at least.
        stride: between places, in pixels; at most `mask`.
        view: of the images.
    """

    sample: int = 15
    mask: int | None = None
    stride: int = 1
    view: str = "clean"

    def __post_init__(self) -> None:
        if self.stride < 1 or (self.mask is not None and self.mask < self.stride):
            raise HarnessError(f"occlude: needs 1 <= stride <= mask, got stride {self.stride} and mask {self.mask}")

    @property
    def needs(self) -> Needs:
        return Needs(folds=("test",), views=(self.view,), encoder=True, sample=self.sample)

    @classmethod
    def brief(cls) -> Occlude:
        """A quick instance, for the conformance kit."""
        return cls(mask=8, stride=8)

    def run(self, data: TaskData) -> Attributions:
        """Raises `UndefinedError` where an embedding is 0, `HarnessError` for a mask that does not fit the image."""
        import torch

        from harness.passes import default_batch_size
        from harness_tasks.occlusion.forward import fastest
        from harness_tasks.occlusion.sliding import Masks

        assert data.encoder is not None
        images = torch.cat(list(data.test.pixels(16)))
        size = images.shape[-1]
        masks = Masks(size, self.mask or max(2, round(PUBLISHED * size)), self.stride)
        batch = default_batch_size(size, data.device, torch.get_num_threads())
        maps: list[Tensor] = []
        with torch.no_grad():
            normalised = data.encoder.normalise(images)
            forward = fastest(data.encoder, normalised[:1], masks)
            for image in torch.split(normalised, 1):
                maps.append(masks.average(_scores(forward, image, masks, batch * forward.batches)).float())
                data.progress(len(maps), len(images))
        return Attributions(torch.stack(maps).cpu(), images.cpu())


def _scores(forward: Plain | Shared, image: Tensor, masks: Masks, batch: int) -> Tensor:
    """The root relative squared error of each mask's embedding, (P, P), for a normalised image (1, 3, S, S)."""
    import torch

    clean = forward.start(image).double()
    norm = torch.linalg.norm(clean)
    if norm == 0:
        raise UndefinedError("occlude is undefined: the embedding of an image is 0")
    spans = masks.spans
    scores = clean.new_empty(len(spans), len(spans))
    for rows, columns in masks.tiles(batch):
        found = forward.masked(spans[rows], spans[columns]).double()
        errors = torch.linalg.norm(found - clean, dim=1) / norm
        scores[rows, columns] = errors.view(len(spans[rows]), len(spans[columns]))
    return scores
