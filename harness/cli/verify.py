"""``harness verify``: make some cells of a bundle again, and compare."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import typer

from harness.cli.common import make_host, print_table


def verify(
    context: typer.Context,
    bundle: Path = typer.Argument(help="What 'harness export' wrote."),
    cells: int = typer.Option(3, min=1, help="How many cells to make again, drawn at random."),
    seed: int = typer.Option(None, help="Of the draw; default another one each time."),
    tolerance: float = typer.Option(2e-3, min=0, help="Part of a metric's range that is no difference."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps."),
    uris: bool = typer.Option(False, "--uris", help="Run models and datasets given by URI too: they may run any code."),
) -> None:
    """Make cells of a bundle again from model and images. Exit status 1 if one differs."""
    from harness.bundles.verify import verify as run

    drawn = random.randrange(10**6) if seed is None else seed
    outcomes = run(bundle, make_host(context), cells, seed=drawn, tolerance=tolerance, uris=uris, device=device)
    rows = [(o.cell.model, o.cell.task, o.cell.metric, f"{o.value:.6g}", "" if o.again is None else f"{o.again:.6g}",
             o.verdict, o.reason) for o in outcomes]  # fmt: skip
    print_table(("model", "task", "metric", "bundle", "here", "verdict", "reason"), rows)
    found = Counter(outcome.verdict for outcome in outcomes)
    print(f"{', '.join(f'{n} {verdict}' for verdict, n in sorted(found.items()))} (seed {drawn})")
    raise typer.Exit(1 if found["differs"] else 0)
