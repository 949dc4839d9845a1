"""Networks of transformers as encoders. Importing this imports transformers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from harness.encoder import EMBEDDING, FeatureMap, ModuleEncoder
from harness.errors import HarnessError, naming
from harness.models import Preprocess

BLOCKS = ("stages", "layers", "layer", "blocks")  # what the families call the list of their blocks
TOWER = "vision_model"
SHOWN = 4  # keys named in a message
logging: Any = transformers_logging  # its functions have no types


def encoder(name: str, folder: Path, pool: str, preprocess: Preprocess) -> HfEncoder:
    """The encoder of a folder with configuration and safetensors.

    Raises `HarnessError` when a weight is missing, unexpected or of another shape, and for an impossible pooling.
    """
    with naming(f"{name}: cannot be loaded"), _quiet():
        model, info = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    if getattr(model.config, "mask_ratio", 0):
        raise HarnessError(f"{name}: a {model.config.model_type} masks its input at random: use timm:'s encoder of it")
    if pool == "projected" and not hasattr(model, "get_image_features"):
        raise HarnessError(f"{name}: pool=projected needs an image-text model, not a {type(model).__name__}")
    tower = getattr(model, TOWER, model)
    pool = pool or ("cls" if _named(tower, "cls_token") else "")
    if pool in ("cls", "mean") and isinstance(getattr(tower, "pooler", None), nn.Module):
        tower.pooler = None  # not used, and often not in the file
    _check_keys(name, tower, f"{TOWER}." if tower is not model else "", info, whole=pool == "projected")
    kept = model if pool == "projected" else tower
    made = HfEncoder(kept.float(), tower, preprocess, pool, folder)
    made.eval()
    with naming(f"{name}: does not work on {preprocess.size} x {preprocess.size} pixels"), torch.inference_mode():
        made.settle(torch.zeros(1, 3, preprocess.size, preprocess.size), name)
    return made


class HfEncoder(ModuleEncoder):
    """A network of transformers; layers are its blocks (``blocks.0``…) or stages (``stages.0``…).

    Tokens are pooled by the class token where the network has one, unless the pooling is ``mean``: the patches' mean.
    """

    module: Any  # whose methods depend on its family

    def __init__(self, module: Any, tower: Any, preprocess: Preprocess, pool: str, folder: Path) -> None:
        aliases = _blocks(module)
        super().__init__(module, preprocess, list(aliases), aliases)
        self.pooling, self.folder = pool, folder
        self.class_token = _named(tower, "cls_token") or _named(tower, "class_embedding")
        patch = getattr(tower.config, "patch_size", None)
        patch = patch[0] if isinstance(patch, list | tuple) else patch
        self.patches = (preprocess.size // patch) ** 2 if patch else 0

    def settle(self, images: Tensor, name: str) -> None:
        """Choose the pooling where none was, and see that it can be. Raises `HarnessError` when it cannot."""
        output = self._tower(pixel_values=images)
        pooled = getattr(output, "pooler_output", None) is not None
        self.pooling = self.pooling or ("pooler" if pooled else "mean")
        if self.pooling == "pooler" and not pooled:
            raise HarnessError(f"{name}: the network has no pooled output: use pool=cls or pool=mean")
        if self.pooling == "cls" and not self.class_token:
            raise HarnessError(f"{name}: the network has no class token: use pool=mean or pool=pooler")

    def embed(self, images: Tensor) -> Tensor:
        if self.pooling == "projected":
            return _features(self.module.get_image_features(pixel_values=images))
        output = self._tower(pixel_values=images)
        if self.pooling == "pooler":
            pooled: Tensor = output.pooler_output
            return pooled.flatten(1)
        return self.pool(output.last_hidden_state, EMBEDDING)

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Texts to the space of the image embeddings, (C, D). Raises `HarnessError` unless ``pool=projected``."""
        if self.pooling != "projected":
            raise HarnessError("texts and images share a space only with pool=projected")
        with naming(f"{self.folder}: no tokenizer that can be loaded"), _quiet():
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        length = self.module.config.text_config.max_position_embeddings
        tokens = tokenizer(list(prompts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        device = next(self.parameters()).device
        return _features(self.module.get_text_features(**{key: value.to(device) for key, value in tokens.items()}))

    def activations(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        tapped: dict[str, Tensor] = {}
        with ExitStack() as stack:
            for layer in layers:
                if layer != EMBEDDING:
                    hook = self._submodule(layer).register_forward_hook(_tap_first(tapped, layer))
                    stack.callback(hook.remove)
            tapped[EMBEDDING] = self.embed(images)
        return {layer: tapped[layer] for layer in layers if layer in tapped}

    def feature_maps(self, images: Tensor) -> list[FeatureMap]:
        hidden = self._tower(pixel_values=images).last_hidden_state
        if hidden.ndim == 4:
            return super().feature_maps(images)
        patches = hidden[:, self._prefix(hidden) :]
        side = math.isqrt(patches.shape[1])
        tensor = patches.transpose(1, 2).reshape(len(hidden), -1, side, side)
        return [FeatureMap(tensor, round(images.shape[-1] / side), "last_hidden_state")]

    def pool(self, activation: Tensor, layer: str) -> Tensor:
        if activation.ndim != 3:
            return super().pool(activation, layer)
        if self.class_token and self.pooling != "mean":
            return activation[:, 0]
        return activation[:, self._prefix(activation) :].mean(1)

    def _prefix(self, tokens: Tensor) -> int:
        """How many class and register tokens precede the patches of (N, T, D)."""
        return max(tokens.shape[1] - self.patches, 0) if self.class_token else 0

    @property
    def _tower(self) -> Callable[..., Any]:
        tower: nn.Module = getattr(self.module, TOWER, self.module)
        return tower


def _check_keys(name: str, tower: nn.Module, prefix: str, info: dict[str, Any], whole: bool) -> None:
    """Raise `HarnessError` where a weight of the network was not in the file, or one in the file is not in the network.

    Heads, which are beside the network, may be in the file; a pooler that was taken off may be missing.
    """
    scope = "" if whole else prefix
    unused = f"{prefix}pooler." if getattr(tower, "pooler", None) is None else "-"
    missing = [key for key in info["missing_keys"] if key.startswith(scope) and not key.startswith(unused)]
    base, children = f"{getattr(tower, 'base_model_prefix', '')}.", dict(tower.named_children())
    extra = [key.removeprefix(prefix).removeprefix(base) for key in info["unexpected_keys"] if key.startswith(scope)]
    unexpected = [key for key in extra if key.partition(".")[0] in children]
    if missing or unexpected:
        faults = f"keys missing: {_listed(missing)}; unexpected: {_listed(unexpected)}"
        raise HarnessError(f"{name} does not fit the {type(tower).__name__}: {faults}")


def _listed(keys: Iterable[str]) -> str:
    names = sorted(keys)
    return (", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")) or "none"


def _blocks(module: nn.Module) -> dict[str, str]:
    """Layer name to submodule, of the outermost list of blocks of the vision tower."""
    inside = f"{TOWER}." if hasattr(module, TOWER) else ""
    for key, part in module.named_modules():
        own = key.rpartition(".")[2]
        if isinstance(part, nn.ModuleList) and own in BLOCKS and key.startswith(inside):
            kind = "stages" if own == "stages" else "blocks"
            return {f"{kind}.{i}": f"{key}.{i}" for i in range(len(part))}
    return {}


def _named(module: nn.Module, name: str) -> bool:
    """Whether a parameter of the module is called `name`."""
    return any(key.rpartition(".")[2] == name for key, _ in module.named_parameters())


def _features(output: Any) -> Tensor:
    """Projected features: a tensor, or the pooled output of newer versions."""
    features: Tensor = getattr(output, "pooler_output", output)
    return features


def _tap_first(into: dict[str, Tensor], layer: str) -> Callable[[nn.Module, Any, Any], Any]:
    """A forward hook that keeps what a block gives and hands a copy on; some give a tuple that begins with it."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        into[layer] = output[0] if isinstance(output, tuple) else output
        copied = into[layer].clone()
        return (copied, *output[1:]) if isinstance(output, tuple) else copied

    return hook


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars and warnings: what matters of them becomes an error here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
