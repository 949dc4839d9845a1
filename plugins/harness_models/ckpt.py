"""``ckpt:PATH?arch=torchvision:resnet50&format=moco``: any checkpoint file, loaded strictly."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness_models import architectures
from harness_models.cards import NO_CARD, completed
from harness_models.formats import Format, format_of
from harness_models.sources import basename, fetcher, in_folder, is_url, locate

if TYPE_CHECKING:
    from harness.encoder import Encoder


def model(
    source: str,
    *,
    arch: str,
    format: str | Mapping[str, Any] = "plain",
    preprocess: str | Mapping[str, Any] = "imagenet",
    sha256: str = "",
    file: str = "",
    obtain: str = "",
    card: ModelCard = NO_CARD,
) -> Model:
    """A model from a checkpoint.

    Args:
        source: a file, or the URL of one that is fetched separately; a URL may be absent until the model is loaded.
        arch: the architecture, a name of `architectures.BUILDERS`.
        format: how the file's keys become the backbone's, a name of `formats.FORMATS` or the fields of a `Format`.
        preprocess: the input it was trained for, a preset's name or the fields of a `Preprocess`.
        sha256: of the file, checked before it is read; its first 8 digits or more.
        file: the name of a URL's file in the checkpoint folder, where the URL's own ("resnet50.pth") tells nothing.
        obtain: how to get a file that no URL gives as it is, since it is converted or behind a page. Such a file is
            looked for in the checkpoint folder too, and may be absent until the model is loaded.

    Raises `HarnessError` for a file that does not exist, for unknown names, and a `file` with folders.
    """
    layout, input_ = format_of(format), preprocess_of(preprocess)
    path = _place(source, file, obtain)
    facts = {"loader": "ckpt", **architectures.identity(arch), "format": format}
    if is_url(source):
        card = card.model_copy(update={"checkpoint": source})
    if obtain:
        card = card.model_copy(update={"obtain": obtain})
    return Model(
        name=card.name or path.name,
        card=completed(card, arch),
        load=partial(load, path, arch, layout, input_, sha256, obtain or source),
        preprocess=input_,
        identity=facts,
        weights=path if path.is_file() else None,
        fetch=fetcher(source, path, sha256, obtain),
    )


def load(path: Path, arch: str, layout: Format, preprocess: Preprocess, sha256: str, origin: str) -> Encoder:
    """The encoder. Raises `HarnessError` for an absent, altered, unreadable or unfitting file.

    Args:
        origin: where the file comes from, for the error of an absent one.
    """
    from harness_models.weights import check_digest, load_strictly

    if not path.is_file():
        to = f"fetch it to {path}, as 'harness models fetch' does (HARNESS_CHECKPOINTS names another folder)"
        name, how = (origin, to) if is_url(origin) else (path, origin)
        raise HarnessError(f"checkpoint {name} is not on this machine: {how}")
    check_digest(path, sha256)
    backbone = architectures.build(arch)
    load_strictly(backbone.module, path, layout)
    return backbone.encoder(preprocess)


def _place(source: str, file: str, obtain: str) -> Path:
    """`locate`, but for a file of another name than its URL's, and for one that the user is told how to obtain."""
    if file or (obtain and not Path(source).is_file()):
        return in_folder(file or basename(source))
    return locate(source)
