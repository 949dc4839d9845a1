"""``hf:REPO[?pool=cls&revision=main]``: a vision model of Hugging Face's transformers, or a folder of that layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, naming, nearest
from harness.identity import digest
from harness.models import PRESETS, Model, ModelCard, Preprocess, preprocess_of
from harness_models.cards import NO_CARD, completed
from harness_models.sources import checkpoint_folder, from_hugging_face

if TYPE_CHECKING:
    from harness.encoder import Encoder
    from harness.fetch import Progress

POOLS = ("", "cls", "mean", "pooler", "projected")
CONFIG, PIXELS, WEIGHTS, INDEX = (
    "config.json", "preprocessor_config.json", "model.safetensors", "model.safetensors.index.json"
)  # fmt: skip
TOKENS = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "spiece.model")
PATTERNS = (CONFIG, PIXELS, "model*.safetensors", INDEX, *TOKENS)
NEUTRAL = ("transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype")  # change no output
RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # PIL's numbers


def model(
    source: str,
    *,
    pool: str = "",
    revision: str = "main",
    preprocess: str | Mapping[str, Any] | None = None,
    card: ModelCard = NO_CARD,
) -> Model:
    """A vision model, or the vision tower of an image-text model.

    Args:
        source: a repository (``facebook/dinov2-base``) that was fetched before, or a folder.
        pool: what the embedding is: ``cls``, the class token of the last hidden state; ``mean``, the mean of its
            patches or cells; ``pooler``, the model's own pooled output; ``projected``, an image-text model's joint
            space. By default ``cls`` for a network with a class token of that name, else ``pooler`` where the network
            gives one (CLIP, SigLIP, ConvNeXt, ResNet, Swin), else ``mean`` (I-JEPA).
        preprocess: instead of the repository's own.

    Raises `HarnessError` for an unknown pooling, and for a preprocessing that is not stated in the usual way.
    """
    if pool not in POOLS:
        raise HarnessError(f"hf:{source}: no pool {pool!r}{nearest(pool, POOLS)} (known: {', '.join(POOLS[1:])})")
    folder = _folder(source, revision)
    config = _json(folder / CONFIG) if folder else {}
    if preprocess is not None:
        stated = preprocess_of(preprocess)
    else:  # what is not fetched yet cannot be loaded either, so its preprocessing does not matter
        stated = own_preprocess(folder) if folder else PRESETS["imagenet"]
    kind = str(config.get("model_type", ""))
    facts = {"loader": "hf", "arch": kind, "pool": pool, "config": digest(_telling(config))}
    local = Path(source).expanduser().is_dir()
    return Model(
        name=card.name or source,
        card=completed(card, f"transformers {kind}".strip()),
        load=partial(load, source, revision, pool, stated),
        preprocess=stated,
        identity=facts,
        weights=folder / WEIGHTS if folder and (folder / WEIGHTS).is_file() else None,
        fetch=None if local else partial(fetch, source, revision),
    )


def load(source: str, revision: str, pool: str, preprocess: Preprocess) -> Encoder:
    """The encoder. Raises `HarnessError` for what is not on this machine, pickles, and weights that do not fit."""
    folder = _folder(source, revision)
    if folder is None:
        raise HarnessError(
            f"hf:{source} is not on this machine: 'harness models fetch' gets it, or put its files at {_own(source)}"
        )
    if not _has_weights(folder):
        raise HarnessError(f"hf:{source}: {folder} holds no {WEIGHTS} (other formats may execute code: convert them)")
    try:
        from harness_models.hf_encoder import encoder
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise HarnessError("hf: models need the library transformers: pip install 'ssl-harness[hf]'") from None
    return encoder(f"hf:{source}", folder, pool, preprocess)


def fetch(source: str, revision: str, progress: Progress) -> Path:
    """The repository's configuration, safetensors and tokenizer. Raises `HarnessError` when it has no safetensors."""
    folder = _folder(source, revision)
    if folder is None or not _has_weights(folder):
        folder = from_hugging_face(source, PATTERNS, _own(source), progress, revision)
    if not _has_weights(folder):
        raise HarnessError(f"hf:{source} has no {WEIGHTS} (other formats may execute code: convert them)")
    return folder


def _has_weights(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()


def _folder(source: str, revision: str) -> Path | None:
    """The folder itself, or a repository's: in the checkpoint folder, or in the cache of Hugging Face's library."""
    path = Path(source).expanduser()
    if path.is_dir() or path.is_absolute() or source.startswith((".", "~")):
        if not (path / CONFIG).is_file():
            raise HarnessError(f"hf:{source}: no {CONFIG} in {path}")
        return path
    if (_own(source) / CONFIG).is_file():
        return _own(source)
    from huggingface_hub import try_to_load_from_cache

    with naming(f"hf:{source}"):
        found = try_to_load_from_cache(source, CONFIG, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _own(source: str) -> Path:
    """Where a repository may be put by hand."""
    return checkpoint_folder() / source.replace("/", "--")


def _telling(config: Any) -> Any:
    """The parts of a configuration that can change an output, at every depth."""
    if not isinstance(config, dict):
        return config
    return {key: _telling(value) for key, value in config.items() if key not in NEUTRAL}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise HarnessError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise HarnessError(f"{path}: holds no JSON object")
    return content


def own_preprocess(folder: Path) -> Preprocess:
    """The preprocessing that ``preprocessor_config.json`` states.

    Raises `HarnessError` for one that is absent, or does what a `Preprocess` cannot.
    """
    path = folder / PIXELS
    if not path.is_file():
        raise HarnessError(f"no {PIXELS} in {folder}: state preprocess=")
    stated = _json(path)
    resampling = RESAMPLING.get(stated.get("resample", -1))
    if resampling is None or not stated.get("do_resize", True):
        raise HarnessError(f"{path}: no resize by {', '.join(RESAMPLING.values())}: state preprocess=")
    if not stated.get("do_rescale", True) or abs(stated.get("rescale_factor", 1 / 255) * 255 - 1) > 1e-6:
        raise HarnessError(f"{path}: does not rescale pixels to [0, 1]: state preprocess=")
    fields: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    if stated.get("do_normalize", True):
        fields = {"mean": stated.get("image_mean"), "std": stated.get("image_std")}
    try:
        return preprocess_of({**fields, **_geometry(stated), "interpolation": resampling})
    except (HarnessError, TypeError, ValueError) as error:
        raise HarnessError(f"{path}: {error}: state preprocess=") from None


def _geometry(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Size, crop and fit. Old files state sizes as numbers: of the short side where a crop follows, else of both."""
    size = stated.get("size")
    cropped = bool(stated.get("do_center_crop", "crop_size" in stated))
    if isinstance(size, int):
        short = cropped or "crop_pct" in stated
        size = {"shortest_edge": size} if short else {"height": size, "width": size}
    crop = stated.get("crop_size")
    crop = crop if isinstance(crop, Mapping) else {"height": crop, "width": crop}
    squash = "height" in (size or {})
    resize = (size or {}).get("height" if squash else "shortest_edge")
    final = crop["height"] if cropped else resize
    if not squash and not cropped and resize is not None and (share := stated.get("crop_pct")):
        # ConvNeXt: a small input is cropped of a larger image, a large one squashed
        squash, resize = (True, resize) if resize >= 384 else (False, int(resize / share))
    elif not squash and not cropped:
        resize = None
    square = crop["height"] == crop["width"] if cropped else not squash or (size or {}).get("width") in (None, final)
    if resize is None or final is None or not square or final > resize:
        raise ValueError(f"no square input of a fixed size, from size {size} and crop_size {stated.get('crop_size')}")
    return {"size": final, "crop": final / resize, "fit": "squash" if squash else "short"}
