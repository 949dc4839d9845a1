"""``harness run``: run a suite and print its board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.cli.common import escape, make_console, make_host, split_names

if TYPE_CHECKING:
    from rich.console import Console

    from harness.board import Board
    from harness.records import Summary

NEXT = """\
try next  harness run --models 'timm:resnet18?pretrained=0' --tasks knn@digits
          harness run --tasks linear@folder:PATH   ·   harness check NAME
          harness leaderboard RUN --columns all   ·   harness list models   ·   harness new model NAME"""


def run(
    context: typer.Context,
    suite: str = typer.Argument("quickstart", help="A suite of the catalogue, or a YAML file."),
    models: list[str] = typer.Option(
        None, help="Models instead of the suite's: names, patterns, URIs, comma-separated."
    ),
    tasks: list[str] = typer.Option(None, help="Tasks instead of the suite's: PROTOCOL@DATASET, comma-separated."),
    metrics: list[str] = typer.Option(None, help="Metrics instead of the suite's, or 'all'."),
    limit: int = typer.Option(None, help="Use at most this many images of each split."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps."),
    precision: str = typer.Option(None, help="fp32, tf32, bf16 or fp16."),
    batch_size: int = typer.Option(None, min=1, help="Of the passes; halved on out-of-memory."),
    workers: int = typer.Option(None, min=1, help="Decoding threads; default: one a core."),
    seeds: str = typer.Option(None, help="Comma-separated; each cell is computed once a seed."),
    out: Path = typer.Option(None, help="Run folder; default runs/SUITE, or runs/custom if the suite is changed."),
    arrays: Path = typer.Option(None, help="Array store; default HARNESS_ARRAYS, else OUT/arrays."),
    engine: str = typer.Option("local", help="Where cells run."),
    force: bool = typer.Option(False, "--force", help="Compute everything anew."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the plan only."),
    fail_fast: bool = typer.Option(False, "--fail-fast", help="Stop at the first failed cell."),
    reporters: list[str] = typer.Option(None, "--report", help="Also tell these: mlflow, wandb, tensorboard."),
) -> None:
    """Run a suite: compute what is missing, print the ranked board."""
    from harness import api
    from harness.cli.plan import show_plan
    from harness.cli.progress import ProgressReporter
    from harness.planning import plan as make_plan

    host = make_host(context)
    changes = overrides(models=split_names(models), tasks=split_names(tasks), metrics=split_names(metrics), limit=limit,
                        precision=precision, seeds=split_names([seeds] if seeds else None))  # fmt: skip
    if models or tasks or metrics:
        changes["name"] = "custom"
    planned = make_plan(api.load_suite(suite, host, **changes), host)
    if dry_run:
        show_plan(planned)
        return
    folder = out or Path("runs") / planned.suite.name
    options = overrides(arrays=arrays, device=device, batch_size=batch_size, workers=workers, force=force,
                        fail_fast=fail_fast, engine=engine)  # fmt: skip
    console = make_console()
    host.manager.register(ProgressReporter(console))
    summary = api.run(planned, folder, host, reporters=split_names(reporters) or (), **options)
    board = api.leaderboard(folder, columns=api.selection(planned.suite), plan=planned, keys=summary.keys)
    report(summary, board, folder, console)
    raise typer.Exit(130 if summary.interrupted else 1 if summary.failed else 0)


def overrides(**given: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in given.items() if value is not None}


def report(summary: Summary, board: Board, folder: Path, console: Console) -> None:
    """The board, what failed and why, and what to try next."""
    from harness.board.terminal import table

    console.print(table(board, console.width))
    cells = (
        f"{summary.done} cells done, {summary.reused} reused, {summary.failed} failed"
        f"{f', {len(summary.undefined)} undefined' if summary.undefined else ''}"
    )
    rest = f"{summary.skipped} pairs skipped; {summary.images_forwarded:,} images forwarded; {summary.seconds:.1f} s"
    console.print(f"{cells}; {rest}", highlight=False)
    if summary.excluded_images:
        console.print(f"{len(summary.excluded_images)} images left out, listed in summary.json", highlight=False)
    for warning in summary.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False, soft_wrap=True)
    console.print(
        f"\nrecords   {folder / 'records'}\nboard     {folder / 'board.html'} (also .md .csv .json .tex)",
        highlight=False,
    )
    if summary.interrupted:
        console.print("interrupted: the same command goes on where this one stopped", highlight=False)
    if summary.suite == "quickstart":
        console.print(NEXT, highlight=False, markup=False, soft_wrap=True)
