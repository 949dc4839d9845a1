"""A model's backbone as a plain safetensors file, which any loader reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness.errors import HarnessError, one_line
from harness.identity import file_digest
from harness.lookup import find_model
from harness.models import PRESETS, Model, Preprocess
from harness.plugins import Host

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoder import Encoder, ModuleEncoder

LOADER = "ckpt:{path}?arch={arch}&format=plain&preprocess={preprocess}"  # what of the catalogue reads such a file


def convert(host: Host, name: str, out: Path) -> str:
    """Write the backbone's state to `out`, and give the URI that loads it from there to the same embeddings.

    The file is kept only if that URI gives, bit for bit, the model's embeddings of random images. Its metadata state
    the model's name, its architecture, and the SHA-256 of the file that it was read from (empty where it was none).

    Raises `HarnessError` for a model without an architecture that a checkpoint can fill, and for a file that exists or
    cannot be written.
    """
    from safetensors import SafetensorError

    from harness.encoder import ModuleEncoder

    if problem := _problem(out):
        raise HarnessError(f"{out}: {problem}: name another file")
    model = find_model(host, name)
    uri = _uri(model, out)
    encoder = model.load()
    if not isinstance(encoder, ModuleEncoder):
        raise HarnessError(
            f"model {name!r} has an encoder of its own ({type(encoder).__name__}): it cannot be converted"
        )
    try:
        _write(host, name, model, encoder, out)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise HarnessError(f"{out}: model {name!r} cannot be written there: {one_line(error)}") from error
    return uri


def _problem(out: Path) -> str:
    """What keeps a name from being that of a new file that a URI can name, or nothing."""
    if out.suffix != ".safetensors":
        return "must end in .safetensors"
    if "?" in str(out):
        return "has a '?', after which a URI has its options"
    return "exists already" if out.exists() else ""


def _write(host: Host, name: str, model: Model, encoder: ModuleEncoder, out: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = {key: value.detach().clone().contiguous() for key, value in encoder.module.state_dict().items()}
    source = file_digest(model.weights) if model.weights is not None else ""
    metadata = {"format": "pt", "name": name, "architecture": model.card.architecture, "source_sha256": source}
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{os.getpid()}-{out.name}")
    try:
        save_file(state, temporary, metadata)
        again = _loaded(host, name, _uri(model, temporary))
        if not torch.equal(_embedded(encoder), _embedded(again)):
            raise HarnessError(f"model {name!r}: what was written gives other embeddings: it cannot be converted")
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)


def _uri(model: Model, path: Path) -> str:
    arch = quote(model.card.architecture, safe=":/")
    return LOADER.format(path=path, arch=arch, preprocess=quote(_stated(model.preprocess), safe="{}:,.-_ "))


def _stated(preprocess: Preprocess) -> str:
    """A preset's name, else the fields in which it differs from the default one, as `preprocess_of` reads them."""
    if preset := next((name for name, known in PRESETS.items() if known == preprocess), None):
        return preset
    return json.dumps(preprocess.model_dump(exclude_defaults=True)).replace('"', "")


def _loaded(host: Host, name: str, uri: str) -> Encoder:
    try:
        return find_model(host, uri).load()
    except HarnessError as error:
        raise HarnessError(f"model {name!r} has no architecture that a checkpoint can fill: {error}") from error


def _embedded(encoder: Encoder) -> Tensor:
    import torch

    from harness.encoder import EMBEDDING

    side = encoder.preprocess.size
    pixels = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        embedding: Tensor = encoder.eval()(pixels)[EMBEDDING]
    return embedding
