"""``harness analyze``: an analysis plugin over the board of some runs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from harness.cli.common import make_host, print_table

if TYPE_CHECKING:
    from harness.analyses import Analysis, Rows
    from harness.board import Board

FORMATS, KINDS = ("table", "md", "csv", "json"), ("both", "measured", "reported")


def analyze(
    context: typer.Context,
    name: str = typer.Argument(help="An analysis; 'harness list analyses' shows them."),
    runs: list[Path] = typer.Argument(help="Run folders."),
    format: str = typer.Option("table", help="table, md, csv or json."),
    kind: str = typer.Option("both", help="Read measured records, reported ones, or both."),
    plots: Path = typer.Option(None, help="Write the analysis's figures to this folder, as SVG."),
) -> None:
    """Run an analysis over finished records."""
    from harness import api
    from harness.errors import HarnessError, naming

    for option, given, known in (("format", format, FORMATS), ("kind", kind, KINDS)):
        if given not in known:
            raise HarnessError(f"--{option} {given!r}: one of {', '.join(known)}")
    analysis: Analysis = make_host(context)["analysis"].entry(name).resolve()
    board = api.leaderboard(*runs, columns="all", kind=cast("api.Kind", kind))
    with naming(f"analysis {name}"):
        rows = analysis(board)
        if plots is not None:
            typer.echo(f"{draw(analysis, board, plots)} figures in {plots}", err=True)
    show(rows, format)


def draw(analysis: Analysis, board: Board, folder: Path) -> int:
    """Write an analysis's figures, and say how many. Raises `HarnessError` for one that draws nothing."""
    from harness.errors import HarnessError
    from harness.records import slug, write_atomically

    if analysis.figures is None:
        raise HarnessError(f"analysis {analysis.name} draws no figures: leave --plots out")
    figures = analysis.figures(board)
    for name, svg in figures.items():
        write_atomically(folder / f"{slug(name)}.svg", svg.encode())
    return len(figures)


def show(rows: Rows, format: str) -> None:
    """Print the rows. Intervals stand as JSON lists in CSV."""
    from tabulate import tabulate

    if format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif format == "md":
        print(tabulate([{k: _read(v) for k, v in row.items()} for row in rows], headers="keys", tablefmt="github"))
    elif format == "table":
        names = tuple(rows[0]) if rows else ("no rows",)
        print_table(names, ([_read(row.get(name)) for name in names] for row in rows))
    elif rows:
        writer = csv.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)


def _read(value: Any) -> Any:
    """A value as people read it: four digits, intervals as ``0.61 to 0.94``."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " to ".join(str(_read(v)) for v in value)
    return float(f"{value:.4g}") if isinstance(value, float) else value
