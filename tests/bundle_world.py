"""Records, runs and bundles for the tests of bundles, and ways to spoil them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.bundles.export import export
from harness.engine.local import run_local
from harness.engine.options import Options
from harness.identity import digest, record_key
from harness.planning import plan
from harness.plugins import Host
from harness.records import Record, RecordStore, ScoreData
from harness.suite import make_suite

TOP1 = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
TOYS = Path(__file__).with_name("toys.py")
NOON = 1_780_000_000.0
Edit = Callable[[bytes], bytes] | bytes | None


def made(model: str = "tiny-random", value: float = 80.0, **changes: Any) -> Record:
    """A record as a run would have written it, with a key of its own."""
    evidence = digest(["evidence", model, changes.get("task"), changes.get("seed", 0)])
    metric = changes.pop("metric", TOP1)
    identity = {"name": metric["name"], "version": metric["version"]}
    task, dataset = {"name": "knn", "version": 1, "parameters": {}}, {"name": "digits", "revision": "1"}
    fields = {
        "status": "done", "model": model, "task": "knn@digits", "metric": metric, "primary": True, "finished": NOON,
        "scores": (ScoreData(value=value, low=value - 2, high=value + 1, n=500),),
        "facts": {"task": task, "dataset": dataset, "resamples": 1000, "evidence": evidence},
        "key": record_key((evidence,), identity, 1000), "provenance": {"python": "3.11", "seconds": {"task": 1.0}},
    }  # fmt: skip
    return Record.model_validate(fields | changes)


def published(value: float = 70.0, **changes: Any) -> Record:
    """A figure of a paper."""
    place = {"source": "arXiv:1", "table": "1", "row": "r", "column": "c"}
    facts = {"kind": "reported", "facts": place, "key": digest(place), "finished": NOON - 1e8}
    return made("tiny-moco", value, **facts | changes)


def folder_of(out: Path, records: Iterable[Record]) -> Path:
    """A run folder of these records."""
    store = RecordStore(out / "records")
    store.folder.mkdir(parents=True)
    for record in records:
        store.write(record)
    return out


def bundle_of(tmp: Path, *records: Record, name: str = "b.zip", by: str = "Ada") -> Path:
    """A bundle of these records; by default of two measured ones and a published one."""
    records = records or (made(), made("tiny-simclr", 90.0), published())
    export(folder_of(tmp / f"run of {name}", records), tmp / name, by=by)
    return tmp / name


def members(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def spoilt(bundle: Path, edits: Mapping[str, Edit], *, vouched: bool = True) -> Path:
    """The bundle with members changed (None removes one), written anew; `vouched` mends the manifest's digests."""
    held = members(bundle)
    for name, edit in edits.items():
        content = edit(held[name]) if callable(edit) else edit
        held = {n: c for n, c in held.items() if n != name} | ({} if content is None else {name: content})
    if vouched and "manifest.json" in held:
        facts = json.loads(held.pop("manifest.json"))
        facts["members"] = {n: {"sha256": hashlib.sha256(c).hexdigest(), "size": len(c)} for n, c in held.items()}
        held["manifest.json"] = json.dumps(facts).encode()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in held.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED if "predict" in name else None)
    return bundle


def changed(**fields: Any) -> Callable[[bytes], bytes]:
    """An edit of a JSON member: its fields set to these."""
    return lambda data: json.dumps(json.loads(data) | fields).encode()


def first(bundle: Path, part: str = "") -> str:
    """The name of the first record in a bundle whose name has this part."""
    return min(name for name in members(bundle) if name.startswith("records/") and part in name)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def toy_run(host: Host, out: Path, **fields: Any) -> Path:
    """A finished run of the toys, in milliseconds; of two models unless `fields` say so."""
    suite = {"models": ["toy0", "toy1"], "tasks": ["centroid@toy", "features@toy"], "resamples": 20,
             "metrics": ["toy-hits", "toy-hits-weighted", "toy-spread", "toy-similarity"]}  # fmt: skip
    run_local(plan(make_suite(suite | fields), host), host, Options(out))
    return out
