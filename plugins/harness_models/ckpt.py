"""``ckpt:PATH?arch=torchvision:resnet50&format=moco``: any checkpoint file, loaded strictly."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness_models import architectures
from harness_models.cards import NO_CARD, completed
from harness_models.formats import Format, format_of
from harness_models.sources import fetched, is_url, locate

if TYPE_CHECKING:
    from harness.encoder import Encoder


def model(
    source: str,
    *,
    arch: str,
    format: str | Mapping[str, Any] = "plain",
    preprocess: str | Mapping[str, Any] = "imagenet",
    sha256: str = "",
    card: ModelCard = NO_CARD,
) -> Model:
    """A model from a checkpoint.

    Args:
        source: a file, or the URL of one that is fetched separately; a URL may be absent until the model is loaded.
        arch: the architecture, a name of `architectures.BUILDERS`.
        format: how the file's keys become the backbone's, a name of `formats.FORMATS` or the fields of a `Format`.
        preprocess: the input it was trained for, a preset's name or the fields of a `Preprocess`.
        sha256: of the file, checked before it is read.

    Raises `HarnessError` for a file that does not exist and for unknown names.
    """
    layout, input_ = format_of(format), preprocess_of(preprocess)
    path = locate(source)
    facts = {"loader": "ckpt", **architectures.identity(arch), "format": format}
    if is_url(source):
        card = card.model_copy(update={"checkpoint": source})
    return Model(
        name=card.name or path.name,
        card=completed(card, arch),
        load=partial(load, source, arch, layout, input_, sha256),
        preprocess=input_,
        identity=facts,
        weights=path if path.is_file() else None,
    )


def load(source: str, arch: str, layout: Format, preprocess: Preprocess, sha256: str) -> Encoder:
    """The encoder. Raises `HarnessError` for an unfetched, altered, unreadable or unfitting file."""
    from harness_models.weights import check_digest, load_strictly

    path = fetched(source)
    check_digest(path, sha256)
    backbone = architectures.build(arch)
    load_strictly(backbone.module, path, layout)
    return backbone.encoder(preprocess)
