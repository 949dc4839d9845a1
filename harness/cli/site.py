"""``harness site``: the board as a folder of pages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from harness.cli.common import human_size, make_host, split_names, warn

if TYPE_CHECKING:
    from harness import api
    from harness.board import Board
    from harness.board.site.pictures import Which

CHOICES = {
    "columns": ("primary", "first", "all"),
    "kind": ("both", "measured", "submitted", "reported"),
    "pictures": ("cards", "none", "all"),
}


def site(
    context: typer.Context,
    runs: list[Path] = typer.Argument(help="Run folders; several are merged."),
    out: Path = typer.Option(..., help="A new or empty folder, or a former site, which is replaced."),
    columns: str = typer.Option(
        "primary", help="primary: a metric a task; first: every metric; all: all of its scores."
    ),
    kind: str = typer.Option("both", help="both: all scores; or measured, submitted, reported ones only."),
    tasks: list[str] = typer.Option(None, help="Only these tasks; * stands for anything: 'linear*@cifar10'."),
    models: list[str] = typer.Option(None, help="Only these models; * stands for anything."),
    analyses: list[str] = typer.Option(None, help="Only these analyses, or none; default all that find something."),
    pictures: str = typer.Option(
        "cards", help="Thumbnails and figures of test images: cards (where their card allows it), none, or all."
    ),
    title: str = typer.Option("", help="Of the site; default the run folders' names."),
    arrays: Path = typer.Option(None, help="Array store with the evidence; default HARNESS_ARRAYS, else RUN/arrays."),
) -> None:
    """Build a static site of the leaderboard: opens from a plain file, needs no server and no network."""
    from harness import api
    from harness.board.site import build
    from harness.errors import HarnessError

    given = {"columns": columns, "kind": kind, "pictures": pictures}
    for option, known in CHOICES.items():
        if given[option] not in known:
            raise HarnessError(f"--{option} {given[option]!r}: one of {', '.join(known)}")
    host, names = make_host(context), split_names(analyses)
    wanted: tuple[str, ...] | None = () if names == ("none",) else names

    def ranked(which: str) -> Board:
        return api.leaderboard(
            *runs, columns=cast("api.Selection", which), kind=cast("api.Kind", kind), tasks=split_names(tasks) or (),
            models=split_names(models) or (), title=title, arrays=arrays, warn=warn if which == columns else str,
        )  # fmt: skip

    board = ranked(columns)
    full = board if columns == "all" or wanted == () else ranked("all")
    steps = Steps(live=sys.stderr.isatty())
    try:
        made = build(
            board, out, full=full, host=host, analyses=wanted, pictures=cast("Which", pictures), title=title,
            progress=steps,
        )  # fmt: skip
    finally:
        steps.end()
    for note in made.notes:
        typer.echo(f"left out: {note}", err=True)
    drawn = f" and {human_size(made.images)} of images" * bool(made.images)
    typer.echo(f"{board.summary}")
    typer.echo(f"{len(made.files)} files, {human_size(made.size)}{drawn}: open {made.index}")


class Steps:
    """Tells of steps on stderr: a line for each that took long; in a terminal, the present one below them."""

    SLOW = 3.0

    def __init__(self, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.live, self.clock = live, clock
        self.step, self.begun = "", 0.0

    def __call__(self, step: str) -> None:
        self.end()
        self.step, self.begun = step, self.clock()
        if self.live:
            typer.echo(step, err=True, nl=False)

    def end(self) -> None:
        """The step is done."""
        took = self.clock() - self.begun
        if self.step and self.live:
            typer.echo("\r\x1b[K", err=True, nl=False, color=True)
        if self.step and took >= self.SLOW:
            typer.echo(f"{self.step}: {took:.0f} s", err=True)
        self.step = ""
