"""``harness data``: list, prepare and verify datasets."""

from __future__ import annotations

import typer

from harness.cli.common import make_host, print_table

app = typer.Typer(help="List, prepare and verify datasets.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(context: typer.Context) -> None:
    """The registered datasets."""
    print_table(("dataset", "", "from"), ((e.name, e.summary, e.origin) for e in make_host(context)["dataset"]))


@app.command()
def prepare(context: typer.Context, names: list[str] = typer.Argument(help="Datasets.")) -> None:
    """Fetch or render what datasets need, so that runs need not."""
    from harness.lookup import find_dataset

    host = make_host(context)
    for name in names:
        dataset = find_dataset(host, name)
        dataset.prepare()
        print(f"{name}: ready, {', '.join(f'{split} {n:,}' for split, n in dataset.card.splits.items())}")


@app.command()
def verify(context: typer.Context, names: list[str] = typer.Argument(help="Datasets.")) -> None:
    """Check sizes, labels and that every image can be read; exit status 1 if something is wrong."""
    import os

    import numpy as np

    from harness.errors import HarnessError, naming
    from harness.lookup import find_dataset
    from harness.pixels import find_corrupt

    host, wrong = make_host(context), 0
    for name in names:
        dataset = find_dataset(host, name)
        for split, n in dataset.card.splits.items():
            try:
                with naming(f"dataset {name}"):
                    content = dataset.checked(split)
                bad = find_corrupt(content, np.arange(n), os.cpu_count() or 1)
            except HarnessError as error:
                wrong += 1
                print(f"{name}/{split}: {error}")
                continue
            wrong += len(bad)
            print(f"{name}/{split}: {n:,} images, {len(bad)} unreadable")
            for row, reason in bad.items():
                print(f"  {content.ids[row]}: {reason}")
    raise typer.Exit(1 if wrong else 0)
