"""A probe at every layer (Grigg et al. 2021, 2110.00528; how, is our definition)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from harness import Needs, TaskData, task
from harness.datasets import DatasetCard
from harness.evidence import Predictions
from harness.tasks import EMBEDDING
from harness.views import CLEAN
from harness_tasks.embed import layer_names
from harness_tasks.knn import KNN
from harness_tasks.linear import Linear

NEIGHBOURS = 20


@task("layers", evidence=Predictions)  # raise the version with that of linear or knn
@dataclass(frozen=True)
class Layers:
    """The linear task, or knn with k = 20, on pooled activations of each layer (our definition).

    Each layer is a variant, the deepest first. Both protocols have their default parameters.

    Attributes:
        layers: names or patterns, ``layers[stage*]``; all by default.
        probe: the protocol.
        view: of the images.
    """

    layers: tuple[str | int, ...] | str | int = ("*",)
    probe: Literal["linear", "knn"] = "linear"
    view: str = "clean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", layer_names(self.layers))

    @property
    def needs(self) -> Needs:
        return Needs(layers=layer_names(self.layers), views=(self.view,))

    @property
    def _protocol(self) -> Linear | KNN:
        return Linear() if self.probe == "linear" else KNN(k=NEIGHBOURS)

    def skip(self, card: DatasetCard) -> str | None:
        return Linear().skip(card)  # without classes there is nothing to vote for either

    def run(self, data: TaskData) -> dict[str, Predictions]:
        found = {}
        for layer in reversed(data.layers):
            out = self._protocol.run(self._at(data, layer))
            found[layer] = next(iter(out.values())) if isinstance(out, Mapping) else out
            data.progress(len(found), len(data.layers))
        return found

    def _at(self, data: TaskData, layer: str) -> TaskData:
        """The data with one layer, in the task's view, in the place of the embedding."""
        key = EMBEDDING, CLEAN
        folds = {name: replace(fold, features={key: fold.layer(layer, self.view)}) for name, fold in data.folds.items()}
        return replace(data, folds=folds)
