"""Discovery: entry points, plugin files, catalogues. A broken plugin is reported and everything else works."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from harness import __version__, spec
from harness.catalogue import default_files, load_catalogue
from harness.errors import HarnessError, nearest, one_line
from harness.registry import Origin, Registrar, Registry, plural
from harness.suite import Suite

DISTRIBUTION = "ssl-harness"
KINDS = ("model", "dataset", "task", "metric", "analysis", "reported", "reporter", "engine", "catalogue")


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be imported or registered."""

    origin: Origin
    reason: str
    traceback: str

    def __str__(self) -> str:
        return f"plugin {self.origin.plugin!r} ({self.origin}) failed: {self.reason}"


class Host:
    """All that plugins offer: a registry a kind, the catalogue, and the event hooks.

    Args:
        plugins: more plugins, as paths of Python files or dotted module names.
        catalogues: more registry YAML files.
        strict: raise on the first plugin that fails, instead of noting it in `failures`.
    """

    def __init__(self, plugins: Iterable[str] = (), catalogues: Iterable[Path] = (), strict: bool = False) -> None:
        self.strict = strict
        self.failures: list[Failure] = []
        self.origins: dict[str, Origin] = {}
        self.manager = pluggy.PluginManager(spec.GROUP)
        self.manager.add_hookspecs(spec)
        self.registries = {kind: Registry(kind) for kind in KINDS}
        for point in _wanted_entry_points():
            dist = point.dist
            self._load(Origin(point.name, dist.name if dist else "", dist.version if dist else ""), point.load)
        for plugin in plugins:
            self._load(Origin(plugin), lambda plugin=plugin: _import(plugin))
        self.suites: dict[str, Suite] = {}
        for entry in self.registries["catalogue"]:
            try:
                self.suites |= load_catalogue(Path(entry.target), entry.origin, self.registries)
            except HarnessError as error:
                self.note(entry.origin, error)
        files = default_files(Origin("registry", DISTRIBUTION, __version__))
        files += [(path, Origin(str(path))) for path in catalogues]
        for path, origin in files:  # the user's own: to be mended before anything runs
            self.suites |= load_catalogue(path, origin, self.registries)
        if strict and (clashes := [line for r in self.registries.values() for line in r.conflicts()]):
            raise HarnessError(clashes[0])

    def __getitem__(self, kind: str) -> Registry:
        return self.registries[kind]

    def _load(self, origin: Origin, load: Any) -> None:
        """Import one plugin and let it register; on any failure it leaves no trace but a `Failure`."""
        try:
            if origin.plugin in self.origins:
                raise HarnessError(f"{self.origins[origin.plugin]} has a plugin of this name: rename the entry point")
            module = load()
            self.manager.register(module, name=origin.plugin)
            self._check_hooks(module)
            self._collect(origin)
            self.origins[origin.plugin] = origin
        except (Exception, SystemExit) as error:  # a plugin may raise anything: report it, go on with the others
            if origin.plugin not in self.origins and self.manager.has_plugin(origin.plugin):
                self.manager.unregister(name=origin.plugin)
            self.note(origin, error)

    def note(self, origin: Origin, error: BaseException) -> None:
        """Keep what went wrong with a plugin in `failures`, once; raise it if `strict`."""
        failure = Failure(origin, one_line(error), "".join(traceback.format_exception(error)))
        if self.strict:
            raise HarnessError(str(failure)) from error
        if str(failure) not in map(str, self.failures):
            self.failures.append(failure)

    def _check_hooks(self, module: Any) -> None:
        """A hook implementation without a specification is a misspelling."""
        known = [name for name in vars(spec) if hasattr(getattr(spec, name), f"{spec.GROUP}_spec")]
        for caller in self.manager.get_hookcallers(module) or []:
            if not caller.has_spec():
                raise HarnessError(f"no hook named {caller.name!r}{nearest(caller.name, known)}")

    def _collect(self, origin: Origin) -> None:
        """Call the plugin's own ``register_*`` hooks, and keep what they give only if all succeed."""
        registrars = {kind: Registrar(kind, origin) for kind in KINDS}
        for kind, registrar in registrars.items():
            for impl in self._implementations(f"register_{plural(kind)}"):
                if impl.plugin_name == origin.plugin:
                    impl.function(register=registrar)
        for kind, registrar in registrars.items():
            for entry in registrar.entries:
                self.registries[kind].add(entry)

    def emit(self, event: str, **arguments: Any) -> None:
        """Call an event hook of every plugin; one that fails is noted once and dropped, the run goes on."""
        for impl in self._implementations(event):
            try:
                impl.function(**{name: arguments[name] for name in impl.argnames})
            except Exception as error:  # a reporter must never disturb a run
                origin = self.origins.get(impl.plugin_name, Origin(impl.plugin_name))
                self.failures.append(Failure(origin, f"{event}: {one_line(error)}", traceback.format_exc()))
                self.manager.unregister(impl.plugin)

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        """A hook's implementations, first registered first."""
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        return list(reversed(caller.get_hookimpls()))


def _wanted_entry_points() -> list[EntryPoint]:
    """The entry points to load, first-party first, as HARNESS_LOAD_PLUGINS and HARNESS_NO_PLUGINS say."""
    points = sorted(entry_points(group=spec.GROUP), key=lambda p: (not _first_party(p), p.name))
    points = list({(p.name, p.value): p for p in points}.values())  # an editable install may list one twice
    if wanted := os.environ.get("HARNESS_LOAD_PLUGINS"):
        names = {name.strip() for name in wanted.split(",")}
        return [p for p in points if p.name in names]
    if os.environ.get("HARNESS_NO_PLUGINS") == "1":
        return [p for p in points if _first_party(p)]
    return points


def _first_party(point: EntryPoint) -> bool:
    return point.dist is not None and point.dist.name == DISTRIBUTION


def _import(plugin: str) -> ModuleType:
    """A plugin from a Python file or a dotted module name."""
    if not plugin.endswith(".py"):
        return importlib.import_module(plugin)
    path = Path(plugin)
    loader = importlib.util.spec_from_file_location(f"harness_plugin_{path.stem}", path)
    if not path.is_file() or loader is None or loader.loader is None:
        raise HarnessError(f"no plugin file {plugin}")
    module = sys.modules[loader.name] = importlib.util.module_from_spec(loader)  # where dataclasses and pydantic look
    try:
        loader.loader.exec_module(module)
    except BaseException:
        del sys.modules[loader.name]
        raise
    return module
