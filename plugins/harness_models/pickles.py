"""Pickles without their code: whatever a pickle names becomes a stand-in, nothing of it is imported or called.

Arrays are made here from their bytes, since numpy's own unpickling trusts the layout that a pickle declares.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError, one_line


class Inert:
    """An object of any class: it keeps what it was made of and does nothing."""

    fields: tuple[str, ...] = ()  # of a named tuple
    args: tuple[Any, ...]
    state: Any
    items: dict[Any, Any]  # of a subclass of dict

    def __new__(cls, *args: Any) -> Self:
        made = super().__new__(cls)
        made.args, made.state, made.items = args, None, {}
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value


class Dtype(Inert):
    """numpy's description of a number, ``dtype('<f4')``; any other kind of entry has none."""

    @property
    def numpy(self) -> np.dtype[Any] | None:
        kind = self.args[0] if self.args else ""
        if not isinstance(kind, str) or not re.fullmatch(r"[fiu][1248]|b1", kind):
            return None
        big = isinstance(self.state, tuple) and self.state[1:2] == (">",)
        return np.dtype(kind).newbyteorder(">" if big else "<")


class Array(Inert):
    """A numpy array; `tensor` is None unless its entries are numbers."""

    tensor: Tensor | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.tensor = _tensor(raw, dtype, shape, "F" if fortran else "C")


class _Call:
    """A function that a pickle may call, and not alter."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function has no state")


def _tensor(raw: Any, dtype: Any, shape: Any, order: Any) -> Tensor | None:
    kind = dtype.numpy if isinstance(dtype, Dtype) else None
    if kind is None or order not in ("C", "F"):
        return None
    array = np.frombuffer(_bytes(raw), kind).reshape(shape, order=order)
    return torch.from_numpy(array.astype(kind.newbyteorder("="), order="C"))


def _bytes(raw: Any) -> bytes:
    """Bytes; those of Python 2, and of pickle protocol 2, are written as text."""
    return raw.encode("latin1") if isinstance(raw, str) else bytes(memoryview(raw))


def _array(raw: Any, dtype: Any, shape: Any, order: Any = "C") -> Array:
    made = Array()
    made.tensor = _tensor(raw, dtype, shape, order)
    return made


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    value = _tensor(raw, dtype, (1,), "C")
    return None if value is None else value.item()


def _named_tuple(name: Any, fields: Any, module: Any = "") -> type[Inert]:
    if not all(isinstance(field, str) for field in fields):
        raise pickle.UnpicklingError("a named tuple has a field without a name")
    return type("NamedTuple", (Inert,), {"fields": tuple(fields)})


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    """Of pairs, as Python 2 writes it; later ones come empty and are filled."""
    _check_keys([key for key, _ in pairs])
    return OrderedDict(pairs)


def _check_keys(keys: Iterable[Any]) -> None:
    """Refuse all but names and numbers: to hash a tuple in a tuple in a tuple… would overflow the stack."""
    if any(not isinstance(key, str | int) for key in keys):
        raise pickle.UnpicklingError("a dictionary has a key that is no name")


_numpy = {"_reconstruct": _Call(lambda *args: Array()), "scalar": _Call(_scalar)}
NUMPY: dict[str, Any] = {
    "numpy.ndarray": Array,
    "numpy.dtype": Dtype,
    **{f"numpy.{core}.multiarray.{name}": made for core in ("core", "_core") for name, made in _numpy.items()},
    **{f"numpy.{core}.numeric._frombuffer": _Call(_array) for core in ("core", "_core")},
}
CONTAINERS = dict.fromkeys(  # subclasses of dict that hold the options of a training run
    (
        "pytorch_lightning.utilities.parsing.AttributeDict",
        "lightning.pytorch.utilities.parsing.AttributeDict",
        "lightning.fabric.utilities.data.AttributeDict",
        "lightning_fabric.utilities.data.AttributeDict",
        "vissl.utils.hydra_config.AttrDict",
        "vissl.config.attr_dict.AttrDict",
        "easydict.EasyDict",
        "yacs.config.CfgNode",
        "fvcore.common.config.CfgNode",
        "mmengine.config.config.ConfigDict",
        "addict.addict.Dict",
    ),
    OrderedDict,
)
OBJECTS = dict.fromkeys(
    (
        "argparse.Namespace",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "omegaconf.base.ContainerMetadata",
        "omegaconf.base.Metadata",
        *(f"omegaconf.nodes.{kind}Node" for kind in ("Any", "Integer", "Float", "String", "Boolean")),
        "typing.Any",
        *(f"builtins.{kind}" for kind in ("dict", "list", "int", "float", "str", "bool")),  # named as types
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
        "mmengine.logging.history_buffer.HistoryBuffer",
    ),
    Inert,
)
# What a file that torch reads with ``weights_only=True`` may name beside tensors.
SAFE: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((made, name) for name, made in (NUMPY | CONTAINERS | OBJECTS).items()),
    (_Call(lambda *args: OrderedDict()), "collections.defaultdict"),
]

# What Python's documentation says that reading a broken pickle may raise.
BROKEN = (
    *(pickle.UnpicklingError, EOFError, OSError, ImportError, ArithmeticError),
    *(AttributeError, LookupError, TypeError, ValueError, RecursionError, MemoryError),
)
BYOL_STATE = ("online_params", "target_params", "online_state", "target_state", "opt_state")
JAX: dict[str, Any] = {
    **NUMPY,
    "collections.OrderedDict": _Call(_ordered),
    "_codecs.encode": _Call(lambda text, encoding="latin1": _bytes(text)),
    **dict.fromkeys(("builtins.bytes", "__builtin__.bytes"), _Call(lambda: b"")),  # protocol 2 writes no empty bytes
    "dill._dill._create_namedtuple": _Call(_named_tuple),
    "dill.dill._create_namedtuple": _Call(_named_tuple),
    "byol.byol_experiment._ByolExperimentState": _named_tuple("", BYOL_STATE),
}
JAX_PACKAGES = ("byol", "haiku", "jax", "jaxlib", "optax")  # whose objects are containers here


def _guarded(code: bytes, keys: slice) -> tuple[int, Callable[[Any], None]]:
    """An operation that fills a dictionary, behind a look at the keys, which lie there on the stack."""
    fill = pickle._Unpickler.dispatch[code[0]]

    def guarded(unpickler: Any) -> None:
        _check_keys(unpickler.stack[keys])
        fill(unpickler)

    return code[0], guarded


SETS = (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET)  # which hash their members, and which no array needs
FILLS = ((pickle.SETITEM, slice(-2, -1)), (pickle.SETITEMS, slice(0, None, 2)), (pickle.DICT, slice(0, None, 2)))


class _Arrays(pickle._Unpickler):
    """The one in Python: it can be told which operations it has, and keeps few numbers of what it remembers."""

    dispatch: ClassVar = {
        **{code: load for code, load in pickle._Unpickler.dispatch.items() if bytes([code]) not in SETS},
        **dict(_guarded(*fill) for fill in FILLS),
    }

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in JAX:
            return JAX[full]
        if module.partition(".")[0] in JAX_PACKAGES:
            return Inert
        raise HarnessError(f"this pickle holds a {full}, which is no array: it may execute code, so it is not loaded")


def read_arrays(path: Path) -> dict[str, Any]:
    """The nested arrays of a pickle of JAX, such as BYOL's, as tensors on the CPU. Nothing in it is executed.

    Raises `HarnessError` for a file that is truncated, no pickle, holds no dictionary, or names anything but arrays
    and the containers of JAX's libraries.
    """
    try:
        with path.open("rb") as file:
            content = _plain(_Arrays(file).load(), {})
    except HarnessError as error:
        raise HarnessError(f"{path}: {error}") from error
    except BROKEN as error:
        raise HarnessError(f"{path}: truncated, or no pickle of arrays: {one_line(error)[:200]}") from error
    if not isinstance(content, dict):
        raise HarnessError(f"{path}: holds a {type(content).__name__}, not a dictionary of arrays")
    return content


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """Dictionaries, lists and tensors in place of the stand-ins; None for what holds neither.

    Args:
        done: the results by the identity of what they are of: what is there many times is one object here too.
    """
    if id(value) not in done:
        done[id(value)] = _converted(value, done)
    return done[id(value)]


def _converted(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, Array):
        return value.tensor
    if isinstance(value, dict):
        return {key: _plain(entry, done) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry, done) for entry in value]
    if not isinstance(value, Inert):
        return value
    if value.fields:
        return {name: _plain(entry, done) for name, entry in zip(value.fields, value.args, strict=True)}
    inner = [part for part in (*value.args, value.state, value.items) if isinstance(part, dict | Array) and part != {}]
    return _plain(inner[0], done) if len(inner) == 1 else None
