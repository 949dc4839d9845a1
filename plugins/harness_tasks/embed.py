"""Embeddings as they are, for metrics of the representation itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness import Needs, TaskData, task
from harness.errors import HarnessError
from harness.evidence import Embeddings
from harness.tasks import EMBEDDING, tap
from harness.views import is_family


@task("embed", evidence=Embeddings, primary="rankme")
@dataclass(frozen=True)
class Embed:
    """The test images' features at one layer, or at several: each layer is a variant then, the deepest first.

    Attributes:
        layers: names or patterns, ``embed[stage3|embedding]``, ``embed[*]``.
        flat: all positions of a layer's activation side by side instead of their mean. All of it is kept: at 1000
            images, a ResNet-50's ``layer1`` takes 3.2 GB.
        view: of the images.
        sample: so many of the test images, a fixed choice; None for all.
    """

    layers: tuple[str | int, ...] | str | int = (EMBEDDING,)
    flat: bool = False
    view: str = "clean"
    sample: int | None = None

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a view that is several."""
        object.__setattr__(self, "layers", layer_names(self.layers))
        if is_family(self.view):
            raise HarnessError(
                f"embed takes one view of an image, {self.view} is several: views[{self.view}] keeps them"
            )

    @property
    def needs(self) -> Needs:
        return Needs(("test",), tuple(map(self._tap, layer_names(self.layers))), (self.view,), sample=self.sample)

    def run(self, data: TaskData) -> Embeddings | Mapping[str, Embeddings]:
        found = {layer: Embeddings(data.test.layer(self._tap(layer), self.view)) for layer in reversed(data.layers)}
        return found if len(found) > 1 else next(iter(found.values()))

    def _tap(self, layer: str) -> str:
        return tap(layer, "flat") if self.flat else layer


def layer_names(given: tuple[str | int, ...] | str | int) -> tuple[str, ...]:
    """One form, so that the same layers have one key; a layer may be named ``0``."""
    return tuple(map(str, given if isinstance(given, tuple | list) else (given,)))
