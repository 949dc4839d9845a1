"""``harness import-reported``: published figures as records, to stand beside measured ones."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.cli.common import make_host


def import_reported(
    context: typer.Context,
    name: str = typer.Argument(help="Published figures; 'harness list reported' shows them."),
    out: Path = typer.Option(None, help="Run folder; default runs/NAME-reported."),
) -> None:
    """Write published figures as records marked as reported."""
    from harness.reported import import_reported as write

    folder = out or Path("runs") / f"{name}-reported"
    figures, new = write(make_host(context), name, folder)
    print(f"{figures:,} published figures, {new:,} of them new, in {folder / 'records'}")
    print(f"try next  harness leaderboard {folder} --columns all\n          harness leaderboard YOUR_RUN {folder}")
