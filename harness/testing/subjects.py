"""From a name or a path to the things that can be checked, each with its kit."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.analyses import Analysis
from harness.datasets import Dataset
from harness.errors import HarnessError, nearest, one_line
from harness.lookup import find_dataset, find_model, find_protocol
from harness.metrics import Metric
from harness.models import Model
from harness.names import parse, parse_task, split_scheme
from harness.plugins import Host
from harness.spec import GROUP
from harness.testing.kit import Finding, Kit, NotApplicable
from harness.testing.registration import KIT as REGISTRATION
from harness.testing.registration import Registration

KITS = {
    "model": ("models", "Bench"), "dataset": ("datasets", "Source"), "task": ("tasks", "Trial"),
    "metric": ("metrics", "Gauge"), "analysis": ("analyses", "Reading"),
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """One thing to check. `make` gives the object; until then nothing is loaded."""

    kind: str
    name: str
    make: Callable[[], Any]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def _home(self) -> Any:
        return importlib.import_module(f"harness.testing.{KITS[self.kind][0]}")

    @property
    def kit(self) -> Kit[Any]:
        return REGISTRATION if self.kind == "plugin" else self._home.KIT

    @property
    def checks(self) -> list[str]:
        """The names of all findings, in order; nothing more can be said of a scheme."""
        return ["found"] if self.name.endswith(":") else ["found", *self.kit.names]

    @cached_property
    def findings(self) -> dict[str, Finding]:
        """Every check's outcome by name, computed once; if the object cannot be made, all but ``found`` are skipped."""
        try:
            made = self.make()
        except NotApplicable as reason:
            return self._only(Finding("found", "skipped", str(reason)))
        except Exception as error:  # a plugin's factory may raise anything: that is the finding
            return self._only(Finding("found", "failed", one_line(error)))
        subject = made if self.kind == "plugin" else getattr(self._home, KITS[self.kind][1])(made)
        return {"found": Finding("found", "passed"), **{f.check: f for f in self.kit.run(subject)}}

    def _only(self, found: Finding) -> dict[str, Finding]:
        why = f"needs 'found', which {'failed' if found.status == 'failed' else 'was skipped'}"
        return {"found": found, **{name: Finding(name, "skipped", why) for name in self.checks[1:]}}


def subject_of(thing: Any) -> Subject:
    """A model, dataset, metric, analysis, or task (or its class), as a subject."""
    kinds = {Model: "model", Dataset: "dataset", Metric: "metric", Analysis: "analysis"}
    kind = next((kind for contract, kind in kinds.items() if isinstance(thing, contract)), "task")
    return Subject(kind, getattr(thing, "name", type(thing).__name__), lambda: thing)


def check_plugin(target: str, *names: str) -> list[Finding]:
    """All findings of `plugin_subjects`, in one list."""
    return [finding for subject in plugin_subjects(target, *names) for finding in subject.findings.values()]


def subjects(target: str, host: Host) -> list[Subject]:
    """What `target` names: registered things, a task ``protocol@dataset``, a model URI, or a plugin (see below).

    Raises `HarnessError` for a name that is nothing of the kind, with the nearest known one.
    """
    if "@" in target and not Path(target).exists():
        protocol, dataset = parse_task(target)
        return [_subject("task", str(protocol), host), _subject("dataset", str(dataset), host)]
    if found := [_subject(kind, target, host) for kind in KITS if any(key in host[kind] for key in _keys(target))]:
        return found
    if _is_plugin(target):
        return plugin_subjects(target)
    known = [name for kind in KITS for name in host[kind].names()]
    raise HarnessError(f"nothing named {target!r} is registered, and no such file or package{nearest(target, known)}")


def plugin_subjects(target: str, *names: str) -> list[Subject]:
    """A plugin and all that it registers.

    Args:
        target: a module name, a Python file, or a distribution's folder.
        names: what to check of registered names that need more: ``mine:SOURCE`` of a scheme, ``mine[3]`` of a dataset.

    Raises `HarnessError` for a folder whose ``pyproject.toml`` names no plugin.
    """
    modules, paths = _modules(target)
    sys.path[:0] = [path for path in paths if path not in sys.path]
    return [subject for module in modules for subject in _of_module(module, paths, names)]


def _modules(target: str) -> tuple[list[str], list[str]]:
    """The plugin modules (or file) behind a target, and the folders to import them from."""
    path = Path(target)
    if path.suffix == ".py":
        return [str(path.resolve())], []
    if not path.is_dir() or not (path / "pyproject.toml").is_file():
        return [target], []
    project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    points = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        raise HarnessError(f"{path / 'pyproject.toml'}: has no plugin under [project.entry-points.{GROUP}]")
    folders = [folder for folder in (path / "src", path) if folder.is_dir()]
    return list(points.values()), [str(folder.resolve()) for folder in folders]


def _of_module(module: str, paths: list[str], names: Iterable[str]) -> Iterator[Subject]:
    plugin, host = _loaded(module)
    yield Subject("plugin", module, lambda: Registration(module, plugin, host, tuple(paths)))
    for kind in KITS:
        for entry in host[kind]:
            if entry.origin.plugin == plugin:
                given = [name for name in names if entry.name in _keys(name)]
                yield from (_subject(kind, name, host) for name in given or [entry.name])


def _loaded(module: str) -> tuple[str, Host]:
    """The plugin's name and a host that has it: by its entry point, or else by its module, never twice."""
    names = [point.name for point in entry_points(group=GROUP) if point.value == module]
    host = Host()
    known = {*host.origins, *(failure.origin.plugin for failure in host.failures)}
    return next(((name, host) for name in names if name in known), None) or (module, Host(plugins=[module]))


def _keys(name: str) -> tuple[str, ...]:
    """What `name` may be registered as: itself without brackets, or its scheme."""
    plain = parse(name).name
    return (plain, *(split_scheme(plain) or ())[:1])


def _is_plugin(target: str) -> bool:
    if Path(target).exists():
        return Path(target).suffix == ".py" or Path(target).is_dir()
    return target.replace(".", "").isidentifier() and find_spec(target.partition(".")[0]) is not None


def _subject(kind: str, name: str, host: Host) -> Subject:
    return Subject(kind, name, partial(_make, kind, name, host))


def _make(kind: str, name: str, host: Host) -> Any:
    if name.endswith(":"):
        raise NotApplicable(f"a scheme: check one of its names, as in 'harness check {name}SOURCE'")
    finders: dict[str, Callable[[Host, str], Any]] = {
        "model": find_model,
        "dataset": find_dataset,
        "task": find_protocol,
    }
    return finders[kind](host, name) if kind in finders else host[kind].entry(name).resolve()
