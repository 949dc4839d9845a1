"""``harness analyze``: an analysis plugin over the board of some runs."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import typer

from harness.cli.common import make_host


def analyze(
    context: typer.Context,
    name: str = typer.Argument(help="An analysis; 'harness list analyses' shows them."),
    runs: list[Path] = typer.Argument(help="Run folders."),
    format: str = typer.Option("md", help="md, csv or json."),
) -> None:
    """Run an analysis over finished records."""
    from tabulate import tabulate

    from harness import api
    from harness.errors import HarnessError, naming

    if format not in ("md", "csv", "json"):
        raise HarnessError(f"--format {format!r}: one of md, csv, json")
    analysis, board = make_host(context)["analysis"].entry(name).resolve(), api.leaderboard(*runs, columns="all")
    with naming(f"analysis {name}"):
        rows = analysis(board)
    if format == "json":
        print(json.dumps(rows, indent=1))
    elif format == "md":
        print(tabulate(rows, headers="keys", tablefmt="github"))
    elif rows:
        writer = csv.DictWriter(sys.stdout, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
