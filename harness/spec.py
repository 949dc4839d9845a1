"""The plugin contract: every hook a plugin may implement, on one page.

A plugin is a module named by an entry point of the group ``harness``::

    [project.entry-points.harness]
    mine = "my_package"

    # my_package/__init__.py
    from harness import hookimpl, metric
    from harness.evidence import Predictions

    @metric("top1", accepts=Predictions, unit="%", bounds=(0, 100))
    def top1(p): ...

    @hookimpl
    def register_metrics(register):
        register(top1)

Registration must be cheap: it imports no torch. ``register`` takes a decorated object, or a name and a dotted path
(``register("myset", "my_package.myset:MySet", summary="...")``) that is imported on first use. A name that ends in a
colon is a scheme: ``register("timm:", ...)`` gets every ``timm:REST`` name, called with REST and its ``?options``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from harness.passes import PassProgress
    from harness.planning import Plan
    from harness.records import Record, Summary
    from harness.registry import Register
    from harness.tasks import TaskProgress

GROUP = "harness"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def register_models(register: Register) -> None:
    """Offer models: names or schemes of functions that return a `harness.models.Model`."""


@hookspec
def register_datasets(register: Register) -> None:
    """Offer datasets: `harness.datasets.Dataset` classes; bracket arguments go to the constructor."""


@hookspec
def register_tasks(register: Register) -> None:
    """Offer protocols: classes decorated with `harness.tasks.task`."""


@hookspec
def register_metrics(register: Register) -> None:
    """Offer metrics: functions or classes decorated with `harness.metrics.metric`."""


@hookspec
def register_analyses(register: Register) -> None:
    """Offer analyses: functions decorated with `harness.analyses.analysis`, of a whole `Board`."""


@hookspec
def register_reported(register: Register) -> None:
    """Offer published figures: functions that return records of kind ``reported``, which ``import-reported`` writes."""


@hookspec
def register_reporters(register: Register) -> None:
    """Offer reporters that ``harness run --report NAME`` switches on: classes with event hooks, made without arguments.

    A plugin whose own module or object implements event hooks reports every run.
    """


@hookspec
def register_engines(register: Register) -> None:
    """Offer engines: functions ``run(plan, host, options) -> Summary`` that decide where cells run."""


@hookspec
def register_catalogues(register: Register) -> None:
    """Offer catalogue files: ``register("name", path)`` of a YAML file shaped like ``registry.yaml``."""


@hookspec
def run_started(plan: Plan, out: Any) -> None:
    """A run is about to start; `out` is the run folder (a `pathlib.Path`)."""


@hookspec
def pass_progress(progress: PassProgress) -> None:
    """A pass moved on: encoder, dataset, images done and wanted, images a second."""


@hookspec
def task_progress(progress: TaskProgress) -> None:
    """A long task moved on: model, task, steps done and in all; at most a few times a second."""


@hookspec
def cell_finished(record: Record) -> None:
    """A cell is done; its record is on disk. Also called for reused cells (``record.reused``)."""


@hookspec
def cell_skipped(record: Record) -> None:
    """A cell of the plan has no score, as its metric is undefined there; the record holds the reason. May be reused."""


@hookspec
def cell_failed(record: Record) -> None:
    """A cell failed; the record holds the reason."""


@hookspec
def run_finished(summary: Summary) -> None:
    """The run ended, also after a failure or Ctrl-C; `summary` is what ``summary.json`` holds."""
