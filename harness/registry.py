"""Names to lazily loaded entries: who registered what, what clashes, what was probably meant."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.errors import HarnessError, nearest, one_line
from harness.names import split_scheme


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from."""

    plugin: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip() or self.plugin


@dataclass(frozen=True)
class Entry:
    """A registered name. `target` is an object, or a dotted path ``package.module:attribute`` resolved on first use."""

    name: str
    target: Any
    origin: Origin
    summary: str = ""

    def resolve(self) -> Any:
        """The object behind the name. Raises `HarnessError` naming the plugin when it cannot be imported."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # whatever a plugin's module raises, the answer names the plugin
            raise HarnessError(
                f"{self.name!r} of plugin {self.origin} cannot be loaded from {self.target}: {one_line(error)}"
            ) from error


Register = Callable[..., None]


def plural(kind: str) -> str:
    """The kind as hooks and ``harness list`` spell it."""
    return {"analysis": "analyses", "reported": "reported"}.get(kind, f"{kind}s")


class Registry:
    """Entries of one kind (``model``, ``dataset``, ``task``…), by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, list[Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Keep the entry; a second one of the same name makes the name unusable, never silently replaced."""
        self._entries.setdefault(entry.name, []).append(entry)

    def names(self) -> list[str]:
        """All plain names, then the schemes (``timm:``), each sorted."""
        return sorted(self._entries, key=lambda name: (name.endswith(":"), name))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[name][0] for name in self.names())

    def conflicts(self) -> list[str]:
        """One line for each name that more than one plugin gives."""
        return [self._conflict(name) for name, entries in self._entries.items() if len(entries) > 1]

    def _conflict(self, name: str) -> str:
        givers = " and ".join(str(entry.origin) for entry in self._entries[name])
        return f"{self.kind} {name!r} is given by {givers}: uninstall one, or exclude it with HARNESS_LOAD_PLUGINS"

    def entry(self, name: str) -> Entry:
        """The entry of a plain name, or of the scheme of a URI.

        Raises `HarnessError` for an unknown name (with the nearest known one) or a name given twice.
        """
        scheme = split_scheme(name)
        key = scheme[0] if scheme and name not in self._entries else name
        if key not in self._entries:
            known = self.names()
            kind = {"reported": "published figures"}.get(self.kind, self.kind)
            what = f"no {kind} scheme {key!r}" if scheme else f"no {kind} named {name!r}"
            command = f"harness list {plural(self.kind)}"
            raise HarnessError(f"{what}{nearest(key, known)} ({command!r} shows all {len(known)})")
        if len(self._entries[key]) > 1:
            raise HarnessError(self._conflict(key))
        return self._entries[key][0]


class Registrar:
    """What a hook gets as ``register``: collects entries, so that a plugin that fails half way leaves nothing."""

    def __init__(self, kind: str, origin: Origin) -> None:
        self.kind, self.origin = kind, origin
        self.entries: list[Entry] = []

    def __call__(self, name: Any, target: Any = None, *, summary: str = "") -> None:
        """Register a decorated object, or a name with an object or dotted path."""
        if target is None:
            target, name = name, getattr(name, "name", None)
        if not isinstance(name, str) or not name:
            raise HarnessError(f"register() of a {self.kind} needs a name: decorate {target!r}, or pass one")
        if isinstance(target, str) and self.kind != "catalogue" and ":" not in target:
            raise HarnessError(f"the {self.kind} {name!r} needs a path 'package.module:attribute', not {target!r}")
        self.entries.append(Entry(name, target, self.origin, summary or _summary(target)))


def _summary(target: Any) -> str:
    """The title of a target's card, or the first line of its docstring."""
    title = getattr(getattr(target, "card", None), "title", None)
    doc = "" if isinstance(target, str) else (getattr(target, "__doc__", None) or "").strip()
    return title if isinstance(title, str) and title else doc.split("\n")[0]
