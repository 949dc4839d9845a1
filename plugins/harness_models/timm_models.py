"""``timm:NAME[?pretrained=0&seed=0]``: any backbone of timm, with timm's own preprocessing and pooling."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from harness.errors import HarnessError, nearest, one_line
from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness_models.cards import NO_CARD, completed
from harness_models.sources import checkpoint_folder, from_hugging_face

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.encoder import Encoder, FeatureMap
    from harness.fetch import Progress
    from harness_models.backbones import Backbone


WEIGHTS = "model.safetensors"


def model(
    source: str,
    *,
    pretrained: bool | int = True,
    seed: int = 0,
    preprocess: str | Mapping[str, Any] | None = None,
    card: ModelCard = NO_CARD,
) -> Model:
    """A timm backbone.

    Args:
        source: timm's name, with or without the tag of its weights (``vit_small_patch16_224.dino``).
        pretrained: timm's weights, which must be on this machine already; else random ones, drawn from `seed`.
        preprocess: instead of timm's own data configuration. Stating it saves planning the import of timm; its size
            becomes that of a ViT's input.
    """
    stated = preprocess_of(preprocess) if preprocess is not None else own_preprocess(source)
    arch = source.partition(".")[0]
    facts = {"loader": "timm", "arch": arch, "pretrained": bool(pretrained)}
    return Model(
        name=card.name or source,
        card=completed(card, f"timm:{arch}"),
        load=partial(load, source, bool(pretrained), seed, stated),
        preprocess=stated,
        identity=facts if pretrained else {**facts, "seed": seed},
        fetch=partial(fetch, source) if pretrained else None,
    )


def load(source: str, pretrained: bool, seed: int, preprocess: Preprocess) -> Encoder:
    """The encoder. Raises `HarnessError` for an unknown name, absent weights, or ones that do not fit."""
    from harness_models.weights import seeded

    options: dict[str, Any] = {}
    config = _config(source)
    if config.fixed_input_size and preprocess.size != config.input_size[-1]:
        options["img_size"] = preprocess.size
    if pretrained:
        options["pretrained_cfg_overlay"] = {"file": str(_weights(source, config)), "source": ""}
    with seeded(seed):
        module = _create(source, pretrained=pretrained, **options)
    # Built with its head, since timm checks keys strictly only then.
    module.reset_classifier(0)
    return _backbone(module, preprocess.size).encoder(preprocess)


def backbone(arch: str) -> Backbone:
    """The headless network, for a checkpoint to fill: ``NAME[?OPTION=VALUE&...]`` with options of timm's model."""
    name, _, query = arch.partition("?")
    options = {key: _literal(value) for key, value in parse_qsl(query)}
    config = _config(name)
    size = options.get("img_size", config.input_size[-1])
    return _backbone(_create(name, num_classes=0, **options), size)


def _literal(value: str) -> Any:
    """Python's number, truth value or None that a text spells, else the text."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def own_preprocess(name: str) -> Preprocess:
    """timm's data configuration of a model. timm rounds the size before the crop down, so that is what is kept."""
    from timm.data.config import resolve_data_config

    config = resolve_data_config(pretrained_cfg=_config(name).to_dict())  # type: ignore[no-untyped-call]
    channels, height, width = config["input_size"]
    fits = {"center": "short", "squash": "squash"}
    if channels != 3 or height != width or config["crop_mode"] not in fits:
        shape, mode = config["input_size"], config["crop_mode"]
        raise HarnessError(f"timm:{name} takes {shape} with crop mode {mode}: state preprocess=")
    crop = height / math.floor(height / config["crop_pct"])
    fields = {key: config[key] for key in ("interpolation", "mean", "std")}
    return preprocess_of({**fields, "size": height, "crop": crop, "fit": fits[config["crop_mode"]]})


def _config(name: str) -> Any:
    """timm's pretrained configuration. Raises `HarnessError` for an unknown model or tag, naming the nearest."""
    import timm

    arch, _, tag = name.partition(".")
    if not timm.is_model(arch):
        raise HarnessError(f"timm has no model {arch!r}{nearest(arch, timm.list_models())}")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{arch}.*")]
    if tag and tag not in tags:
        raise HarnessError(f"timm's {arch} has no weights {tag!r}{nearest(tag, tags)} (has: {', '.join(tags)})")
    return timm.get_pretrained_cfg(name)


def _create(name: str, **options: Any) -> Any:
    import timm

    try:
        return timm.create_model(name, **options)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise HarnessError(f"timm:{name} cannot be built: {one_line(error)[:300]}") from error


def _weights(name: str, config: Any) -> Path:
    """The file of timm's weights. Raises `HarnessError` where it is not on this machine."""
    if (found := _found(name, config)) is not None:
        return found
    raise HarnessError(
        f"the weights of timm:{name} are not on this machine: 'harness models fetch' gets them, or put them at "
        f"{_own(name)}; pretrained=0 gives random weights, ckpt: takes any file"
    )


def _own(name: str) -> Path:
    return checkpoint_folder() / f"{name}.safetensors"


def _found(name: str, config: Any) -> Path | None:
    """The file of timm's weights in the checkpoint folder or the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    if _own(name).is_file():
        return _own(name)
    cached = try_to_load_from_cache(config.hf_hub_id, WEIGHTS) if config.hf_hub_id else None
    return Path(cached) if isinstance(cached, str) else None


def fetch(source: str, progress: Progress) -> Path:
    """timm's weights, from where timm has them on the Hugging Face hub. Raises `HarnessError` without."""
    config = _config(source)
    if (found := _found(source, config)) is not None:
        return found
    if not config.hf_hub_id:
        raise HarnessError(f"timm has no weights of {source} to fetch: pretrained=0 gives random ones")
    return from_hugging_face(config.hf_hub_id, [WEIGHTS], _own(source), progress) / WEIGHTS


def _backbone(module: Any, size: int) -> Backbone:
    """What timm says of a network's inside: `feature_info`, its pooling, its memory format."""
    from timm.models.resnet import ResNet

    from harness_models.backbones import Backbone, first_norm
    from harness_models.resnet import resnet

    module.eval()
    if isinstance(module, ResNet):
        known = resnet(module)
        layers, aliases = known.layers, known.aliases
    else:
        layers, aliases = _tappable(module, size), {}
    return Backbone(
        module,
        layers,
        aliases,
        maps=partial(_pyramid, module) if hasattr(module, "forward_intermediates") else None,
        token_pooling=_token_pooling(module),
        channels_last=getattr(module, "output_fmt", "") == "NHWC",
        final_map=first_norm(module, layers or (), "norm1"),
    )


def _tappable(module: Any, size: int) -> Sequence[str]:
    """Those modules of timm's `feature_info` (a ViT's blocks, a CNN's stages) that give a tensor on a blank image."""
    import torch

    names = [info["module"] for info in getattr(module, "feature_info", ())]
    modules = dict(module.named_modules())
    given: set[str] = set()
    with ExitStack() as stack, torch.inference_mode():
        for name in modules.keys() & set(names):
            handle = modules[name].register_forward_hook(partial(_note, given, name))
            stack.callback(handle.remove)
        module(torch.zeros(1, 3, size, size))
    return [name for name in names if name in given]


def _note(given: set[str], name: str, module: nn.Module, args: Any, output: Any) -> None:
    from torch import Tensor

    if isinstance(output, Tensor):
        given.add(name)


def _token_pooling(module: Any) -> Callable[[Tensor], Tensor] | None:
    """timm's pooling of tokens, where the network has a prefix; attention pooling is replaced by the patches' mean."""
    from timm.layers.pool1d import global_pool_nlc

    prefix = getattr(module, "num_prefix_tokens", 0)
    if not prefix:
        return None
    kind = module.global_pool if module.global_pool in ("token", "avg", "avgmax", "max") else "avg"
    return partial(global_pool_nlc, pool_type=kind, num_prefix_tokens=prefix)


def _pyramid(module: Any, images: Tensor) -> list[FeatureMap]:
    """The deepest map of each stride, fine to coarse; a plain ViT has one, after its last normalisation."""
    from harness.encoder import FeatureMap

    normalised = hasattr(module, "num_prefix_tokens")
    maps = module.forward_intermediates(images, norm=normalised, intermediates_only=True)
    strides = [round(images.shape[-1] / m.shape[-1]) for m in maps]
    deepest = {s: FeatureMap(m, s, f"stride{s}") for s, m in zip(strides, maps, strict=True)}
    return [deepest[s] for s in sorted(deepest)]
