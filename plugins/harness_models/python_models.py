"""``py:package.module:build``: a Python function that makes the model."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, nearest, one_line
from harness.identity import file_digest
from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness_models.cards import NO_CARD, completed

if TYPE_CHECKING:
    from harness.encoder import Encoder
    from harness_models.backbones import Backbone


def model(
    source: str,
    *,
    preprocess: str | Mapping[str, Any] | None = None,
    card: ModelCard = NO_CARD,
    **options: Any,
) -> Model:
    """The model that ``module:function(**options)`` makes: an `Encoder`, or an `nn.Module` to wrap as one.

    The function runs with torch's random seed 0, so that a random initialisation is the same each time.

    Args:
        preprocess: the module's input. An `Encoder` brings its own; leaving it out calls the function once more, here.

    Raises `HarnessError` for a module or function that does not exist.
    """
    facts = {"loader": "py", "function": source, "source": source_digest(source), "options": options}
    stated = preprocess_of(preprocess) if preprocess is not None else load(source, options, None).preprocess
    return Model(
        name=card.name or source,
        card=completed(card, source),
        load=partial(load, source, options, stated),
        preprocess=stated,
        identity=facts,
    )


def load(source: str, options: Mapping[str, Any], preprocess: Preprocess | None) -> Encoder:
    """The encoder. Raises `HarnessError` when the function gives no model, or one of another preprocessing."""
    from torch import nn

    from harness.encoder import Encoder, ModuleEncoder

    made = _call(source, options)
    if not isinstance(made, nn.Module):
        raise HarnessError(f"py:{source} must return an Encoder or an nn.Module, not a {type(made).__name__}")
    if isinstance(made, Encoder):
        if preprocess not in (None, made.preprocess):
            raise HarnessError(f"py:{source} gives an Encoder with its own preprocess: leave out the preprocess option")
        encoder = made
    else:
        if preprocess is None:
            raise HarnessError(f"py:{source} gives an nn.Module: state its input with preprocess=, such as imagenet")
        encoder = ModuleEncoder(made, preprocess)
    encoder.eval()
    return encoder


def backbone(source: str) -> Backbone:
    """The `nn.Module` of a function as an architecture for a checkpoint (``arch=py:package.module:function``)."""
    from torch import nn

    from harness_models.backbones import Backbone

    made = _call(source, {})
    if not isinstance(made, nn.Module):
        raise HarnessError(f"py:{source} must return an nn.Module, not a {type(made).__name__}")
    return Backbone(made)


def source_digest(source: str) -> str:
    """SHA-256 of the file of ``module:function``; the module is not imported. Raises `HarnessError` without one."""
    module, colon, function = source.partition(":")
    if not (colon and module and function):
        raise HarnessError(f"cannot read py:{source}: expected py:package.module:function")
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a parent package is missing, or is no package
        spec = None
    if spec is None or not spec.has_location or spec.origin is None:
        raise HarnessError(f"py:{source}: no Python module {module!r} (is its folder on PYTHONPATH?)")
    return file_digest(Path(spec.origin))


def _call(source: str, options: Mapping[str, Any]) -> Any:
    """Call the function with torch's seed 0."""
    from harness_models.weights import seeded

    with seeded(0):
        try:
            return _function(source)(**options)
        except HarnessError:
            raise
        except Exception as error:  # the user's function may raise anything: name it
            raise HarnessError(f"py:{source} failed: {one_line(error)}") from error


def _function(source: str) -> Callable[..., Any]:
    name, _, attribute = source.partition(":")
    module = importlib.import_module(name)
    function: Callable[..., Any] | None = getattr(module, attribute, None)
    if function is None:
        raise HarnessError(f"module {name} has no function {attribute!r}{nearest(attribute, vars(module))}")
    return function
