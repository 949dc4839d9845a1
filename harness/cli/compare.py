"""``harness compare``: two models, task by task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from harness.cli.common import make_console, split_names
from harness.cli.diff import require_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness import api


def compare(
    model_a: str = typer.Argument(help="A model's name, as the board has it."),
    model_b: str = typer.Argument(help="The other's."),
    runs: list[Path] = typer.Argument(help="Run folders; several are merged."),
    tasks: list[str] = typer.Option(None, help="Only these tasks; * stands for anything: 'linear*@cifar10'."),
    columns: str = typer.Option(
        "primary", help="primary: a metric a task; first: every metric; all: all of its scores."
    ),
    format: str = typer.Option("terminal", help="terminal, markdown, csv or json."),
) -> None:
    """Compare two models: paired differences with intervals, and what they come to."""
    from harness import api
    from harness.board.compared import render, table
    from harness.board.comparison import compare as compared
    from harness.errors import HarnessError, nearest

    if columns not in (known := ("primary", "first", "all")):
        raise HarnessError(f"--columns {columns!r}: one of {', '.join(known)}")
    given = [[(Path(path) / "records").is_dir() for path in paths] for paths in ((model_a, model_b), runs)]
    if any(given[0]) and not all(given[1]):
        raise HarnessError("models first, then run folders: harness compare MODEL_A MODEL_B RUNS…")
    names = model_names(runs)
    for name in (model_a, model_b):
        if name not in names:
            raise HarnessError(f"no model named {name!r} in {', '.join(map(str, runs))}{nearest(name, names)}")
    board = api.leaderboard(
        *runs, columns=cast("api.Selection", columns), tasks=split_names(tasks) or (), models=(model_a, model_b)
    )
    found = compared(board, model_a, model_b)
    if format == "terminal":
        make_console().print(table(found))
    else:
        print(render(found, format), end="")


def model_names(runs: Sequence[Path]) -> list[str]:
    """The models that the runs' records are of. Raises `HarnessError` for a folder without records/."""
    from harness.index import Index

    names: dict[str, None] = {}

    def seen(kind: str, task: str, model: str) -> bool:
        names[model] = None
        return False  # no record is wanted, its model is known

    for folder in runs:
        require_records(folder)
        Index(folder / "records").outcomes(seen)
    return sorted(names)
