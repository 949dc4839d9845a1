"""``harness leaderboard``: the board of one or several run folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from harness.cli.common import make_console, split_names

if TYPE_CHECKING:
    from harness import api


def leaderboard(
    runs: list[Path] = typer.Argument(help="Run folders; several are merged."),
    columns: str = typer.Option(
        "primary", help="primary: a metric a task; first: every metric; all: all of its scores."
    ),
    kind: str = typer.Option("both", help="both: measured and reported scores; or one of these words."),
    tasks: list[str] = typer.Option(None, help="Only these tasks; * stands for anything: 'linear*@cifar10'."),
    format: str = typer.Option("terminal", help="terminal, text, markdown, csv, json, latex or html."),
) -> None:
    """Rank the models of finished records."""
    from harness import api
    from harness.board.terminal import table
    from harness.errors import HarnessError
    from harness.index import Index

    choices = {"columns": (columns, ("primary", "first", "all")), "kind": (kind, ("both", "measured", "reported"))}
    for option, (given, known) in choices.items():
        if given not in known:
            raise HarnessError(f"--{option} {given!r}: one of {', '.join(known)}")
    board = api.leaderboard(
        *runs,
        columns=cast("api.Selection", columns),
        kind=cast("api.Kind", kind),
        tasks=split_names(tasks) or (),
    )
    for folder in runs:
        for _, reason in Index(folder / "records").sync().unreadable:
            typer.echo(f"warning: {reason}", err=True)
    if format == "terminal":
        console = make_console()
        console.print(table(board, console.width))
    else:
        print(board.render(format))
