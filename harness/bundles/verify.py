"""Verifying: some cells of a bundle made again here, from the model and the images, and compared."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.bundles.archive import Archive, opened, printable
from harness.bundles.checks import Checker, parse_record
from harness.bundles.tolerance import TOLERANCE, differences
from harness.errors import HarnessError, one_line
from harness.names import parse_task, split_scheme
from harness.planning import Cell, plan
from harness.plugins import Host
from harness.records import Record, RecordStore, read_record
from harness.suite import make_suite

Verdict = Literal["agrees", "differs", "cannot be run here"]
ELSEWHERE = ("task", "dataset", "metric")  # facts that may rightly be others here: other versions, another revision


class Verified(NamedTuple):
    """What became of one cell: `reason` says what differs, or why it cannot be run; `again` is the score made here."""

    cell: Cell
    verdict: Verdict
    value: float
    again: float | None = None
    reason: str = ""


def verify(
    bundle: Path, host: Host, cells: int = 3, *, seed: int = 0, tolerance: float = TOLERANCE, uris: bool = False,
    **options: Any,
) -> list[Verified]:  # fmt: skip
    """Make `cells` of a bundle's measured single-model cells again, chosen by `seed`, and compare them.

    Each is run as its record says: with its limit, precision, decoder, seed and resamples, in a folder of its own that
    is removed again. Nothing is taken from the bundle but names and numbers.

    Args:
        tolerance: see `harness.bundles.tolerance.differences`.
        uris: run models and datasets given by URI too (``hub:…``, ``py:…``), which may load code from anywhere.
        options: fields of `harness.engine.options.Options` (``device``, ``batch_size``…).

    Raises `HarnessError` for a bundle that is not sound (as `import_bundle`), or holds no such cell.
    """
    with opened(bundle) as archive:
        chosen = choose(archive, Checker(host), cells, seed)
    outcomes: dict[Cell, Verified] = {}
    runnable = []
    for record in chosen:
        if reason := _pattern(record) or ("" if uris else _by_uri(record)):
            outcomes[record.cell] = _not_here(record, reason)
        else:
            runnable.append(record)
    with tempfile.TemporaryDirectory(prefix="harness-") as scratch:
        for number, group in enumerate(_groups(runnable)):
            again = Path(scratch, str(number))
            failure = _rerun(group, host, again, {"arrays": Path(scratch, "arrays"), **options})
            outcomes |= {r.cell: _not_here(r, failure) if failure else _judged(r, again, tolerance) for r in group}
    found = (outcomes[record.cell] for record in chosen)
    return [outcome._replace(reason=printable(outcome.reason)) for outcome in found]


def choose(archive: Archive, checker: Checker, cells: int, seed: int) -> list[Record]:
    """`cells` measured, done, single-model records, drawn by `seed`, each of another cell; all if there are fewer.

    Raises `HarnessError` where there is none, and for one that `Checker` finds fault with.
    """
    names, chosen = archive.names("record"), dict[Cell, Record]()
    random.Random(seed).shuffle(names)
    for name in names:
        if len(chosen) == cells:
            break
        try:
            record = parse_record(archive.read(name))
            faults = list(checker.problems(record, name))
        except HarnessError as error:
            faults = [str(error)]
        if faults:
            raise HarnessError(f"{archive.path}: {name}: {faults[0]} ('harness import --check' lists all problems)")
        if record.kind == "measured" and record.status == "done" and record.partner is None:
            chosen.setdefault(record.cell, record)
    if not chosen:
        raise HarnessError(f"{archive.path}: holds no measured score of a single model: there is nothing to verify")
    return list(chosen.values())


def _pattern(record: Record) -> str:
    """Why a cell is not run though its names could be: a run would take them for many."""
    if set("*?") & set(record.model) or record.cell.metric == "all":
        return "the name of its model or metric stands for several here"
    return ""


def _by_uri(record: Record) -> str:
    """Why a cell is not run unless it is asked for: its model or dataset is no name of a catalogue."""
    for what, name in (("model", record.model), ("dataset", parse_task(record.task)[1].name)):
        if split_scheme(name):
            return f"its {what} is given by a URI, which may run code of anyone's: allow it with --uris"
    return ""


def _settings(record: Record) -> dict[str, Any]:
    """The fields of the suite that a record was made with, but for names and seed."""
    facts = record.facts
    given = {name: facts[name] for name in ("precision", "decoder", "resamples") if name in facts}
    return given | {"limit": record.limit, "bad_images": "exclude" if facts.get("excluded") else "fail"}


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records that one run makes again: of one model and the same settings."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(f"{record.model} {_settings(record)}", []).append(record)
    yield from groups.values()


def _rerun(group: Sequence[Record], host: Host, out: Path, options: dict[str, Any]) -> str:
    """Run a group's cells into a folder; returns why that cannot even be begun, or nothing."""
    from harness.engine.options import Options

    names = {what: list(dict.fromkeys(getattr(r.cell, what) for r in group)) for what in ("task", "metric", "seed")}
    fields = {"name": "verify", "models": [group[0].model], "tasks": names["task"], "metrics": names["metric"],
              "seeds": names["seed"], **_settings(group[0])}  # fmt: skip
    engine = host["engine"].entry("local").resolve()
    settings = Options(out, **options)
    try:
        planned = plan(make_suite(fields), host)
    except HarnessError as error:
        return one_line(error)
    engine(planned, host, settings)
    return ""


def _judged(record: Record, out: Path, tolerance: float) -> Verified:
    """Compare a record with the one that the run here made."""
    store = RecordStore(out / "records")
    again = store.finished(record.cell, record.key)
    if again is not None:
        found = list(differences(record, again, tolerance))
        value = again.score.value if again.status == "done" else None
        reason = f"{found[0]} here" if found else ""
        return Verified(record.cell, "differs" if found else "agrees", record.score.value, value, reason)
    others = [read_record(path) for path in store.path(record.cell, "").parent.glob("*.json")]
    mine = [other for other in others if other.cell == record.cell]
    if not mine:
        return _not_here(record, "the task and the metric do not fit each other here")
    return _otherwise(record, mine[0])


def _otherwise(record: Record, again: Record) -> Verified:
    """The outcome where the run here made no record of the same key: why not."""
    if again.status != "done":
        return _not_here(record, f"{again.status}: {again.reason}")
    fact, reason = _changed(record, again)
    value = record.score.value
    verdict: Verdict = "cannot be run here" if fact in ELSEWHERE else "differs"
    return Verified(record.cell, verdict, value, again.score.value, reason)


def _changed(record: Record, again: Record) -> tuple[str, str]:
    """Which fact makes two keys differ, and that in words."""
    mine, theirs = ({"metric": {f: r.metric.get(f) for f in ("name", "version")}, **r.facts} for r in (again, record))
    for fact in (*ELSEWHERE, "weights", "architecture", "preprocess", "precision", "decoder", "resamples", "excluded"):
        if mine.get(fact) != theirs.get(fact):
            return fact, f"another {fact}: {_brief(theirs.get(fact), mine.get(fact))}"
    if mine.get("fingerprint") != theirs.get("fingerprint"):
        return "fingerprint", "the model's fingerprint is another"
    return "images", "other images were used"


def _brief(there: Any, here: Any) -> str:
    """Where two facts differ, and how."""
    if isinstance(there, dict) and isinstance(here, dict):
        field = next(f for f in [*there, *here] if there.get(f) != here.get(f))
        return f"{field} {_brief(there.get(field), here.get(field))}"
    return f"{str(there)[:40]} in the bundle, {str(here)[:40]} here"


def _not_here(record: Record, reason: str) -> Verified:
    return Verified(record.cell, "cannot be run here", record.score.value, None, reason)
