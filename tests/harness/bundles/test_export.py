from __future__ import annotations

import json
from pathlib import Path

import pytest
from bundle_world import NOON, bundle_of, folder_of, made, members, published, snapshot, toy_run

from harness import __version__
from harness.bundles.export import export
from harness.errors import HarnessError
from harness.plugins import Host
from harness.records import Record, RecordStore, read_record


def failed(model: str) -> Record:
    return made(model, status="failed", scores=(), reason="no luck", provenance={"traceback": "at /home/me/x.py"})


def test_a_bundle_holds_records_as_they_are_and_vouches_for_each(tmp_path: Path) -> None:
    run = folder_of(tmp_path / "run", [made(), published()])
    found = export(run, tmp_path / "b.zip", by="Ada")
    held = members(tmp_path / "b.zip")
    records = {name: path.read_bytes() for path in RecordStore(run / "records").paths()
               for name in [path.relative_to(run).as_posix()]}  # fmt: skip
    manifest = json.loads(held.pop("manifest.json"))
    assert held == records
    assert manifest["members"].keys() == held.keys()
    assert (manifest["harness"], manifest["by"], manifest["date"]) == (__version__, "Ada", "2026-05-28")
    assert manifest["counts"] == {"records": 2, "left_out": 0, "predictions": 0}
    assert manifest["environment"] == {"python": "3.11"}
    assert found == (2, 0, 0, 0, (tmp_path / "b.zip").stat().st_size)


def test_failures_and_skips_without_a_key_are_left_out_and_counted(tmp_path: Path) -> None:
    undefined = made("tiny-vicreg", status="skipped", scores=(), reason="undefined here", facts={})
    unplanned = made("tiny-byol", status="skipped", scores=(), key="", facts={})
    run = folder_of(tmp_path / "run", [made(), failed("tiny-moco"), undefined, unplanned])
    found = export(run, tmp_path / "b.zip")
    assert (found.records, found.left_out) == (2, 2)
    text = b"".join(members(tmp_path / "b.zip").values())
    assert b"undefined here" in text
    assert b"no luck" not in text


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = [made(), made("tiny-simclr"), published()]
    one, two = (bundle_of(tmp_path, *order, name=name) for order, name in ((records, "1"), (records[::-1], "2")))
    assert one.read_bytes() == two.read_bytes()


def test_no_path_of_the_machine_is_published(tmp_path: Path) -> None:
    secret = tmp_path / "a secret place"
    record = made(f"ckpt:{secret}/x.pth?arch=tiny", card={"command": f"train --out {secret}/runs", "title": "A <b>"},
                  provenance={"plugins": {"p": f"{secret}/plugin.py"}, "device": "cpu"})  # fmt: skip
    run = folder_of(secret / "run", [record])
    (run / "suite.json").write_text(json.dumps({"name": "mine", "models": [record.model]}))
    (run / "summary.json").write_text(json.dumps({"suite": "mine", "out": str(run), "warnings": [f"in '{run}/x'"]}))
    export(run, tmp_path / "b.zip")
    held = members(tmp_path / "b.zip")
    assert b"secret" not in b"".join(held.values())
    assert "secret" not in "".join(held)
    name = next(name for name in held if name.startswith("records/"))
    cut = Record.model_validate_json(held[name])
    assert cut.model == "ckpt:x.pth?arch=tiny"
    assert RecordStore(Path("records")).path(cut.cell, cut.key).as_posix() == name
    assert (cut.key, cut.scores, cut.card["title"]) == (record.key, record.scores, "A <b>")
    assert json.loads(held["summary.json"])["out"] == "run"
    assert json.loads(held["manifest.json"])["environment"] == {"plugins": {"p": "plugin.py"}, "device": "cpu"}


def test_two_records_that_only_a_path_tells_apart_are_refused(tmp_path: Path) -> None:
    same = made()
    twins = [same.model_copy(update={"model": f"ckpt:/{folder}/x.pth"}) for folder in "ab"]
    with pytest.raises(HarnessError, match=r"would be one record: .*not published; name models"):
        export(folder_of(tmp_path / "run", twins), tmp_path / "b.zip")


@pytest.mark.parametrize(
    ("records", "message"),
    [([], r"holds no finished record"), ([failed("tiny-moco")], r"holds no finished record"), (None, r"no records/")],
)
def test_an_empty_run_has_nothing_to_export(tmp_path: Path, records: list[Record] | None, message: str) -> None:
    run = folder_of(tmp_path / "run", records) if records is not None else tmp_path
    with pytest.raises(HarnessError, match=message):
        export(run, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_record_that_cannot_be_read_stops_it_and_the_old_bundle_stays(tmp_path: Path) -> None:
    run = folder_of(tmp_path / "run", [made()])
    export(run, tmp_path / "b.zip")
    before = snapshot(tmp_path)
    (run / "records" / "tiny-random" / "knn@digits" / "zzz.json").write_text('{"schema_version": 1}')
    with pytest.raises(HarnessError, match=r"zzz\.json: not a record"):
        export(run, tmp_path / "b.zip")
    assert {n: c for n, c in snapshot(tmp_path).items() if "zzz" not in n} == before


def test_a_bundle_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    run = folder_of(tmp_path / "run", [made()])
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"cannot write .*b\.zip"):
        export(run, tmp_path / "file" / "b.zip")


def test_predictions_are_those_that_the_records_name(host: Host, tmp_path: Path) -> None:
    run = toy_run(host, tmp_path / "run")
    found = export(run, tmp_path / "b.zip", predictions=True)
    stored = {p.name: p.read_bytes() for p in (run / "arrays" / "evidence").rglob("*.safetensors")}
    held = {n.removeprefix("predictions/"): c for n, c in members(tmp_path / "b.zip").items() if "predictions/" in n}
    assert held == stored
    assert (found.predictions, found.missing) == (len(stored), 0) == (4, 0)
    next((run / "arrays" / "evidence").rglob("*.safetensors")).unlink()
    found = export(run, tmp_path / "b.zip", predictions=True)
    assert (found.predictions, found.missing) == (3, 1)
    elsewhere = export(run, tmp_path / "b.zip", predictions=True, arrays=tmp_path / "none")
    assert (elsewhere.predictions, elsewhere.missing) == (0, 4)


def test_the_date_is_that_of_the_newest_record(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path, made(), made("tiny-moco", finished=NOON + 86400))
    assert json.loads(members(bundle)["manifest.json"])["date"] == "2026-05-29"


def test_the_store_of_a_bundle_reads_as_a_run(tmp_path: Path) -> None:
    held = members(bundle_of(tmp_path))
    for name, content in held.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert len([read_record(p) for p in RecordStore(tmp_path / "unpacked" / "records").paths()]) == 3
