"""``harness models``: list models, fetch what they need, load one to see that it works, convert one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.cli.common import human_size, make_console, make_host, print_table

if TYPE_CHECKING:
    from harness.cli.downloads import Downloads
    from harness.plugins import Host

app = typer.Typer(help="List, fetch, verify and convert models.", no_args_is_help=True, rich_markup_mode=None)

NAMES = typer.Argument(help="Models or URIs; patterns such as 'resnet50-*' of the catalogue.")


@app.command("list")
def list_(context: typer.Context) -> None:
    """The registered models and schemes."""
    print_table(("model", "", "from"), ((e.name, e.summary, e.origin) for e in make_host(context)["model"]))


@app.command()
def fetch(
    context: typer.Context,
    names: list[str] = typer.Argument(None, help="Models or URIs; patterns such as 'resnet50-*' of the catalogue."),
    suite: str = typer.Option("", help="The models of a suite."),
    every: bool = typer.Option(False, "--all", help="Every model of the catalogue."),
) -> None:
    """Download the weights that models need and this machine lacks; exit status 1 if some could not be had.

    Weights that only you can obtain count only if you name the model itself, not by a pattern, --suite or --all.
    """
    from harness.cli.downloads import Downloads
    from harness.errors import HarnessError
    from harness.fetch import ByHandError
    from harness.lookup import find_suite, match_models

    if bool(names) + bool(suite) + every != 1:
        raise HarnessError("models fetch: name the models, a --suite, or give --all for every one of the catalogue")
    host, failed = make_host(context), 0
    patterns = find_suite(host, suite).models if suite else tuple(names or "*")
    with Downloads(make_console()) as downloads:
        for name in match_models(host, patterns):
            try:
                said = _fetched(host, name, downloads)
            except ByHandError as error:
                failed += name in (names or ())
                said = f"by hand: {error}"
            except HarnessError as error:
                failed += 1
                said = f"failed: {error}"
            downloads.say(f"{name}: {said}")
    raise typer.Exit(1 if failed else 0)


def _fetched(host: Host, name: str, downloads: Downloads) -> str:
    """Where a model's weights are now. Raises `HarnessError` when they cannot be had."""
    from harness.errors import naming
    from harness.lookup import find_model

    model = find_model(host, name)
    if model.fetch is None:
        return "nothing to fetch"
    with naming(f"model {name!r}"):
        path = model.fetch(downloads.of(name))
    size = f" ({human_size(path.stat().st_size)})" if path.is_file() else ""
    return f"{'fetched to' if name in downloads.transferred else 'already at'} {path}{size}"


@app.command()
def verify(context: typer.Context, names: list[str] = NAMES) -> None:
    """Load models strictly and embed one blank image; exit status 1 if one fails.

    Prints parameters, dimension and layers.
    """
    from harness.errors import HarnessError, naming
    from harness.lookup import match_models

    host, rows, failures = make_host(context), [], []
    for name in match_models(host, tuple(names)):
        try:
            with naming(f"model {name!r}"):
                rows.append(_verified(host, name))
        except HarnessError as error:
            failures.append(f"{name}: failed: {error}")
    if rows:
        print_table(("model", "parameters", "dimension", "input", "layers"), rows)
    for line in failures:
        print(line)
    raise typer.Exit(1 if failures else 0)


def _verified(host: Host, name: str) -> tuple[Any, ...]:
    import torch

    from harness.encoder import EMBEDDING
    from harness.lookup import find_model

    model = find_model(host, name)
    encoder = model.load().eval()
    side = model.preprocess.size
    with torch.inference_mode():
        embedding = encoder(torch.zeros(1, 3, side, side, dtype=torch.uint8))[EMBEDDING]
    parameters = sum(p.numel() for p in encoder.parameters())
    return name, f"{parameters / 1e6:.2f} M", embedding.shape[1], f"{side} px", " ".join(encoder.layers)


@app.command()
def convert(
    context: typer.Context,
    name: str = typer.Argument(help="A model or URI."),
    out: Path = typer.Argument(help="The file to write, ending in .safetensors."),
) -> None:
    """Write a model's backbone as plain safetensors, and print the URI that loads it from there, quoted for a shell."""
    import shlex

    from harness.convert import convert as converted

    print(shlex.quote(converted(make_host(context), name, out)))
