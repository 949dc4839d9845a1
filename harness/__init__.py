"""An evaluation harness for self-supervised visual representations.

Everything the command line does is a short call here::

    from harness import evaluate

    board = evaluate(my_module, tasks=["knn@digits"], preprocess="imagenet")
    print(board)

Importing `harness` imports no torch; what needs it does so on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from harness.spec import hookimpl

if TYPE_CHECKING:
    from harness.analyses import analysis
    from harness.api import evaluate, leaderboard, load_suite, plan, run
    from harness.encoder import Encoder, ModuleEncoder
    from harness.errors import HarnessError
    from harness.metrics import metric
    from harness.models import Model, ModelCard, Preprocess
    from harness.tasks import Needs, TaskData, task

__version__ = "0.1.0"

_HOME = {
    "analysis": "harness.analyses",
    "evaluate": "harness.api",
    "leaderboard": "harness.api",
    "load_suite": "harness.api",
    "plan": "harness.api",
    "run": "harness.api",
    "Encoder": "harness.encoder",
    "ModuleEncoder": "harness.encoder",
    "HarnessError": "harness.errors",
    "metric": "harness.metrics",
    "Model": "harness.models",
    "ModelCard": "harness.models",
    "Preprocess": "harness.models",
    "Needs": "harness.tasks",
    "TaskData": "harness.tasks",
    "task": "harness.tasks",
}
__all__ = [
    "Encoder", "HarnessError", "Model", "ModelCard", "ModuleEncoder", "Needs", "Preprocess", "TaskData", "analysis",
    "evaluate", "hookimpl", "leaderboard", "load_suite", "metric", "plan", "run", "task",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The public names, imported on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
