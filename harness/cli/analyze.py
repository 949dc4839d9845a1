"""``harness analyze``: an analysis plugin over the board of some runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from harness.cli.common import make_console, make_host, print_table

if TYPE_CHECKING:
    from harness.analyses import Analysis, Rows
    from harness.board import Board
    from harness.evidence import Evidence

FORMATS, KINDS = ("table", "md", "csv", "json"), ("both", "measured", "reported")
MOST, FOLD, GAP = 50, 12, 3
"""Rows of a table; characters at which its texts may fold; characters between its columns."""


def analyze(
    context: typer.Context,
    name: str = typer.Argument(help="An analysis; 'harness list analyses' shows them."),
    runs: list[Path] = typer.Argument(help="Run folders."),
    format: str = typer.Option("table", help="table, md, csv or json."),
    kind: str = typer.Option("both", help="Read measured records, reported ones, or both."),
    plots: Path = typer.Option(None, help="Write figures to this folder: SVG, PNG, and their numbers as CSV."),
    arrays: Path = typer.Option(None, help="Array store with the evidence; default HARNESS_ARRAYS, else RUN/arrays."),
) -> None:
    """Run an analysis over finished records."""
    from harness import api
    from harness.errors import HarnessError, naming

    for option, given, known in (("format", format, FORMATS), ("kind", kind, KINDS)):
        if given not in known:
            raise HarnessError(f"--{option} {given!r}: one of {', '.join(known)}")
    analysis: Analysis = make_host(context)["analysis"].entry(name).resolve()
    board = api.leaderboard(*runs, columns="all", kind=cast("api.Kind", kind), arrays=arrays)
    absent: set[tuple[str, str]] = set()
    board = noting(board, absent)
    with naming(f"analysis {name}"):
        rows = analysis(board)
        if plots is not None:
            drawn = draw(analysis, board, plots)
            typer.echo(f"{drawn} figure{'s' if drawn != 1 else ''} in {plots}", err=True)
    if not rows:
        about = (analysis.__doc__ or "").partition("\n\n")[0]
        typer.echo(f"{name} finds nothing on this board: {' '.join(about.split())}", err=True)
        typer.echo(f"'harness show {name}' says what it takes", err=True)
    if absent:
        typer.echo(
            f"no stored evidence of {told(absent)}: name the store with --arrays, or 'harness run --force' again",
            err=True,
        )
    show(rows, format)


def noting(board: Board, absent: set[tuple[str, str]]) -> Board:
    """The board, which notes the model and task of evidence that is asked for and not on this machine."""

    def stored(model: str, task: str) -> Mapping[str, Evidence] | None:
        found = board.evidence(model, task)
        if found is None and any(c.task == task and board.entry(model, c.name).status == "done" for c in board.columns):
            absent.add((model, task))
        return found

    return replace(board, stored=stored)


def told(absent: set[tuple[str, str]]) -> str:
    """Models and tasks in few words."""
    (model, task), *others = sorted(absent)
    return f"{model} × {task}" + f" and {len(others)} more" * bool(others)


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
        show_table(rows)
    else:
        print(as_csv(rows), end="")


def show_table(rows: Rows) -> None:
    """Print the first rows as a table, cut where it is wider than the terminal: each part begins with the first column.

    Columns without a value are left out.
    """
    if not rows:
        print("no rows")
        return
    shown = [{name: "" if value is None else str(_read(value)) for name, value in row.items()} for row in rows[:MOST]]
    names = [name for name in rows[0] if any(row.get(name) is not None for row in rows)]
    for part in cuts(names, shown, make_console().width):
        print_table(part, ([row[name] for name in part] for row in shown))
    if len(rows) > MOST:
        print(f"{len(rows) - MOST:,} of {len(rows):,} rows are not shown: --format csv prints them all")


def cuts(names: Sequence[str], rows: Sequence[Mapping[str, str]], width: int) -> list[list[str]]:
    """The columns in parts that fit, if a text folds at `FOLD` characters."""

    def needed(name: str) -> int:
        return GAP + min(FOLD, max(len(name), *(len(row[name]) for row in rows)))

    first, *others = names
    parts, left = [[first]], width - needed(first)
    for name in others:
        if needed(name) > left and len(parts[-1]) > 1:
            parts.append([first])
            left = width - needed(first)
        parts[-1].append(name)
        left -= needed(name)
    return parts


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
