"""Inner products of the test images' activations at many layers: what CKA is made of."""

from __future__ import annotations

from dataclasses import dataclass

from harness import Needs, TaskData, task
from harness.evidence import Grams
from harness.tasks import EMBEDDING, tap
from harness_tasks.embed import layer_names


@task("grams", evidence=Grams, primary="cka_class")
@dataclass(frozen=True)
class GramsTask:
    """Inner products of activations, flattened and centred, within blocks of random images, for every layer.

    Flattening and blocks are our definition of what Grigg et al. 2021 (2110.00528) compare.

    N x layers x block float32 numbers are kept, and the flattened activations of one block a layer and view are held in
    the pass: of all of a ResNet-50's blocks and branches at 224 pixels, 64 images are 3 GB. A block as large as the
    sample holds the products of all pairs. Of a family's views, ``view=simclr[2]``, each layer has one entry a view:
    ``layer4#0``, ``layer4#1``.

    Attributes:
        layers: names or patterns; the embedding comes last in any case.
        block: images in a block, 4 or more.
        sample: images, a fixed random choice from the test fold.
        view: of the images.
    """

    layers: tuple[str | int, ...] | str | int = ("*",)
    block: int = 64
    sample: int = 2000
    view: str = "clean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", layer_names(self.layers))
        self._tap(EMBEDDING)

    @property
    def needs(self) -> Needs:
        taps = tuple(map(self._tap, dict.fromkeys((*layer_names(self.layers), EMBEDDING))))
        return Needs(("test",), taps, (self.view,), sample=self.sample)

    def run(self, data: TaskData) -> Grams:
        import torch

        names = (*(name for name in data.layers if name != EMBEDDING), EMBEDDING)
        products = [data.test.layer(self._tap(name), self.view) for name in names]
        values = torch.stack(products, -2).float()
        if values.ndim == 3:
            return Grams(values, names)
        views = values.shape[1]
        by_layer = values.movedim(1, 2).flatten(1, 2)
        return Grams(by_layer, tuple(f"{name}#{view}" for name in names for view in range(views)))

    def _tap(self, layer: str) -> str:
        """Raises `HarnessError` for too small a block."""
        return tap(layer, "gram", self.block)
