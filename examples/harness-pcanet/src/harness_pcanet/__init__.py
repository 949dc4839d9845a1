"""A third-party plugin: PCANet encoders, the dataset `gratings` and the metric `worst_class`. Imports no torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Model, ModelCard, Preprocess, hookimpl, metric
from harness.evidence import Predictions

if TYPE_CHECKING:
    from harness import Encoder

PREPROCESS = Preprocess(size=64, crop=1.0)


def model(source: str, *, card: ModelCard | None = None) -> Model:
    """A PCANet from a safetensors file: ``pcanet:PATH``, or ``load: pcanet`` in a catalogue."""
    path = Path(source)
    card = card or ModelCard(name=path.stem)
    return Model(card.name, card, partial(load, path), PREPROCESS, {"loader": "pcanet"}, weights=path)


def load(path: Path) -> Encoder:
    """The encoder."""
    from harness_pcanet.network import encoder

    return encoder(path, PREPROCESS)


@metric(
    "worst_class", accepts=Predictions, unit="%", bounds=(0, 100),
    skip=lambda card: None if card.kind == "single-label" else "has several labels an image, this metric takes one",
)  # fmt: skip
def worst_class(p: Predictions) -> float:
    """The accuracy of the class that is recognised worst, in percent. No mean over images: the host resamples it."""
    right, images = p.targets.bincount((p.scores.argmax(1) == p.targets).double()), p.targets.bincount()
    return 100.0 * float((right / images)[images > 0].min())


@hookimpl
def register_models(register) -> None:
    register("pcanet:", model, summary="a PCANet: pcanet:PATH")


@hookimpl
def register_catalogues(register) -> None:
    register("pcanet", str(Path(__file__).parent / "pcanet.yaml"), summary="PCANets fitted to two photographs")


@hookimpl
def register_datasets(register) -> None:
    register("gratings", "harness_pcanet.gratings:Gratings", summary="stripes in four directions")


@hookimpl
def register_metrics(register) -> None:
    register(worst_class)
