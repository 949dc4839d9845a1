"""``harness export``: a run's records as one archive to publish or submit."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.cli.common import human_size


def export(
    run: Path = typer.Argument(help="A run folder."),
    out: Path = typer.Option(None, help="The bundle to write; default RUN.zip in this folder."),
    predictions: bool = typer.Option(False, "--predictions", help="Add the predictions behind the scores."),
    arrays: Path = typer.Option(None, help="Where the predictions are; default HARNESS_ARRAYS, else RUN/arrays."),
    by: str = typer.Option("", help="Who you are, for the boards that will show it."),
) -> None:
    """Write a run's finished records, with a manifest of their digests, to one zip file."""
    from harness.bundles.export import export as write

    bundle = out or Path(f"{run.resolve().name}.zip")
    found = write(run, bundle, predictions=predictions, arrays=arrays, by=by)
    more = f", {found.predictions:,} files of predictions" if predictions else ""
    print(f"{found.records:,} records{more} in {bundle} ({human_size(found.size)})")
    if found.left_out:
        print(f"left out  {found.left_out:,} records of failed or skipped cells")
    if found.missing:
        print(f"missing   the predictions of {found.missing:,} outcomes: --arrays says where they are")
    if not by:
        print("try next  --by NAME, so that a leaderboard knows whose it is")
