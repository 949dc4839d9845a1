"""What must hold of a plugin's module: it registers, cheaply, and says what it offers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

from harness.lookup import find_dataset, find_model, find_protocol
from harness.plugins import KINDS, Host
from harness.registry import Entry
from harness.testing.kit import Doubt, Fault, Kit, own_doc, require_doc

HEAVY = ("torch", "torchvision", "timm", "sklearn")


@dataclass(frozen=True)
class Registration:
    """A plugin as the host sees it.

    Attributes:
        module: dotted name, or the path of a Python file.
        plugin: the name it has in `host`.
        paths: folders from which it can be imported.
    """

    module: str
    plugin: str
    host: Host
    paths: tuple[str, ...] = ()

    @property
    def entries(self) -> list[tuple[str, Entry]]:
        """All that it registers, with the kind."""
        return [(kind, entry) for kind in KINDS for entry in self.host[kind] if entry.origin.plugin == self.plugin]

    @cached_property
    def fresh(self) -> dict[str, list[str]]:
        """What `probe` says in a process of its own. Raises `Fault` when the plugin cannot be registered there."""
        program = f"from harness.testing.registration import probe; probe({self.module!r}, {self.paths!r})"
        environment = os.environ | {"HARNESS_LOAD_PLUGINS": "only the one given"}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1]
        found = json.loads(said) if done.returncode == 0 else {"failed": [said]}
        if found["failed"]:
            raise Fault(f"a fresh process could not register it: {found['failed'][0]}")
        return dict(found)


def probe(module: str, paths: Iterable[str]) -> None:
    """Print as JSON what this process, until now without a plugin, has to import for the plugin."""
    sys.path[:0] = paths
    host = Host(plugins=[module])
    registering = _heavy()
    for kind, entry in Registration(module, module, host).entries:
        with suppress(Exception):  # judged by other checks
            plan_with(host, kind, entry.name)
    failed = [failure.reason for failure in host.failures]
    print(json.dumps({"failed": failed, "registering": registering, "planning": _heavy()}))


def plan_with(host: Host, kind: str, name: str) -> None:
    """Look a name up as the planner does."""
    if name.endswith(":") or kind == "catalogue":
        return
    if kind == "dataset":
        find_dataset(host, name).card  # noqa: B018 - reading it is what planning does
    elif kind in ("model", "task"):
        (find_model if kind == "model" else find_protocol)(host, name)
    else:
        host[kind].entry(name).resolve()


def _heavy() -> list[str]:
    return [name for name in HEAVY if name in sys.modules]


KIT: Kit[Registration] = Kit()


@KIT.check("registers")
def registers(registration: Registration) -> None:
    """The module imports, its hooks are spelt right, and none of them fails."""
    failed = [f for f in registration.host.failures if f.origin.plugin == registration.plugin]
    if failed:
        raise Fault(failed[0].reason)


@KIT.check("cheap to register", "registers")
def cheap_to_register(registration: Registration) -> None:
    """In a fresh process, importing and registering the plugin loads no torch."""
    if heavy := registration.fresh["registering"]:
        raise Fault(
            f"registering imports {', '.join(heavy)}: register a dotted path 'package.module:name' instead of the "
            "object, or import inside functions"
        )


@KIT.check("cheap to plan", "cheap to register")
def cheap_to_plan(registration: Registration) -> None:
    """Cards, parameters and declarations can be read without torch, as ``harness plan`` does."""
    if heavy := registration.fresh["planning"]:
        raise Doubt(f"'harness plan' imports {', '.join(heavy)} for it: import inside the functions that compute")


@KIT.check("names are free", "registers")
def names_are_free(registration: Registration) -> None:
    """No other plugin gives the same name."""
    given = str(registration.host.origins[registration.plugin])
    for registry in registration.host.registries.values():
        if clashes := [line for line in registry.conflicts() if given in line]:
            raise Fault(clashes[0])


@KIT.check("targets resolve", "registers")
def targets_resolve(registration: Registration) -> None:
    """Every dotted path leads to something."""
    for kind, entry in registration.entries:
        if kind != "catalogue":
            entry.resolve()


@KIT.check("documented", "targets resolve")
def documented(registration: Registration) -> None:
    """The module and every name say what they are."""
    if not registration.module.endswith(".py"):
        require_doc(f"the module {registration.module}", import_module(registration.module).__doc__)
    for kind, entry in registration.entries:
        if kind != "catalogue":
            require_doc(f"the {kind} {entry.name!r}", entry.summary or own_doc(entry.resolve()))
