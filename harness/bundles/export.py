"""Exporting: a run's finished records as one archive that anyone can check."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness import __version__
from harness.archives import CHUNK
from harness.bundles.files import replacing
from harness.bundles.manifest import MANIFEST, SUITE, SUMMARY, Digest, Manifest, prediction
from harness.bundles.private import Censor
from harness.cache import ArrayStore, default_arrays
from harness.errors import HarnessError
from harness.records import Record, RecordStore, read_record

_EPOCH = (1980, 1, 1, 0, 0, 0)
_OF_A_CELL = ("seconds", "peak_memory", "cost", "traceback")


class Exported(NamedTuple):
    """What a bundle holds, and what it leaves out.

    Attributes:
        left_out: failed records, and those skipped before their key was known.
        missing: records whose predictions were asked for and are in no store.
    """

    records: int
    left_out: int
    predictions: int
    missing: int
    size: int


def export(run: Path, bundle: Path, *, predictions: bool = False, arrays: Path | None = None, by: str = "") -> Exported:
    """Write a run's records to a bundle: done ones, and those skipped because the metric is undefined.

    The same records always give the same bytes. Failures are left out: they tell of the machine they happened on.
    Absolute paths are cut to their last part wherever they stand; all else is as it was recorded.

    Args:
        predictions: add the evidence that the records name, from `arrays`, HARNESS_ARRAYS or the run's folder.
        by: who sends it, for the boards that will show it.

    Raises `HarnessError` for a folder without finished records, for one with a record that cannot be read, and where
    two models or datasets differ in their paths alone; `OutputError` where the bundle cannot be written.
    """
    if not (run / "records").is_dir():
        raise HarnessError(f"{run} holds no records/: give a folder that 'harness run --out' wrote")
    censor = Censor([run.absolute(), run.resolve(), Path.home(), Path.cwd()])
    stores = [ArrayStore(folder) for folder in ([arrays] if arrays else [default_arrays(run), run / "arrays"])]
    with replacing(bundle) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        writer = _Writer(zipped, censor)
        for path in sorted(RecordStore(run / "records").paths()):
            writer.record(path)
        if not writer.names:
            raise HarnessError(f"{run} holds no finished record: there is nothing to export")
        for key in sorted(writer.evidence) if predictions else ():
            writer.prediction(key, stores)
        for name in (SUITE, SUMMARY):
            if (run / name).is_file():
                writer.page(run / name, name)
        writer.manifest(by)
    counts = writer.counts
    missing = len(writer.evidence) - counts["predictions"] if predictions else 0
    return Exported(counts["records"], counts["left_out"], counts["predictions"], missing, bundle.stat().st_size)


class _Writer:
    """Adds members to an archive and keeps their digests."""

    def __init__(self, zipped: zipfile.ZipFile, censor: Censor) -> None:
        self._zip, self._censor = zipped, censor
        self.members: dict[str, Digest] = {}
        self.names: dict[str, Path] = {}  # which file became which record
        self.evidence: set[str] = set()
        self.counts: Counter[str] = Counter(records=0, left_out=0, predictions=0)
        self._newest: Record | None = None
        self._date, self._suite = 0.0, ""

    def record(self, path: Path) -> None:
        record, data = read_record(path), path.read_bytes()
        if record.status == "failed" or not record.key:
            self.counts["left_out"] += 1
            return
        if (cut := self._censor.value(fields := json.loads(data))) != fields:
            record = Record.model_validate(cut)
            data = record.model_dump_json(indent=1).encode() + b"\n"
        name = RecordStore(Path("records")).path(record.cell, record.key).as_posix()
        if name in self.names:
            raise HarnessError(
                f"{path} and {self.names[name]} would be one record: they differ in nothing but a path, and paths are "
                "not published; name models and datasets in a catalogue (--registry)"
            )
        self.names[name] = path
        self._add(name, data)
        self.counts["records"] += 1
        self._date = max(self._date, record.finished)
        if record.kind == "measured":
            self._remember(record)

    def _remember(self, record: Record) -> None:
        keys = (record.facts.get(side) for side in ("evidence", "partner_evidence"))
        self.evidence |= {key for key in keys if isinstance(key, str) and key}
        if self._newest is None or record.finished > self._newest.finished:
            self._newest = record

    def prediction(self, key: str, stores: Iterable[ArrayStore]) -> None:
        """Add an evidence file, uncompressed, if any store has it."""
        for path in (store.path("evidence", key, "safetensors") for store in stores):
            if path.is_file():
                with open(path, "rb") as file:
                    digest = Digest(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size=file.tell())
                    file.seek(0)
                    with self._zip.open(_info(prediction(key), zipfile.ZIP_STORED), "w", force_zip64=True) as member:
                        shutil.copyfileobj(file, member, CHUNK)
                self.members[prediction(key)] = digest
                self.counts["predictions"] += 1
                return

    def page(self, path: Path, name: str) -> None:
        """Add ``suite.json`` or ``summary.json``. Raises `HarnessError` for one that is no JSON."""
        try:
            fields = json.loads(path.read_bytes())
        except ValueError as error:
            raise HarnessError(f"{path}: cannot be read: {error}; the next run writes it anew") from None
        if name == SUITE and isinstance(fields, dict):
            self._suite = str(fields.get("name", ""))
        self._add(name, json.dumps(self._censor.value(fields), indent=1, ensure_ascii=False).encode() + b"\n")

    def manifest(self, by: str) -> None:
        provenance: dict[str, Any] = self._newest.provenance if self._newest is not None else {}
        environment = {name: value for name, value in provenance.items() if name not in _OF_A_CELL}
        date = datetime.fromtimestamp(self._date, UTC).date().isoformat()
        manifest = Manifest(
            harness=__version__, by=by, date=date, suite=self._suite, counts=dict(self.counts),
            environment=environment, members=self.members,
        )  # fmt: skip
        self._zip.writestr(_info(MANIFEST), manifest.write())

    def _add(self, name: str, data: bytes) -> None:
        self.members[name] = Digest(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        self._zip.writestr(_info(name), data)


def _info(name: str, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """A member's header, the same at all times and on all systems."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.create_system, info.external_attr = method, 3, 0o100644 << 16
    return info
