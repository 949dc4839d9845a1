"""``harness plan``: what a suite comes to, before anything runs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from harness.cli.common import make_host, print_table, split_names

if TYPE_CHECKING:
    from harness.planning import Plan, Skip


def plan(
    context: typer.Context,
    suite: str = typer.Argument("quickstart", help="A suite of the catalogue, or a YAML file."),
    models: list[str] = typer.Option(None, help="Models instead of the suite's."),
    tasks: list[str] = typer.Option(None, help="Tasks instead of the suite's."),
    metrics: list[str] = typer.Option(None, help="Metrics instead of the suite's."),
    limit: int = typer.Option(None, help="Use at most this many images of each split."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show the cells, what they share, how many images will be forwarded, and what is skipped and why."""
    from harness.api import load_suite
    from harness.cli.run import overrides
    from harness.planning import describe
    from harness.planning import plan as make_plan

    host = make_host(context)
    changes = overrides(models=split_names(models), tasks=split_names(tasks), metrics=split_names(metrics), limit=limit)
    planned = make_plan(load_suite(suite, host, **changes), host)
    if as_json:
        print(json.dumps(describe(planned), indent=1))
    else:
        show_plan(planned)


def show_plan(planned: Plan) -> None:
    """Print a plan as tables."""
    suite, seeds = planned.suite, len(planned.suite.seeds)
    print(f"{suite.name}: {len(planned.models)} models × {len(planned.tasks)} tasks"
          f"{f' × {seeds} seeds' if seeds > 1 else ''} = {len(planned):,} cells")  # fmt: skip
    print(f"models: {', '.join(planned.models)}")
    print_table(("task", "metrics"), ((task, ", ".join(m) or "skipped") for task, m in planned.pairs.items()))
    shared = Counter((p.source, p.split, p.view, p.images, ", ".join(p.layers)) for p in planned.passes)
    print_table(
        ("pass over", "split", "view", "images", "layers", "encoders"),
        ((*where, f"{images:,}", layers, n) for (*where, images, layers), n in shared.items()),
    )
    print(f"{len(planned.passes)} passes, {planned.images:,} images to forward when nothing is stored yet")
    if rows := list(skipped(planned)):
        print_table(("skipped metric", "tasks", "reason"), rows)  # --json lists them all
    for line in absent(planned):
        print(line)
    print(f"{len(planned):,} cells to run, {len(planned.skips):,} pairs of a task and a metric skipped")


def skipped(planned: Plan) -> Iterator[tuple[str, str, str]]:
    """Skips of one metric for one reason, whatever the dataset, as a row: metric, the task or how many, reason.

    Metrics that apply to some task are not listed for others that give another type of evidence; nor, of ``all``
    metrics, those that apply to none for that reason alone.
    """
    used = {metric for metrics in planned.pairs.values() for metric in metrics}
    asked_all = "all" in planned.suite.metrics
    groups: dict[tuple[str, str], list[Skip]] = {}
    for skip in planned.skips:
        if skip.mismatch and (asked_all or skip.metric in used):  # it is there for other tasks
            continue
        name = planned.tasks[skip.task].dataset.card.name
        groups.setdefault((skip.metric, re.sub(rf"\b{re.escape(name)}\b", "it", skip.reason)), []).append(skip)
    for (metric, reason), skips in groups.items():
        same = len({skip.reason for skip in skips}) == 1
        tasks = skips[0].task if len(skips) == 1 else f"{len(skips)} tasks"
        yield metric or "(all)", tasks, skips[0].reason if same else reason


def absent(planned: Plan) -> Iterator[str]:
    """What a run would look for in vain on this machine, with the verb that gets it.

    Whether a library's own cache holds a model's weights cannot be told without loading it.
    """
    datasets = {text.partition("@")[2]: task.dataset for text, task in planned.tasks.items()}
    data = [name for name, dataset in datasets.items() if not dataset.present]
    models = [name for name, model in planned.models.items() if model.weights is None and model.fetch is not None]
    if data:
        yield f"not here: {', '.join(data)}: harness data prepare …"
    if models:
        yield f"not known to be here: {', '.join(models)}: harness models fetch …"
