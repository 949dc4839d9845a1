"""The command line as short calls: load a suite, plan it, run it, rank the records, evaluate a module."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness import planning
from harness.errors import HarnessError, naming
from harness.lookup import find_suite
from harness.models import Model, Preprocess
from harness.planning import Cell, Plan
from harness.plugins import Host
from harness.records import Summary
from harness.suite import Ranking, Suite, make_suite

if TYPE_CHECKING:
    from torch import nn

    from harness.board import Board
    from harness.board.table import Selection as Selection
    from harness.evidence import Evidence


Kind = Literal["both", "measured", "submitted", "reported"]


@lru_cache(maxsize=1)
def default_host() -> Host:
    """The host with every installed plugin, discovered once."""
    return Host()


def load_suite(name: str, host: Host | None = None, /, **changes: Any) -> Suite:
    """A suite by catalogue name or YAML path, with fields changed: ``load_suite("quickstart", limit=100)``."""
    suite = find_suite(host or default_host(), name)
    return make_suite(suite.model_dump() | changes) if changes else suite


def plan(suite: Suite | str, host: Host | None = None, models: Mapping[str, Model] | None = None) -> Plan:
    """Plan a suite: its cells, what they share, what is skipped and why. Imports no torch."""
    host = host or default_host()
    return planning.plan(load_suite(suite, host) if isinstance(suite, str) else suite, host, dict(models or {}))


def run(
    what: Plan | Suite | str = "quickstart",
    out: Path | str | None = None,
    host: Host | None = None,
    *,
    reporters: Sequence[str] = (),
    **options: Any,
) -> Summary:
    """Run a suite or plan; records, board, ``events.jsonl`` and ``summary.json`` go to `out` (``runs/SUITE``).

    Args:
        reporters: names of registered reporters to tell of this run, such as ``mlflow``.
        options: fields of `harness.engine.options.Options`; and ``engine``, a registered engine's name.
    """
    from harness.board import write
    from harness.engine.options import Options
    from harness.reporting import reporting

    host = host or default_host()
    planned = what if isinstance(what, Plan) else plan(what, host)
    engine = host["engine"].entry(options.pop("engine", "local")).resolve()
    folder = Path(out) if out is not None else Path("runs") / planned.suite.name
    with naming("run options"):
        settings = Options(folder, **options)
    with reporting(host, reporters):
        summary: Summary = engine(planned, host, settings)
    write(leaderboard(folder, columns=selection(planned.suite), plan=planned, keys=summary.keys), folder)
    return summary


def selection(suite: Suite) -> Selection:
    """The columns of a run's own board: metrics asked for by name are all shown, each with its first score."""
    return "primary" if "all" in suite.metrics else "first"


def leaderboard(
    *runs: Path | str,
    columns: Selection = "primary",
    plan: Plan | None = None,
    keys: Mapping[Cell, str] | None = None,
    kind: Kind = "both",
    tasks: Sequence[str] = (),
    models: Sequence[str] = (),
    ranking: Ranking | None = None,
    title: str = "",
    arrays: Path | str | None = None,
    warn: Callable[[str], object] = lambda reason: None,
) -> Board:
    """The board of one or several run folders.

    Args:
        kind: shows only what was measured, submitted or reported.
        tasks, models: shows only these, with ``*`` for anything: ``linear*@cifar10``.
        ranking: how to rank; by default as the plan's suite says, or the first run's whose suite has a rule of its own.
        arrays: where the runs' evidence is, unless in their folders or HARNESS_ARRAYS.
        plan: shows exactly its cells, the missing ones included.
        keys: shows only the records of these keys: ``run(...).keys`` for those of one run.
        warn: is told of each file that is no record, and of runs that rank by another rule.

    Raises `HarnessError` for a folder that holds no records, or none of this kind and these tasks.
    """
    from harness.board import build
    from harness.index import Index

    for folder in runs:
        if not (Path(folder) / "records").is_dir():
            raise HarnessError(f"{folder} holds no records/: give a folder that 'harness run --out' wrote")

    @cache
    def wanted(of_kind: str, task: str, model: str) -> bool:
        return kind in ("both", of_kind) and _among(task, tasks) and _among(model, models)

    indexes = [Index(Path(folder) / "records") for folder in runs]
    records = [r for index in indexes for r in index.outcomes(wanted if tasks or models or kind != "both" else None)]
    for _, reason in (file for index in indexes for file in index.unreadable):
        warn(reason)
    for index in indexes if not records else ():
        warn(f"no records in {index.folder}")
    if not records and (tasks or models or kind != "both"):
        sought = ("no records" if kind == "both" else f"no {kind} records", ", ".join((*models, *tasks)))
        raise HarnessError(f"{' of '.join(filter(None, sought))} in {', '.join(map(str, runs))}")
    title = title or (plan.suite.name if plan is not None else ", ".join(Path(run).resolve().name for run in runs))
    ranking = ranking or (plan.suite.ranking if plan is not None else ranking_of(runs, warn))
    stored = partial(_stored, [Path(folder) for folder in runs], None if arrays is None else Path(arrays))
    return build(records, columns=columns, plan=plan, keys=keys, title=title, ranking=ranking, stored=stored)


def _among(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of the patterns, if there are any; a bracket is part of a name here."""
    return not patterns or any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def ranking_of(runs: Sequence[Path | str], warn: Callable[[str], object] = lambda reason: None) -> Ranking:
    """The ranking of the first run's suite that is not the default; another one of a later run is told."""
    found: dict[Path | str, Ranking] = {}
    for folder in runs:
        with suppress(OSError, ValueError, AttributeError):  # a run folder may hold records only
            asked = json.loads((Path(folder) / "suite.json").read_bytes()).get("ranking")
            if (own := Ranking.model_validate(asked or {})) != Ranking():
                found[folder] = own
    first = next(iter(found), None)
    for folder, own in found.items():
        if first is not None and own != found[first]:
            warn(f"{folder} ranks by another rule; that of {first} is used")
    return found[first] if first is not None else Ranking()


def _stored(runs: Sequence[Path], arrays: Path | None, key: str) -> Mapping[str, Evidence] | None:
    """The evidence of a key in the first store that has it; a file that is none, or not sound, counts as absent."""
    from harness.bundles.importing import SUBMITTED_ARRAYS
    from harness.bundles.predictions import check_evidence
    from harness.cache import ArrayStore, default_arrays
    from harness.evidence_files import load

    stores = [*([arrays] if arrays else map(default_arrays, runs)), *(folder / "arrays" for folder in runs)]
    stores += [folder / SUBMITTED_ARRAYS for folder in runs]
    paths = [ArrayStore(folder).path("evidence", key, "safetensors") for folder in stores]
    for path in filter(Path.is_file, paths):
        with suppress(HarnessError):
            found = load(path)
            for evidence in found.values():
                check_evidence(evidence)
            return found
    return None


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
    from harness.memory import model_of, undisturbed

    modules = module if isinstance(module, Mapping) else {type(module).__name__: module}
    models = {name: model_of(name, m, preprocess) for name, m in modules.items()}
    host = host or default_host()
    fields = {
        "models": list(models),
        "tasks": [tasks] if isinstance(tasks, str) else list(tasks),
        "metrics": list(metrics),
        "name": "evaluate",
        **(suite or {}),
    }
    with tempfile.TemporaryDirectory(prefix="harness-") as scratch, undisturbed(modules.values()):
        folder = Path(out) if out is not None else Path(scratch)
        planned = plan(make_suite(fields), host, models)
        summary = run(planned, folder, host, **options)
        return leaderboard(folder, plan=planned, keys=summary.keys)
