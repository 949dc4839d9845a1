"""``harness index``: the disposable SQLite index of a run's records."""

from __future__ import annotations

from pathlib import Path

import typer


def index(
    run: Path = typer.Argument(help="A run folder."),
    rebuild: bool = typer.Option(False, "--rebuild", help="Delete the index and read every record again."),
) -> None:
    """Bring the index up to date with the records, or rebuild it."""
    from harness.errors import HarnessError
    from harness.index import Index

    if not (run / "records").is_dir():
        raise HarnessError(f"{run} holds no records/: give a folder that 'harness run --out' wrote")
    found = Index(run / "records")
    print((found.rebuild if rebuild else found.sync)())
