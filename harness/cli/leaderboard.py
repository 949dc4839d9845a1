"""``harness leaderboard``: the board of one or several run folders."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.cli.common import make_console


def leaderboard(
    runs: list[Path] = typer.Argument(help="Run folders; several are merged."),
    columns: str = typer.Option("primary", help="primary: one metric a task; all: every metric."),
    format: str = typer.Option("terminal", help="terminal, text, markdown, csv, json, latex or html."),
) -> None:
    """Rank the models of finished records."""
    from harness import api
    from harness.board.terminal import table
    from harness.errors import HarnessError
    from harness.index import Index

    if columns not in ("primary", "all"):
        raise HarnessError(f"--columns {columns!r}: one of primary, all")
    board = api.leaderboard(*runs, columns="all" if columns == "all" else "primary")
    for folder in runs:
        for _, reason in Index(folder / "records").sync().unreadable:
            typer.echo(f"warning: {reason}", err=True)
    if format == "terminal":
        console = make_console()
        console.print(table(board, console.width))
    else:
        print(board.render(format))
