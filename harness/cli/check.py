"""``harness check``: the conformance kit as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness.cli.common import escape, make_host

if TYPE_CHECKING:
    from rich.table import Table

    from harness.testing.subjects import Subject

MARKS = {"passed": "[green]✓[/]", "warned": "[yellow]![/]", "skipped": "[dim]–[/]", "failed": "[red]✗[/]"}


def check(
    context: typer.Context,
    names: list[str] = typer.Argument(help="Registered names, protocol@dataset, model URIs, plugin files or folders."),
) -> None:
    """Check plugins against everything that must hold of them. Exits with 1 if anything fails."""
    from rich.console import Console

    from harness.testing.subjects import subjects

    host, console, failed = make_host(context), Console(), 0
    for subject in [subject for name in names for subject in subjects(name, host)]:
        console.print(f"[bold]{escape(subject)}[/]", highlight=False)
        console.print(table(subject))
        failed += sum(finding.status == "failed" for finding in subject.findings.values())
    console.print(f"[red]failed checks: {failed}[/]" if failed else "[green]no check failed[/]", highlight=False)
    raise typer.Exit(1 if failed else 0)


def table(subject: Subject) -> Table:
    """One row a finding; only the first where the thing itself cannot be had."""
    from rich.table import Table

    rows = list(subject.findings.values())
    shown = rows if rows[0].status == "passed" else rows[:1]
    made = Table(box=None, show_header=False, padding=(0, 1))
    made.add_column(width=1)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for finding in shown:
        made.add_row(MARKS[finding.status], escape(finding.check), escape(finding.message))
    return made
