"""Importing: a bundle checked whole, then its records in a folder, marked as submitted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.bundles.archive import Archive, opened, printable, shown
from harness.bundles.checks import Checker, parse_record
from harness.bundles.files import replacing
from harness.bundles.predictions import check_predictions
from harness.bundles.tolerance import differences
from harness.cache import ArrayStore
from harness.errors import HarnessError, OutputError, one_line
from harness.plugins import Host
from harness.records import Record, RecordStore, read_record

LISTED = 20
SUBMITTED_ARRAYS = "submitted"
"""Folder beside ``records/`` for submitted predictions; no run reads it, so none can take them for its own."""
_WRITERS, _BATCH = 8, 1000  # each record waits for the disk, and eight wait no longer than one


@dataclass
class Report:
    """What was found in a bundle, and what was or would be done with it.

    Attributes:
        sha256: of the file.
        by, date: who sends it, and the day of its newest record.
        new: records that are not in the folder yet; `known` are, with the same scores.
        problems: the first of them, one line each; `faults` counts all. With any, nothing is imported.
        notes: what is no fault, but worth telling.
    """

    bundle: str
    sha256: str = ""
    by: str = ""
    date: str = ""
    suite: str = ""
    records: int = 0
    reported: int = 0
    predictions: int = 0
    new: int = 0
    known: int = 0
    faults: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        self.faults += 1
        if len(self.problems) < LISTED:
            self.problems.append(printable(text)[:1000])

    def fields(self) -> dict[str, Any]:
        """As JSON values, for bots."""
        return asdict(self)


class BundleError(HarnessError):
    """A bundle that may not be imported, with the `report` that says why."""

    def __init__(self, report: Report) -> None:
        more = f" (and {report.faults - 1:,} more problems)" if report.faults > 1 else ""
        super().__init__(f"{report.bundle}: {report.problems[0]}{more}")
        self.report = report


def check_bundle(bundle: Path, host: Host, out: Path | None = None, by: str = "") -> Report:
    """Check a bundle, and against the records of `out` if it is given; writes nothing, raises nothing for a bad one."""
    report = Report(printable(bundle.name), by=by)
    try:
        with opened(bundle) as archive:
            _Import(archive, host, out, report).check()
    except HarnessError as error:
        report.problem(str(error).removeprefix(f"{bundle}: "))
    return report


def import_bundle(bundle: Path, host: Host, out: Path, by: str = "") -> Report:
    """Write a bundle's records to a folder, once every one of them is found good. Doing it again changes nothing.

    Measured records become ``submitted``, published figures stay ``reported``; both say who sent them, and when.
    Predictions go to ``out/submitted``.

    Args:
        by: who sends it, instead of the name that the bundle states.

    Raises `BundleError`, and leaves `out` as it was, for a bundle with any problem.
    """
    report = Report(printable(bundle.name), by=by)
    try:
        with opened(bundle) as archive:
            work = _Import(archive, host, out, report)
            work.check()
            if not report.faults:
                work.write()
    except OutputError:
        raise
    except HarnessError as error:
        report.problem(str(error).removeprefix(f"{bundle}: "))
    if report.faults:
        raise BundleError(report)
    return report


class _Import:
    """One bundle, checked member by member, so that 100,000 records need no memory to speak of."""

    def __init__(self, archive: Archive, host: Host, out: Path | None, report: Report) -> None:
        self.archive, self.report, self.out = archive, report, out
        self.store = RecordStore(out / "records") if out is not None else None
        self.checker = Checker(host)
        self.new: list[str] = []
        manifest = archive.manifest
        report.sha256, report.date, report.suite = archive.sha256, manifest.date, manifest.suite[:200]
        report.by = report.by or manifest.by

    def check(self) -> None:
        self._sender()
        evidence: set[str] = set()
        for name in self.archive.names("record"):
            try:
                evidence |= self._record(name)
            except HarnessError as error:
                self.report.problem(_at(name, error))
        for name in self.archive.names("prediction"):
            self._prediction(name, evidence)
        for name in self.archive.names("page"):
            self._page(name)
        report, stated = self.report, self.archive.manifest.counts
        report.new, report.notes = len(self.new), list(self.checker.notes)
        found = {"records": len(self.archive.names("record")), "predictions": len(self.archive.names("prediction"))}
        if not found["records"]:
            report.problem("it holds no record")
        for what, number in found.items():
            if stated.get(what, number) != number:
                report.problem(f"its manifest counts {stated[what]:,} {what}, it holds {number:,}")

    def _sender(self) -> None:
        by = self.report.by
        if not by.strip():
            self.report.problem("it does not say who sends it: export it with --by NAME, or import it with --by NAME")
        elif not by.isprintable() or len(by) > 200:
            self.report.problem(f"its sender is no name to print: {ascii(by)[:80]}")
        try:
            future = date.fromisoformat(self.report.date) > datetime.now(UTC).date() + timedelta(1)
        except ValueError:
            future = True
        if future:
            self.report.problem(f"its date is {self.report.date}, which is none or not yet")

    def _record(self, name: str) -> set[str]:
        """Check a record; returns the keys of its evidence."""
        record = parse_record(self.archive.read(name))
        faults = list(self.checker.problems(record, name))
        if not faults and self.store is not None:
            faults = self._against(self.store, record, name)
        for fault in faults:
            self.report.problem(_at(name, fault))
        self.report.records += 1
        self.report.reported += record.kind == "reported"
        return {str(record.facts.get(side)) for side in ("evidence", "partner_evidence")}

    def _against(self, store: RecordStore, record: Record, name: str) -> list[str]:
        """Compare with the record that the folder has of this cell and key; keep the name of one that is new."""
        path = store.path(record.cell, record.key)
        if not path.is_file():
            self.new.append(name)
            self._others(path, record)
            return []
        held = read_record(path)
        if held.status == "failed":
            self.new.append(name)
            return []
        if (held.key, held.cell) != (record.key, record.cell):
            return [f"{path} is of another cell or key, {held.key[:24]}…: the two cannot both be kept"]
        if found := list(differences(held, record)):
            return [f"{self.out} has another score of this cell and key (there, and in the bundle): {found[0]}"]
        self.report.known += 1
        return []

    def _others(self, path: Path, record: Record) -> None:
        """Tell of a model that has other scores in the same cells: these would stand in their place, if newer."""
        others = path.parent.glob(f"{path.name.rpartition('-')[0]}-*.json")
        if any(not other.name.endswith("-unknown.json") for other in others):
            note = f"{record.model} has other scores there of the same cells (other weights, images or settings): "
            self.checker.notes[f"{note}of two that are submitted the newer counts"] = None

    def _prediction(self, name: str, evidence: set[str]) -> None:
        try:
            if name.removeprefix("predictions/").removesuffix(".safetensors") not in evidence:
                raise HarnessError("no record of the bundle is of this evidence")
            if not check_predictions(self.archive.chunks(name)):
                self.checker.notes["some predictions are of a kind that is not known here: no board will show them"] = (
                    None
                )
            self.report.predictions += 1
        except HarnessError as error:
            self.report.problem(_at(name, error))

    def _page(self, name: str) -> None:
        try:
            json.loads(self.archive.read(name))
        except (HarnessError, ValueError, RecursionError) as error:
            self.report.problem(_at(name, one_line(error)))

    def write(self) -> None:
        """Write what is new."""
        assert self.store is not None
        assert self.out is not None
        with ThreadPoolExecutor(_WRITERS) as pool:
            for start in range(0, len(self.new), _BATCH):
                list(pool.map(self.store.write, map(self._stamped, self.new[start : start + _BATCH])))
        arrays = ArrayStore(self.out / SUBMITTED_ARRAYS)
        for name in self.archive.names("prediction"):
            key = name.removeprefix("predictions/").removesuffix(".safetensors")
            path = arrays.path("evidence", key, "safetensors")
            if not path.is_file():
                with replacing(path) as file:
                    for chunk in self.archive.chunks(name):
                        file.write(chunk)

    def _stamped(self, name: str) -> Record:
        """A record as it is kept, with who sent it, and in which bundle."""
        record = parse_record(self.archive.read(name))
        stamp = {"by": self.report.by, "date": self.report.date, "bundle": self.report.sha256}
        kind = "reported" if record.kind == "reported" else "submitted"
        return record.model_copy(update={"kind": kind, "submission": stamp})


def _at(name: str, what: object) -> str:
    text = one_line(what) if isinstance(what, Exception) else str(what)
    return text if text.startswith(shown(name)) else f"{shown(name)}: {text}"
