"""The command line as short calls: load a suite, plan it, run it, rank the records, evaluate a module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness import planning
from harness.lookup import find_suite
from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness.planning import Plan
from harness.plugins import Host
from harness.records import Summary
from harness.suite import Suite, make_suite

if TYPE_CHECKING:
    from torch import nn

    from harness.board import Board
    from harness.encoder import Encoder


@lru_cache(maxsize=1)
def default_host() -> Host:
    """The host with every installed plugin, discovered once."""
    return Host()


def load_suite(name: str, host: Host | None = None, **changes: Any) -> Suite:
    """A suite by catalogue name or YAML path, with fields changed: ``load_suite("quickstart", limit=100)``."""
    suite = find_suite(host or default_host(), name)
    return make_suite(suite.model_dump() | changes) if changes else suite


def plan(suite: Suite | str, host: Host | None = None, models: Mapping[str, Model] | None = None) -> Plan:
    """Plan a suite: its cells, what they share, what is skipped and why. Imports no torch."""
    host = host or default_host()
    return planning.plan(load_suite(suite, host) if isinstance(suite, str) else suite, host, dict(models or {}))


def run(
    what: Plan | Suite | str = "quickstart", out: Path | str | None = None, host: Host | None = None, **options: Any
) -> Summary:
    """Run a suite or plan; records, board, ``events.jsonl`` and ``summary.json`` go to `out` (``runs/SUITE``).

    Args:
        options: fields of `harness.engine.options.Options`; and ``engine``, a registered engine's name.
    """
    from harness.engine.local import run_local
    from harness.engine.options import Options

    host = host or default_host()
    planned = what if isinstance(what, Plan) else plan(what, host)
    engine = options.pop("engine", "local")
    run_engine = run_local if engine == "local" else host["engine"].entry(engine).resolve()
    folder = Path(out) if out is not None else Path("runs") / planned.suite.name
    summary: Summary = run_engine(planned, host, Options(folder, **options))
    return summary


def leaderboard(*runs: Path | str, columns: Literal["primary", "all"] = "primary", plan: Plan | None = None) -> Board:
    """The board of one or several run folders; with a plan, of exactly its cells, the missing ones included."""
    from harness.board import build
    from harness.index import Index

    records = [record for folder in runs for record in Index(Path(folder) / "records").records()]
    title = plan.suite.name if plan is not None else ", ".join(Path(folder).resolve().name for folder in runs)
    return build(records, columns=columns, plan=plan, title=title)


def evaluate(
    module: nn.Module | Mapping[str, nn.Module],
    tasks: Sequence[str],
    *,
    preprocess: str | Mapping[str, Any] | Preprocess = "imagenet",
    metrics: Sequence[str] = ("all",),
    out: Path | str | None = None,
    host: Host | None = None,
    suite: Mapping[str, Any] | None = None,
    **options: Any,
) -> Board:
    """Evaluate any module, or several by name, as in a notebook or a training loop.

    Args:
        module: maps normalised images to (N, D), (N, T, D) or (N, C, H, W); or a `harness.Encoder`.
        tasks: ``["knn@cifar10", "linear@dtd"]``.
        preprocess: a preset, fields of `Preprocess`, or one; an `Encoder` brings its own.
        out: a run folder to keep; default a temporary one.
        suite: further fields of `Suite` (``limit``, ``precision``, ``seeds``).
        options: fields of `harness.engine.options.Options`.
    """
    modules = module if isinstance(module, Mapping) else {type(module).__name__: module}
    models = {name: model_of(name, m, preprocess) for name, m in modules.items()}
    host = host or default_host()
    fields = {
        "models": list(models),
        "tasks": list(tasks),
        "metrics": list(metrics),
        "name": "evaluate",
        **(suite or {}),
    }
    with tempfile.TemporaryDirectory(prefix="harness-") as scratch, undisturbed(modules.values()):
        folder = Path(out) if out is not None else Path(scratch)
        planned = plan(make_suite(fields), host, models)
        run(planned, folder, host, **options)
        return leaderboard(folder, plan=planned)


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
    """A module held in memory as a `Model`; the content of its weights and its structure identify it."""
    from harness.encoder import Encoder, ModuleEncoder

    encoder: Encoder = module if isinstance(module, Encoder) else ModuleEncoder(module, preprocess_of(preprocess))
    kind = type(module)
    card = ModelCard(name=name, title=kind.__name__, parameters=sum(p.numel() for p in module.parameters()))
    identity = {"loader": "module", "class": f"{kind.__module__}.{kind.__qualname__}", "structure": repr(module)}
    return Model(name, card, lambda: encoder, encoder.preprocess, identity)
