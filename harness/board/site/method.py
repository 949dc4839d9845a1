"""What the method page tells: how each number is made, with which versions, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.board.numbers import one_line
from harness.board.site.data import column_facts, environment
from harness.board.site.images import KnownImages
from harness.board.site.texts import few, paragraphs, plain, public
from harness.errors import HarnessError
from harness.lookup import find_metric

if TYPE_CHECKING:
    from harness.board.table import Board, Column
    from harness.plugins import Host

NOT_HERE = "Not installed where this site was made."


def method(board: Board, host: Host, images: Mapping[str, KnownImages]) -> dict[str, Any]:
    """By the parts of the page: columns, environments, footnotes."""
    metrics = {name: _metric(host, name) for name in dict.fromkeys(column.metric for column in board.columns)}
    return {
        "rule": public(board.rule.text),
        "by": board.rule.by,
        "over": board.rule.over,
        "ties": bool(board.ties),
        "footnotes": [public(note) for note in board.footnotes],
        "protocols": _protocols(board, images),
        "metrics": [{"name": _name(m), "about": about, "facts": _measured(board, m)} for m, about in metrics.items()],
        "environments": environments(board),
    }


def protocol_doc(known: KnownImages) -> str | None:
    """The documentation of a task's protocol, where it is installed."""
    return type(known.bound.protocol).__doc__ if known.bound is not None else None


def _protocols(board: Board, images: Mapping[str, KnownImages]) -> list[dict[str, Any]]:
    """Each protocol once, with its tasks."""
    found: dict[str, dict[str, Any]] = {}
    for task, known in images.items():
        columns = [column for column in board.columns if column.task == task]
        protocol = _name(columns[0].protocol.partition("[")[0])
        about = paragraphs(protocol_doc(known)) or [NOT_HERE]
        entry = found.setdefault(protocol, {"name": protocol, "about": about, "tasks": []})
        entry["about"] = about if entry["about"] == [NOT_HERE] else entry["about"]
        entry["tasks"].append(_task(task, columns, known))
    return list(found.values())


def _task(task: str, columns: list[Column], known: KnownImages) -> dict[str, Any]:
    facts = column_facts(columns[0])
    card, told = known.card, columns[0].dataset_card
    parameters = (f"{k.removeprefix('parameters ')} {v}" for k, v in facts.items() if k.startswith("parameters "))
    return {
        "name": _name(task),
        "columns": [{"measure": _name(c.measure), "counts": c.ranked} for c in columns],
        "notes": [f"{_name(c.measure)}: {public(one_line(c.note))}" for c in columns if c.note],
        "version": facts.get("task version", ""),
        "parameters": plain(", ".join(parameters), 400),
        "dataset": plain(one_line(str(card.title if card else told.get("title") or columns[0].dataset)), 200),
        "revision": facts.get("dataset revision", ""),
        "licence": plain(one_line(card.licence), 200) if card else "",
        "citation": plain(one_line(card.citation), 400) if card else "",
        "computed": ", ".join(str(facts[key]) for key in ("precision", "decoder") if key in facts),
    }


def _name(text: str) -> str:
    return plain(one_line(text), 200)


def _metric(host: Host, name: str) -> list[str]:
    """The paragraphs of a metric's documentation."""
    try:
        return paragraphs(find_metric(host, name).__doc__) or [NOT_HERE]
    except HarnessError:
        return [NOT_HERE]


def _measured(board: Board, metric: str) -> str:
    """Unit, direction, bounds and version of a metric, as its columns have them."""
    column = next(c for c in board.columns if c.metric == metric)
    low, high = ("…" if bound is None else f"{bound:g}" for bound in column.bounds)
    better = {True: "higher is better", False: "lower is better", None: "neither direction is better"}
    number = (column.facts.get("metric") or {}).get("version")
    version = f"version {number}" if number else ""
    parts = (column.unit, better[column.higher_is_better], f"from {low} to {high}", version)
    return plain(", ".join(part for part in parts if part), 200)


def environments(board: Board) -> list[dict[str, Any]]:
    """The distinct environments of the models' newest records, and whose they are."""
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for row in board.rows:
        if around := environment(row.provenance):
            found.setdefault(repr(around), (around, []))[1].append(one_line(row.model))
    return [{"facts": facts, "models": plain(few(models, 8), 600)} for facts, models in found.values()]
