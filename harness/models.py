"""Models: what is known of an encoder before it is loaded. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import HarnessError, nearest

if TYPE_CHECKING:
    from harness.encoder import Encoder
    from harness.fetch import Progress

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """How an image becomes `size` x `size` uint8 pixels; encoders that share it share the decoded pixels."""

    resize: int
    size: int
    interpolation: str
    fit: str


class Preprocess(BaseModel):
    """An encoder's input: geometry, then ``(x / 255 - mean) / std`` per channel. The host applies it, once.

    Attributes:
        size: side of the square input, in pixels.
        crop: side of the centre crop as a fraction of the resized image (0.875 of 256 is 224; 1 keeps all).
        fit: ``short`` resizes the short side and crops the centre; ``squash`` ignores the aspect ratio.
        mean, std: in units of [0, 1], in the order of `channels`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    size: int = Field(224, ge=8, le=4096)
    crop: float = Field(0.875, gt=0, le=1)
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bicubic"
    fit: Literal["short", "squash"] = "short"
    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)
    channels: Literal["RGB", "BGR"] = "RGB"

    @property
    def geometry(self) -> Geometry:
        return Geometry(round(self.size / self.crop), self.size, self.interpolation, self.fit)


PRESETS: dict[str, Preprocess] = {
    "imagenet": Preprocess(),
    "imagenet-no-norm": Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    "imagenet-caffe": Preprocess(
        mean=(103.939 / 255, 116.779 / 255, 123.68 / 255), std=(1 / 255, 1 / 255, 1 / 255), channels="BGR"
    ),
    "clip": Preprocess(crop=1.0, mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711)),
    "cifar": Preprocess(size=32, crop=1.0, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
}


def preprocess_of(value: str | Mapping[str, Any] | Preprocess) -> Preprocess:
    """A preset's name, fields (``base`` may name a preset they change), or a ready `Preprocess`.

    Fields may be text, ``{size: 96, crop: 1.0}``, as in a URI. Raises `HarnessError` naming the one that does not fit.
    """
    if isinstance(value, Preprocess):
        return value
    if isinstance(value, str) and value.startswith("{"):
        return preprocess_of(_fields(value))
    fields = {"base": value} if isinstance(value, str) else dict(value)
    base = fields.pop("base", "imagenet")
    if base not in PRESETS:
        raise HarnessError(
            f"no preprocess preset named {base!r}{nearest(str(base), PRESETS)} (known: {', '.join(PRESETS)})"
        )
    try:
        return Preprocess.model_validate(PRESETS[base].model_dump() | fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise HarnessError(f"preprocess {name}: {first['msg']}{nearest(name, Preprocess.model_fields)}") from None


def _fields(text: str) -> Mapping[str, Any]:
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError:
        fields = None
    if not isinstance(fields, Mapping):
        raise HarnessError(f"cannot read the preprocess {text!r}: expected {{size: 224, crop: 0.875, …}}")
    return fields


class ModelCard(BaseModel):
    """What a reader of the board should know of a model. `paradigm` groups the models of a board."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str = ""
    title: str = ""
    method: str = ""
    paradigm: str = "unknown"
    data: str = ""
    epochs: int | None = None
    architecture: str = ""
    parameters: int | None = None
    licence: str = ""
    citation: str = ""
    url: str = ""
    reported: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A catalogue entry: name, card, how to load it, and what makes it this model and no other.

    Attributes:
        load: makes the `Encoder`; imports torch only when called.
        identity: the JSON facts that can change its outputs apart from the weights: loader, architecture, options.
        weights: the checkpoint file, whose content hash identifies the weights; None when they exist only in memory
            (random initialisation, a hub), in which case the loaded state is hashed.
        fetch: downloads what `load` reads, unless it is there, and gives where it is; None when nothing needs fetching.
            Its argument is told of what is transferred, never of what was there. Raises `HarnessError`.
    """

    name: str
    card: ModelCard
    load: Callable[[], Encoder]
    preprocess: Preprocess
    identity: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    fetch: Callable[[Progress], Path] | None = None

    def named(self, name: str) -> Model:
        """The same model under another name."""
        return replace(self, name=name, card=self.card.model_copy(update={"name": name}))
