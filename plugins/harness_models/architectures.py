"""Architectures by name, for checkpoints: ``torchvision:resnet50``, ``timm:vit_base_patch16_224``, ``tiny``…

A builder takes what follows the colon and returns a headless `harness_models.backbones.Backbone` with any weights.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, nearest
from harness_models.python_models import source_digest

if TYPE_CHECKING:
    from harness_models.backbones import Backbone

BUILDERS = {
    "torchvision:": "harness_models.torchvision_models:backbone",
    "timm:": "harness_models.timm_models:backbone",
    "py:": "harness_models.python_models:backbone",
    "resnet50-caffe": "harness_models.resnet:resnet50_caffe",
    "tiny": "harness_models.resnet:tiny",
}


def build(arch: str) -> Backbone:
    """The backbone of an architecture. Raises `HarnessError` for a name its library does not have."""
    key, rest = _split(arch)
    module, _, function = BUILDERS[key].partition(":")
    backbone: Backbone = getattr(importlib.import_module(module), function)(rest)
    return backbone


def identity(arch: str) -> dict[str, Any]:
    """What of an architecture can change an output: its name, and the source where it is the user's own function.

    Raises `HarnessError` for an unknown name.
    """
    key, rest = _split(arch)
    return {"arch": arch, "source": source_digest(rest)} if key == "py:" else {"arch": arch}


def _split(arch: str) -> tuple[str, str]:
    head, colon, rest = arch.partition(":")
    if (key := head + colon) not in BUILDERS or bool(colon) != bool(rest):
        known = ", ".join(f"{name}NAME" if name.endswith(":") else name for name in BUILDERS)
        raise HarnessError(f"no architecture {arch!r}{nearest(key, BUILDERS)} (known: {known})")
    return key, rest
