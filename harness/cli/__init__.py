"""The command line: one file a verb. Nothing here imports torch until a verb needs it."""

from __future__ import annotations

import os
import sys

import typer

from harness.cli import (
    analyze,
    check,
    compare,
    data,
    diff,
    doctor,
    export,
    import_,
    import_reported,
    index,
    leaderboard,
    listing,
    models,
    new,
    plan,
    plugins,
    run,
    show,
    site,
    verify,
)
from harness.cli.common import Globals
from harness.errors import HarnessError

app = typer.Typer(
    name="harness",
    help="Evaluate visual representations: every model × task × metric, ranked.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from harness import __version__

        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    plugin: list[str] = typer.Option([], help="Load one more plugin: a Python file or a module."),
    registry: list[str] = typer.Option([], help="Read one more catalogue file."),
    strict_plugins: bool = typer.Option(False, "--strict-plugins", help="Stop at a plugin that fails to load."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before the verb apply to all verbs."""
    context.obj = Globals(tuple(plugin), tuple(registry), strict_plugins)


app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("list")(listing.list_)
app.command("show")(show.show)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("compare")(compare.compare)
app.command("diff")(diff.diff)
app.command("site")(site.site)
app.command("analyze")(analyze.analyze)
app.command("import-reported")(import_reported.import_reported)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("verify")(verify.verify)
app.command("index")(index.index)
app.command("plugins")(plugins.plugins)
app.command("doctor")(doctor.doctor)
app.command("new")(new.new)
app.command("check")(check.check)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")


def main() -> None:
    """The entry point: a `HarnessError` becomes one line and exit status 2."""
    try:
        app()
    except HarnessError as error:
        if os.environ.get("HARNESS_TRACEBACK") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
