"""``harness new``: a plugin to start from."""

from __future__ import annotations

from pathlib import Path

import typer


def new(
    kind: str = typer.Argument(help="model, dataset, task, metric, analysis or reporter."),
    name: str = typer.Argument(help="Name of the distribution, and of what it registers."),
    into: Path = typer.Option(Path(), help="Folder to write it to."),
) -> None:
    """Write an installable, tested plugin that works, to be changed into your own."""
    from rich.console import Console

    from harness.scaffold import create

    written = create(kind, name, into)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for path in written:
        console.print(f"wrote {path}")
    folder = into / name
    steps = (f"pip install -e '{folder}[test]'", f"python -m pytest {folder}", f"harness check {name}")
    console.print("\ntry next  " + "\n          ".join(steps))
