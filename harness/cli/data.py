"""``harness data``: list, prepare and verify datasets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from harness.cli.common import make_host, print_table

if TYPE_CHECKING:
    from harness.datasets import Dataset, Split
    from harness.plugins import Host

app = typer.Typer(help="List, prepare and verify datasets.", no_args_is_help=True, rich_markup_mode=None)

COLUMNS = ("dataset", "title", "classes", "images", "domain", "near", "here")
LOGGERS = ("harness", "harness_datasets")


@app.command("list")
def list_(context: typer.Context) -> None:
    """The registered datasets, their sizes, and whether they are on this machine."""
    host = make_host(context)
    print_table(COLUMNS, [_row(host, entry.name, entry.summary) for entry in host["dataset"]])


def _row(host: Host, name: str, summary: str) -> tuple[Any, ...]:
    from harness.errors import HarnessError
    from harness.lookup import find_dataset

    if name.endswith(":"):
        return (f"{name}…", summary)
    try:
        dataset = find_dataset(host, name)
    except HarnessError as error:  # its card cannot be made: one broken dataset hides no other
        return (name, str(error))
    card = dataset.card
    sizes = ", ".join(f"{split} {n:,}" for split, n in card.splits.items())
    near = {True: "near", False: "far", None: ""}[card.near]
    return (name, card.title, card.num_classes, sizes, card.domain, near, "yes" if dataset.present else "no")


@app.command()
def prepare(context: typer.Context, names: list[str] = typer.Argument(help="Datasets.")) -> None:
    """Fetch or render what datasets need, so that runs need not; exit status 1 if one could not be had."""
    from harness.errors import HarnessError, naming
    from harness.lookup import unprepared

    host, failed = make_host(context), 0
    for name in names:
        try:
            dataset = unprepared(host, name)
            with naming(f"dataset {name}"), _logged():
                dataset.prepare()
        except HarnessError as error:
            failed += 1
            print(f"{name}: failed: {error}")
            continue
        print(f"{name}: ready, {', '.join(f'{split} {n:,}' for split, n in dataset.card.splits.items())}")
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _logged() -> Iterator[None]:
    """What the harness and its own datasets log goes to stderr, a line each; what libraries log stays as it was."""
    import logging

    handler, loggers = logging.StreamHandler(), [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.removeHandler(handler)
            logger.propagate = propagate


@app.command()
def verify(context: typer.Context, names: list[str] = typer.Argument(help="Datasets.")) -> None:
    """Check sizes, labels, classes and that every image can be read; exit status 1 if something is wrong."""
    from harness.errors import HarnessError
    from harness.lookup import find_dataset

    host, wrong = make_host(context), 0
    for name in names:
        try:
            dataset = find_dataset(host, name)
        except HarnessError as error:
            wrong += 1
            print(f"{name}: {error}")
            continue
        for split in dataset.card.splits:
            wrong += _wrong(name, dataset, split)
    raise typer.Exit(1 if wrong else 0)


def _wrong(name: str, dataset: Dataset, split: str) -> int:
    """How many things are wrong with a split; each is printed."""
    import os

    import numpy as np

    from harness.errors import HarnessError, naming
    from harness.pixels import find_corrupt

    try:
        with naming(f"dataset {name}"):
            content = dataset.checked(split)
    except HarnessError as error:
        print(f"{name}/{split}: {error}")
        return 1
    bad = find_corrupt(content, np.arange(len(content)), os.cpu_count() or 1)
    print(f"{name}/{split}: {len(content):,} images, {len(bad)} unreadable")
    for row, reason in bad.items():
        print(f"  {content.ids[row]}: {reason}")
    lacking = _lacking(dataset, content) if split == "train" else ""
    if lacking:
        print(f"{name}/{split}: {lacking}")
    return len(bad) + bool(lacking)


def _lacking(dataset: Dataset, content: Split) -> str:
    """Which classes have no image, or nothing."""
    import numpy as np

    card = dataset.card
    if card.kind == "continuous":
        return ""
    single = card.kind == "single-label"
    present = np.unique(content.targets) if single else np.flatnonzero(content.targets.any(0))
    absent = sorted(set(range(card.num_classes)) - set(present.tolist()))
    named = f"{len(absent)} of {card.num_classes} classes have no image"
    return f"{named} (the first: {card.classes[absent[0]]})" if absent else ""
