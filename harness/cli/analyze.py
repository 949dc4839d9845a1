"""``harness analyze``: an analysis plugin over the board of some runs."""

from __future__ import annotations

import csv
import io
import json
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
    plots: Path = typer.Option(None, help="Write figures to this folder: SVG, PNG, and their numbers as CSV."),
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
    if not rows:
        about = (analysis.__doc__ or "").partition("\n\n")[0]
        typer.echo(f"{name} finds nothing on this board: {' '.join(about.split())}", err=True)
    show(rows, format)


def draw(analysis: Analysis, board: Board, folder: Path) -> int:
    """Write an analysis's figures and their numbers, and say how many. Raises `HarnessError` where it draws nothing."""
    from harness.errors import HarnessError
    from harness.records import slug, write_atomically

    if analysis.figures is None:
        raise HarnessError(f"analysis {analysis.name} draws no figures: leave --plots out")
    figures = analysis.figures(board)
    for name, figure in figures.items():
        for suffix, data in (("svg", figure.svg.encode()), ("png", figure.png), ("csv", as_csv(figure.rows).encode())):
            write_atomically(folder / f"{slug(name)}.{suffix}", data)
    return len(figures)


def show(rows: Rows, format: str) -> None:
    """Print the rows."""
    from tabulate import tabulate

    if format == "json":
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif format == "md":
        print(tabulate([{k: _read(v) for k, v in row.items()} for row in rows], headers="keys", tablefmt="github"))
    elif format == "table":
        names = tuple(rows[0]) if rows else ("no rows",)
        print_table(names, ([_read(row.get(name)) for name in names] for row in rows))
    else:
        print(as_csv(rows), end="")


def as_csv(rows: Rows) -> str:
    """The rows as CSV; intervals stand as JSON lists."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)
    return text.getvalue()


def _read(value: Any) -> Any:
    """A value as people read it: four digits, intervals as ``0.61 to 0.94``."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " to ".join(str(_read(v)) for v in value)
    return float(f"{value:.4g}") if isinstance(value, float) else value
