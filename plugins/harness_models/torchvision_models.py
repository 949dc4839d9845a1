"""``torchvision:NAME[/WEIGHTS][?pretrained=0&seed=0]``: torchvision's classifiers without their last layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, nearest
from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness_models.cards import NO_CARD, completed
from harness_models.formats import FORMATS
from harness_models.sources import fetched, locate

if TYPE_CHECKING:
    from torch import nn

    from harness.encoder import Encoder
    from harness.fetch import Progress
    from harness_models.backbones import Backbone


def model(
    source: str,
    *,
    pretrained: bool | int = True,
    seed: int = 0,
    preprocess: str | Mapping[str, Any] | None = None,
    card: ModelCard = NO_CARD,
) -> Model:
    """A torchvision classifier's backbone.

    Args:
        source: its name, and which weights (``resnet50/IMAGENET1K_V1``); torchvision's default ones otherwise.
        pretrained: those weights, which must be on this machine already; else random ones, drawn from `seed`.
        preprocess: instead of the weights' own transforms. Stating it saves planning the import of torchvision.
    """
    name = source.partition("/")[0]
    stated = preprocess_of(preprocess) if preprocess is not None else own_preprocess(source)
    facts = {"loader": "torchvision", "arch": name, "pretrained": bool(pretrained)}
    return Model(
        name=card.name or source,
        card=completed(card, f"torchvision:{name}"),
        load=partial(load, source, bool(pretrained), seed, stated),
        preprocess=stated,
        identity=facts if pretrained else {**facts, "seed": seed},
        fetch=partial(fetch, source) if pretrained else None,
    )


def load(source: str, pretrained: bool, seed: int, preprocess: Preprocess) -> Encoder:
    """The encoder. Raises `HarnessError` for unknown names and absent or unfitting weights."""
    from harness_models.weights import load_strictly, seeded

    path = _file(_weights(source).url) if pretrained else None
    with seeded(seed):
        made = backbone(source.partition("/")[0])
    if path is not None:
        load_strictly(made.module, path, FORMATS["torchvision"])
    return made.encoder(preprocess)


def fetch(source: str, progress: Progress) -> Path:
    """The weights' file; its name carries the first digits of its SHA-256."""
    from harness.fetch import fetch as download

    url = _weights(source).url
    found = _in_torchs_folder(url)
    digest = re.search(r"-([0-9a-f]{8,})\.pth$", url)
    return found if found.is_file() else download(url, locate(url), digest[1] if digest else "", progress=progress)


def own_preprocess(source: str) -> Preprocess:
    """The transforms of a model's weights."""
    transforms = _weights(source).transforms()
    size, resize = transforms.crop_size[0], transforms.resize_size[0]
    fields = {"mean": transforms.mean, "std": transforms.std, "interpolation": transforms.interpolation.value}
    return preprocess_of({**fields, "size": size, "crop": size / resize})


def backbone(name: str) -> Backbone:
    """The network with random weights, its last linear layer replaced by the identity."""
    from torch import nn
    from torchvision.models import ResNet, SwinTransformer, VisionTransformer, get_model

    from harness_models.backbones import Backbone, first_norm
    from harness_models.resnet import resnet

    _check(name)
    module = get_model(name, weights=None)
    linear = [key for key, part in module.named_modules() if isinstance(part, nn.Linear)]
    if not linear:
        raise HarnessError(f"torchvision:{name} has no linear classifier to take off")
    module.set_submodule(linear[-1], nn.Identity())
    if isinstance(module, ResNet):
        return resnet(module)
    if isinstance(module, VisionTransformer):
        blocks = [f"encoder.layers.{key}" for key, _ in module.encoder.layers.named_children()]
        final_map = first_norm(module, blocks, "ln_1")
        return Backbone(module, blocks, token_pooling=lambda tokens: tokens[:, 0], final_map=final_map)
    return Backbone(module, _features(module), channels_last=isinstance(module, SwinTransformer))


def _features(module: nn.Module) -> list[str] | None:
    """The stages that most of torchvision's networks keep under ``features``; None for the others."""
    stages = getattr(module, "features", None)
    return [f"features.{key}" for key, _ in stages.named_children()] if stages is not None else None


def _check(name: str) -> None:
    import torchvision

    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise HarnessError(f"torchvision has no classifier {name!r}{nearest(name, known)}")


def _weights(source: str) -> Any:
    """The weights' entry in torchvision. Raises `HarnessError` for unknown names, with the nearest known one."""
    from torchvision.models import get_model_weights

    name, _, wanted = source.partition("/")
    _check(name)
    known = get_model_weights(name)
    if wanted and wanted not in known.__members__:
        meant, names = nearest(wanted, known.__members__), ", ".join(known.__members__)
        raise HarnessError(f"torchvision's {name} has no weights {wanted!r}{meant} (has: {names})")
    return known[wanted or "DEFAULT"]


def _file(url: str) -> Path:
    """The weights' file, in torch's own folder of downloads or the checkpoint folder."""
    own = _in_torchs_folder(url)
    return own if own.is_file() else fetched(url)


def _in_torchs_folder(url: str) -> Path:
    import torch

    return Path(torch.hub.get_dir(), "checkpoints", locate(url).name)
