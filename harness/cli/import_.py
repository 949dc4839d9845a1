"""``harness import``: check a bundle, and take its records into a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.cli.common import make_host

if TYPE_CHECKING:
    from harness.bundles.importing import Report


def import_(
    context: typer.Context,
    bundle: Path = typer.Argument(help="What 'harness export' wrote."),
    out: Path = typer.Option(None, help="Folder for the records; it may hold those of other bundles."),
    by: str = typer.Option("", help="Who sends it, instead of the name in the bundle."),
    check: bool = typer.Option(False, "--check", help="Only check it, against the records of --out if that is given."),
    as_json: bool = typer.Option(False, "--json", help="Print what was found as JSON, for scripts."),
) -> None:
    """Check a bundle whole, then write its records, marked as submitted. One bad record, and nothing is written."""
    from harness.bundles.importing import BundleError, check_bundle, import_bundle
    from harness.errors import HarnessError

    host = make_host(context)
    if out is None and not check:
        raise HarnessError("say where to: --out FOLDER; or --check to write nothing")
    if check:
        report = check_bundle(bundle, host, out, by)
    else:
        try:
            report = import_bundle(bundle, host, out, by)
        except BundleError as error:
            report = error.report
    if as_json:
        print(json.dumps(report.fields(), indent=1))
    else:
        _print(report, None if check else out)
    raise typer.Exit(2 if report.faults else 0)


def _print(report: Report, out: Path | None) -> None:
    """What was found, in lines; problems go to stderr."""
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
    if report.faults:
        for problem in report.problems:
            typer.echo(f"error: {report.bundle}: {problem}", err=True)
        if (more := report.faults - len(report.problems)) > 0:
            typer.echo(f"error: {report.bundle}: and {more:,} more problems", err=True)
        return
    kinds = f"{report.records - report.reported:,} submitted, {report.reported:,} reported"
    print(f"{report.bundle}: {report.records:,} records ({kinds}), by {report.by}, {report.date}")
    if out is None:
        print(f"all is well; {report.known:,} of them are there already" if report.known else "all is well")
        return
    print(f"{report.new:,} new, {report.known:,} there already, in {out / 'records'}")
    print(f"try next  harness leaderboard {out}")
