"""From the names in a suite to the objects of the contracts. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import fnmatch
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.catalogue import DatasetEntry
from harness.datasets import Dataset
from harness.errors import HarnessError, PlanError, first_problem, naming, nearest
from harness.metrics import Metric
from harness.models import Model
from harness.names import Ref, parse, parse_task, split_query, split_scheme
from harness.plugins import Host
from harness.suite import Suite, read_suite
from harness.tasks import Task


@dataclass(frozen=True)
class BoundTask:
    """A protocol with its parameters and its dataset: ``knn[temperature=0.1]@digits``.

    Attributes:
        primary: the metric that ranks models: the dataset's, unless the protocol has its own.
        judges: what the task chooses by on validation images: the first that accepts the evidence it shows.
    """

    text: str
    protocol: Task
    dataset: Dataset
    primary: Metric
    judges: tuple[Metric, ...] = ()


def find_model(host: Host, name: str) -> Model:
    """A model by catalogue name or URI (``timm:resnet50?pretrained=0``). Raises `HarnessError` for an unknown one."""
    entry = host["model"].entry(name)
    target = entry.resolve()
    if isinstance(target, Model):
        return target.named(name)
    scheme = split_scheme(name)
    arguments = _uri(scheme[1]) if entry.name != name and scheme else ((), {})
    model = _called(f"model {name!r}", target, *arguments)
    if not isinstance(model, Model):
        raise HarnessError(f"model {name!r} of plugin {entry.origin} is a {type(model).__name__}, not a harness Model")
    return model.named(name)


def match_models(host: Host, patterns: tuple[str, ...]) -> list[str]:
    """Catalogue names that match ``tiny-*``-like patterns; other names and URIs as they are, each once."""
    names: dict[str, None] = {}
    for pattern in patterns:
        if not any(c in pattern for c in "*?") or split_scheme(pattern):
            names[pattern] = None
            continue
        known = [name for name in host["model"].names() if not name.endswith(":")]
        found = fnmatch.filter(known, pattern)
        if not found:
            raise PlanError(f"no model matches {pattern!r}{nearest(pattern, known)}")
        names |= dict.fromkeys(found)
    return list(names)


def find_dataset(host: Host, ref: Ref | str) -> Dataset:
    """A dataset by name, with its bracket arguments (``scenes[colour]``), or URI (``folder:PATH``).

    Raises `HarnessError` for an unknown name, and for a dataset that has no card yet because it must be prepared.
    """
    dataset = unprepared(host, ref)
    with naming(f"dataset {str(ref)!r}"):
        _ = dataset.card
    return dataset


def unprepared(host: Host, ref: Ref | str) -> Dataset:
    """`find_dataset` without a look at the card, which some datasets have only once they are prepared."""
    ref = parse(ref) if isinstance(ref, str) else ref
    entry = host["dataset"].entry(ref.name)
    target = entry.resolve()
    if isinstance(target, DatasetEntry):
        inner = parse(target.use)
        if inner.name == ref.name or isinstance(host["dataset"].entry(inner.name).target, DatasetEntry):
            raise HarnessError(
                f"dataset {ref.name!r} of {entry.origin}: 'use' must name a plugin's dataset, not {target.use!r}"
            )
        return unprepared(host, Ref(inner.name, inner.args + ref.args, {**inner.options, **ref.options}))
    scheme = split_scheme(ref.name)
    args, options = _uri(scheme[1]) if scheme and entry.name != ref.name else ((), {})
    dataset = _called(f"dataset {str(ref)!r}", target, (*args, *ref.args), {**options, **ref.options})
    if not isinstance(dataset, Dataset):
        raise HarnessError(f"dataset {str(ref)!r} of plugin {entry.origin} is no harness Dataset")
    return dataset


def find_protocol(host: Host, ref: Ref | str) -> Task:
    """A protocol with its parameters checked against the fields of its class."""
    ref = parse(ref) if isinstance(ref, str) else ref
    entry = host["task"].entry(ref.name)
    cls = entry.resolve()
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and hasattr(cls, "evidence")):
        raise HarnessError(f"task {ref.name!r} of plugin {entry.origin} is not declared with @task")
    fields = [f.name for f in dataclasses.fields(cls)]
    if len(ref.args) > len(fields):
        raise PlanError(f"task {ref}: takes at most {len(fields)} arguments ({', '.join(fields) or 'none'})")
    placed = dict(zip(fields, ref.args, strict=False))
    if twice := sorted(placed.keys() & ref.options.keys()):
        raise PlanError(f"task {ref}: parameter {twice[0]!r} is given twice")
    options = placed | dict(ref.options)
    if unknown := set(options) - set(fields):
        name = sorted(unknown)[0]
        raise PlanError(
            f"task {ref}: no parameter {name!r}{nearest(name, fields)} (has: {', '.join(fields) or 'none'})"
        )
    try:
        task: Task = TypeAdapter(cls).validate_python(options)
    except ValidationError as error:
        raise PlanError(f"task {ref}: {first_problem(error)}") from None
    try:
        task.needs  # noqa: B018 - they may be impossible with these parameters
    except HarnessError as error:
        raise PlanError(f"task {ref}: {error}") from None
    return task


def find_tasks(host: Host, texts: Iterable[str]) -> dict[str, BoundTask]:
    """Each ``protocol[...]@dataset[...]``; tasks on one dataset share its object.

    Raises `HarnessError` for unknown names or parameters.
    """
    tasks: dict[str, BoundTask] = {}
    datasets: dict[str, Dataset] = {}
    for text in texts:
        protocol, ref = parse_task(text)
        dataset = datasets.get(str(ref)) or datasets.setdefault(str(ref), find_dataset(host, ref))
        found = find_protocol(host, protocol)
        own, usual = found.primary or dataset.card.primary_metric, dataset.card.primary_metric
        judges = tuple(find_metric(host, name) for name in dict.fromkeys((own, usual)))
        tasks[text] = BoundTask(text, found, dataset, judges[0], judges)
    return tasks


def find_metrics(host: Host, names: tuple[str, ...]) -> list[Metric]:
    """Metrics by name; ``all`` is every registered one that is usable: those that are not are the host's `failures`."""
    named = [find_metric(host, name) for name in dict.fromkeys(names) if name != "all"]
    if "all" not in names:
        return named
    metrics = []
    for entry in host["metric"]:
        try:
            metrics.append(find_metric(host, entry.name))
        except HarnessError as error:
            host.note(entry.origin, error)
    return metrics


def find_metric(host: Host, name: str) -> Metric:
    """A metric by name. Raises `HarnessError` for an unknown or unusable one."""
    entry = host["metric"].entry(name)
    metric = entry.resolve()
    if not isinstance(metric, Metric):
        raise HarnessError(f"metric {name!r} of plugin {entry.origin} is not declared with @metric")
    return metric


def find_suite(host: Host, name: str) -> Suite:
    """A suite of the catalogue by name, or a YAML file by path."""
    if name in host.suites:
        return host.suites[name]
    if name.endswith((".yaml", ".yml")) or Path(name).is_file():
        return read_suite(Path(name))
    known = ", ".join(sorted(host.suites))
    raise PlanError(f"no suite named {name!r}{nearest(name, host.suites)} (known: {known}; or give a YAML file)")


def _uri(rest: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    source, options = split_query(rest)
    return (source,), options


def _called(what: str, target: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """``target(*args, **options)``, with a wrong argument reported by name rather than as a traceback."""
    try:
        signature = inspect.signature(target)
        signature.bind(*args, **options)
    except ValueError:  # a builtin that has none
        pass
    except TypeError as error:
        known = [n for n in signature.parameters if n not in ("self", "card")] if callable(target) else []
        raise HarnessError(f"{what}: {error} (arguments: {', '.join(known) or 'none'})") from None
    with naming(what):
        return target(*args, **options)
