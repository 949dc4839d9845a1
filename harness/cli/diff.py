"""``harness diff``: what changed between two runs, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.cli.common import make_console, warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from harness.board.changes import Change, Changes, Group
    from harness.outcomes import Outcome

STYLES = {"value": "yellow", "interval": "cyan", "outcome": "red", "first only": "magenta", "second only": "green"}


def diff(
    first: Path = typer.Argument(help="A run folder."),
    second: Path = typer.Argument(help="Another, usually of a later run."),
    format: str = typer.Option("terminal", help="terminal, or json with every cell."),
    exit_code: bool = typer.Option(False, "--exit-code", help="Exit with 1 if anything changed."),
) -> None:
    """Say what changed between two runs, grouped by cause: weights, versions, revisions, settings."""
    import json

    from harness.board.changes import changes
    from harness.errors import HarnessError

    if format not in ("terminal", "json"):
        raise HarnessError(f"--format {format!r}: one of terminal, json")
    found = changes(records_of(first), records_of(second))
    if format == "json":
        print(json.dumps(to_dict(found, first, second), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        console = make_console()
        for line in shown(found, first, second):
            console.print(line, soft_wrap=False)
    raise typer.Exit(int(exit_code and bool(found.groups)))


def records_of(folder: Path) -> list[Outcome]:
    """A run's records; files that are none are noted on stderr. Raises `HarnessError` for a folder without any."""
    from harness.index import Index

    require_records(folder)
    index = Index(folder / "records")
    found: list[Outcome] = list(index.outcomes())
    for _, reason in index.unreadable:
        warn(reason)
    return found


def require_records(folder: Path) -> None:
    """Raises `HarnessError` for a folder without records/."""
    from harness.errors import HarnessError

    if not (folder / "records").is_dir():
        raise HarnessError(f"{folder} holds no records/: give a folder that 'harness run --out' wrote")


def shown(found: Changes, first: Path, second: Path) -> Iterator[Text]:
    """A paragraph for each group, after a line with the counts."""
    from rich.text import Text

    from harness.board.numbers import one_line

    many = f"{found.counts.get('unchanged', 0):,} of {len(found.cells):,} cells unchanged"
    yield Text.assemble((one_line(str(first)), "bold"), " → ", (one_line(str(second)), "bold"), f": {many}")
    for group in found.groups:
        yield Text()
        yield Text.assemble((f"{heading(group, first, second)}", f"bold {STYLES[group.status]}"))
        for line in (*reasons(group), where(group), *example(group.largest)):
            yield Text(f"  {one_line(line)}")


def heading(group: Group, first: Path, second: Path) -> str:
    """``700 values changed``."""
    many, s = f"{len(group.changes):,}", "s" * (len(group.changes) != 1)
    return {
        "value": f"{many} value{s} changed",
        "interval": f"{many} interval{s} changed, value{s} the same",
        "outcome": f"{many} cell{s} with another outcome",
        "first only": f"{many} cell{s} in {first} only",
        "second only": f"{many} cell{s} in {second} only",
    }[group.status]


def reasons(group: Group) -> Iterator[str]:
    """A line for each fact, with its values where they are few."""
    for fact in group.facts:
        values = group.values(fact)
        pairs = [f"{cause.before} → {cause.after}" for cause in values if cause.before or cause.after]
        more = f", and {len(pairs) - 2} more" * (len(pairs) > 2)
        yield f"{fact}: {', '.join(pairs[:2])}{more}" if pairs else fact


def where(group: Group) -> str:
    """Which models, tasks and metrics: by name where they are few."""
    return "; ".join(_listed(group.names(field), field) for field in ("model", "task", "metric"))


def _listed(names: Sequence[str], word: str) -> str:
    if len(names) <= 3:
        return f"{word}{'s' * (len(names) > 1)} {', '.join(names)}"
    return f"{len(names)} {word}s ({names[0]}, …)"


def example(change: Change) -> Iterator[str]:
    """The score that moved most."""
    from harness.board.numbers import number

    was, now, cell = change.before, change.after, change.cell
    if change.status == "value" and was is not None and now is not None:
        unit = str(now.metric.get("unit") or "")
        model = cell.model if cell.partner is None else f"{cell.model} and {cell.partner}"
        moved = next(
            ((a, b) for a, b in zip(was.scores, now.scores, strict=False) if a.value != b.value),
            (was.scores[0], now.scores[0]),
        )
        values = [number(score.value, unit) for score in moved]
        if values[0] == values[1]:
            values = [f"{score.value!r}" for score in moved]
        yield f"most: {model}, {cell.task} {cell.metric}: {' → '.join(values)} {unit}".rstrip()


def to_dict(found: Changes, first: Path, second: Path) -> dict[str, Any]:
    """Counts, groups and every changed cell as JSON values."""
    groups = [
        {"status": g.status, "cells": len(g.changes),
         "causes": [{"fact": fact, "values": [[c.before, c.after] for c in g.values(fact) if c.before or c.after]}
                    for fact in g.facts],
         "models": g.names("model"), "tasks": g.names("task"), "metrics": g.names("metric")}
        for g in found.groups
    ]  # fmt: skip
    cells = [
        {**c.cell._asdict(), "status": c.status, "before": _outcome(c.before), "after": _outcome(c.after),
         "causes": [cause._asdict() for cause in c.causes]}
        for c in found.cells if c.status != "unchanged"
    ]  # fmt: skip
    return {"runs": [str(first), str(second)], "counts": found.counts, "groups": groups, "cells": cells}


def _outcome(record: Outcome | None) -> dict[str, Any] | None:
    if record is None:
        return None
    scores = [{name: getattr(s, name) for name in ("variant", "value", "low", "high", "n")} for s in record.scores]
    return {"status": record.status, "key": record.key, "scores": scores, "reason": record.reason}
