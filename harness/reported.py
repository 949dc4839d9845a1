"""Published figures: records of kind ``reported``, which the board shows beside measured ones, marked ``‡``.

A plugin offers them with ``register_reported``: a name, and a function without arguments that returns records, best
made with `reported`. ``harness import-reported NAME`` writes them to a run folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import HarnessError, naming
from harness.identity import digest
from harness.plugins import Host
from harness.records import Record, RecordStore, ScoreData


@dataclass(frozen=True)
class Paper:
    """Where figures were published.

    Attributes:
        source: what names the text for good, with its version: ``arXiv:2011.13377v2``.
        date: of publication, ``2021-03-29``; the records' own date, so that a second import changes nothing.
    """

    source: str
    title: str
    date: str
    url: str = ""

    @property
    def time(self) -> float:
        """The date as seconds since 1970, UTC."""
        return datetime.fromisoformat(self.date).replace(tzinfo=UTC).timestamp()


class Place(NamedTuple):
    """Where a figure is printed. With the paper it identifies the figure: another number there replaces it."""

    table: str
    row: str
    column: str


def reported(
    paper: Paper,
    place: Place,
    model: str,
    task: str,
    metric: Mapping[str, Any],
    value: float,
    *,
    half: float | None = None,
    n: int = 0,
    primary: bool = False,
    card: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] | None = None,
) -> Record:
    """A published figure as a record.

    Args:
        metric: as `harness.metrics.Metric.describe` gives it, so that measured scores stand in the same column.
        half: half the width of the printed 95 % interval, where there is one.
        n: test images (or episodes) behind the figure; 0 where the paper does not tell.
        card, dataset: of the model and the dataset, as measured records have them.

    Raises `HarnessError` for a value outside the metric's bounds.
    """
    low, high = metric.get("bounds") or (None, None)
    if not (-math.inf if low is None else low) <= value <= (math.inf if high is None else high):
        raise HarnessError(
            f"{paper.source}, table {place.table}: {place.row}, {place.column} = {value} is out of bounds"
        )
    bounds = (None, None) if half is None else (value - half, value + half)
    return Record(
        status="done", kind="reported", model=model, task=task, metric=dict(metric), primary=primary,
        scores=(ScoreData(value=value, low=bounds[0], high=bounds[1], n=n),),
        key=digest({"source": paper.source, **place._asdict()}), finished=paper.time,
        card=dict(card or {}), dataset=dict(dataset or {}),
        facts={"source": paper.source, **place._asdict()}, provenance={"title": paper.title, "url": paper.url},
    )  # fmt: skip


def import_reported(host: Host, name: str, out: Path) -> tuple[int, int]:
    """Write the figures of a registered name to a run folder; returns how many there are, and how many were not there.

    Raises `HarnessError` for an unknown name, for what is no reported record, and for a cell given twice.
    """
    entry = host["reported"].entry(name)
    with naming(f"the figures {name!r} of plugin {entry.origin}"):
        records = list(entry.resolve()())
    cells = set()
    for record in records:
        if not isinstance(record, Record) or record.kind != "reported":
            raise HarnessError(f"the figures {name!r} of plugin {entry.origin} hold {record!r:.80}, no reported record")
        if record.cell in cells:
            raise HarnessError(f"the figures {name!r} of plugin {entry.origin} give {record.cell} twice")
        cells.add(record.cell)
    store = RecordStore(out / "records")
    new = [record for record in records if store.done(record.cell, record.key) != record]
    for record in new:
        store.write(record)
    return len(records), len(new)
