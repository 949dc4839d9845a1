"""Models that exist only in memory: any module, as in a notebook or a training loop."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from harness.encoder import Encoder, ModuleEncoder
from harness.identity import digest
from harness.models import Model, ModelCard, Preprocess, preprocess_of


@contextmanager
def undisturbed(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Give modules back as they came: on their devices, each part in its training or evaluation mode."""
    modules = list(modules)
    modes = [(part, part.training) for module in modules for part in module.modules()]
    places = [(module, next((p.device for p in module.parameters()), None)) for module in modules]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for module, device in places:
            if device is not None:
                module.to(device)


def model_of(name: str, module: nn.Module, preprocess: str | Mapping[str, Any] | Preprocess) -> Model:
    """A module as a `Model`, identified by its weights' content, its structure, its code and its plain attributes."""
    encoder = module if isinstance(module, Encoder) else ModuleEncoder(module, preprocess_of(preprocess))
    kind = type(module)
    card = ModelCard(name=name, title=kind.__name__, parameters=sum(p.numel() for p in module.parameters()))
    identity = {"loader": "module", "class": f"{kind.__module__}.{kind.__qualname__}", "structure": structure(module)}
    return Model(name, card, lambda: encoder, encoder.preprocess, identity)


def structure(module: nn.Module) -> str:
    """A digest of what a module computes apart from its weights.

    That is its `repr`, the source of each class outside PyTorch, and each part's plain attributes. A class without
    source (typed at a prompt) makes the digest new each time: better computed again than taken for another.
    """
    parts = list(module.named_modules())
    classes = {type(part) for _, part in parts if not type(part).__module__.startswith(("torch.", "harness."))}
    plain = {f"{name}.{key}": value for name, part in parts for key, value in vars(part).items() if _plain(key, value)}
    code = {f"{cls.__module__}.{cls.__qualname__}": _source(cls) for cls in classes}
    return digest({"repr": repr(module), "code": code, "attributes": {key: repr(v) for key, v in plain.items()}})


def own_code(module: nn.Module) -> str:
    """A digest of the source of the module's classes that are no installed package's: what `identity` may miss."""
    classes = {type(part) for part in module.modules()}
    return digest({f"{cls.__module__}.{cls.__qualname__}": _source(cls) for cls in classes if _own(cls)})


def _own(cls: type) -> bool:
    """Whether a class comes from neither an installed package nor the harness."""
    try:
        file = inspect.getfile(cls)
    except (OSError, TypeError):
        return False
    return "-packages" not in file and not cls.__module__.startswith(("harness", "torch."))


def _plain(key: str, value: Any) -> bool:
    if key == "training":
        return False
    items = value if isinstance(value, tuple | list) else (value,)
    return all(isinstance(item, bool | int | float | str | None) for item in items)


def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return secrets.token_hex(16)
