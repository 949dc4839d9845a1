from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from bundle_world import (
    NOON,
    bundle_of,
    changed,
    first,
    folder_of,
    made,
    members,
    published,
    snapshot,
    spoilt,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bundles.export import export
from harness.bundles.importing import LISTED, BundleError, check_bundle, import_bundle
from harness.identity import record_key
from harness.plugins import Host
from harness.records import Record, RecordStore, ScoreData, read_record, slug

IDENTITY = {"name": "top1", "version": 1}


def records(out: Path) -> dict[str, Record]:
    """The records of a folder by model."""
    return {r.model: r for r in map(read_record, RecordStore(out / "records").paths())}


def bare(record: Record) -> Record:
    return record.model_copy(update={"kind": "measured", "submission": {}})


def test_a_bundle_comes_back_marked_with_who_and_when(tmp_path: Path, host: Host) -> None:
    undefined = made("tiny-byol", status="skipped", scores=(), reason="undefined here", facts={})
    sent = [made(), made("tiny-simclr", 90.0), published(), undefined]
    bundle = bundle_of(tmp_path, *sent)
    report = import_bundle(bundle, host, tmp_path / "out")
    found = records(tmp_path / "out")
    assert (report.records, report.reported, report.new, report.known, report.faults) == (4, 1, 4, 0, 0)
    stamp = {"by": "Ada", "date": "2026-05-28", "bundle": report.sha256}
    assert found["tiny-moco"] == published(submission=stamp)
    for record in (sent[0], sent[1], undefined):
        assert (found[record.model].kind, found[record.model].submission) == ("submitted", stamp)
        assert bare(found[record.model]) == record


def test_importing_again_changes_nothing(tmp_path: Path, host: Host) -> None:
    bundle, out = bundle_of(tmp_path), tmp_path / "out"
    import_bundle(bundle, host, out)
    before = snapshot(out)
    report = import_bundle(bundle, host, out)
    assert (report.new, report.known) == (0, 3)
    assert snapshot(out) == before


def test_who_imports_may_name_the_sender(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path, by="")
    assert check_bundle(bundle, host).faults == 1
    import_bundle(bundle, host, tmp_path / "out", by="Grace")
    assert records(tmp_path / "out")["tiny-random"].submission["by"] == "Grace"


def test_what_was_submitted_once_is_the_submission_of_who_sends_it_on(tmp_path: Path, host: Host) -> None:
    import_bundle(bundle_of(tmp_path, by="Ada"), host, tmp_path / "one")
    export(tmp_path / "one", tmp_path / "on.zip", by="Grace")
    import_bundle(tmp_path / "on.zip", host, tmp_path / "two")
    found = records(tmp_path / "two")
    assert found["tiny-random"].submission["by"] == "Grace"
    assert found["tiny-moco"].kind == "reported"


def test_checking_writes_nothing_and_knows_what_is_there(tmp_path: Path, host: Host) -> None:
    bundle, out = bundle_of(tmp_path), tmp_path / "out"
    folder_of(out, [made()])
    before = snapshot(tmp_path)
    report = check_bundle(bundle, host, out)
    assert (report.new, report.known, report.faults) == (2, 1, 0)
    assert snapshot(tmp_path) == before
    assert json.loads(json.dumps(report.fields()))["records"] == 3


def test_a_score_that_differs_by_rounding_is_the_same_and_what_was_there_stays(tmp_path: Path, host: Host) -> None:
    out = folder_of(tmp_path / "out", [made(value=80.1)])
    report = import_bundle(bundle_of(tmp_path, made(value=80.0)), host, out)
    assert (report.new, report.known) == (0, 1)
    assert records(out)["tiny-random"].score.value == 80.1


def test_a_conflicting_record_names_itself_and_both_scores(tmp_path: Path, host: Host) -> None:
    out = folder_of(tmp_path / "out", [made(value=75.0)])
    before = snapshot(out)
    bundle = bundle_of(tmp_path, made(value=80.0), made("tiny-simclr"))
    message = (
        r"records/tiny-random/knn@digits/top1-0-\w+\.json: .*out has another score of this cell and key "
        r"\(there, and in the bundle\): 75, and 80"
    )
    with pytest.raises(BundleError, match=message):
        import_bundle(bundle, host, out)
    assert snapshot(out) == before


@pytest.mark.parametrize(
    "other",
    [
        made(scores=(ScoreData(value=80.0, low=78.0, high=81.0, n=501),)),
        made(scores=(ScoreData(value=80.0, low=70.0, high=81.0, n=500),)),
        made(scores=(ScoreData(value=80.0, n=500),)),
        made(scores=(ScoreData(value=80.0, low=78.0, high=81.0, n=500), ScoreData(value=1.0, variant="k=1"))),
        made(status="skipped", scores=(), reason="undefined"),
    ],
)
def test_other_conflicts(tmp_path: Path, host: Host, other: Record) -> None:
    out = folder_of(tmp_path / "out", [made()])
    with pytest.raises(BundleError, match="has another score of this cell and key"):
        import_bundle(bundle_of(tmp_path, other), host, out)


def test_another_key_of_the_same_cell_stands_beside_it(tmp_path: Path, host: Host) -> None:
    out = folder_of(tmp_path / "out", [made(value=75.0, key="0" * 64)])
    assert import_bundle(bundle_of(tmp_path, made()), host, out).new == 1
    assert len(list(RecordStore(out / "records").paths())) == 2


def test_keys_that_begin_alike_cannot_both_be_kept(tmp_path: Path, host: Host) -> None:
    out = folder_of(tmp_path / "out", [made(key=made().key[:16] + "0" * 48)])
    with pytest.raises(BundleError, match="is of another cell or key"):
        import_bundle(bundle_of(tmp_path, made()), host, out)


def test_a_name_made_to_share_the_file_of_another_is_no_known_score(tmp_path: Path, host: Host) -> None:
    """``a b`` is kept in the folder of its slug; a model of that very name has a folder of the same name."""
    spaced, twin = made("a b"), made(slug("a b"), facts=made("a b").facts, key=made("a b").key)
    assert RecordStore(tmp_path).path(spaced.cell, spaced.key) == RecordStore(tmp_path).path(twin.cell, twin.key)
    out = folder_of(tmp_path / "out", [twin])
    with pytest.raises(BundleError, match="is of another cell or key"):
        import_bundle(bundle_of(tmp_path, spaced), host, out)


def test_other_scores_of_the_same_model_and_cells_are_told(tmp_path: Path, host: Host) -> None:
    newer = [made(facts=made().facts | {"evidence": "1" * 64}, key=record_key(("1" * 64,), IDENTITY, 1000))]
    out = folder_of(tmp_path / "out", [made(), made("tiny-simclr", status="failed", scores=(), key="")])
    report = check_bundle(bundle_of(tmp_path, *newer, made("tiny-simclr")), host, out)
    assert (report.new, report.faults) == (2, 0)
    (note,) = report.notes
    assert note.startswith("tiny-random has other scores there of the same cells")


def test_a_stamp_is_ours(tmp_path: Path, host: Host) -> None:
    forged = {"by": "Grace", "date": "2020-01-01", "bundle": "0" * 64}
    sent = [made(kind="submitted", submission=forged), published(submission=forged)]
    import_bundle(bundle_of(tmp_path, *sent, by="Ada"), host, tmp_path / "out")
    assert {r.submission["by"] for r in records(tmp_path / "out").values()} == {"Ada"}


def test_the_name_of_the_file_commands_no_terminal(tmp_path: Path, host: Host) -> None:
    bundle = tmp_path / "b\n::error::x\x1b[2J.zip"
    bundle.write_bytes(b"no zip")
    with pytest.raises(BundleError) as caught:
        import_bundle(bundle, host, tmp_path / "out")
    assert str(caught.value).startswith(r"b\n::error::x\x1b[2J.zip: not a bundle")
    assert str(caught.value).isprintable()


def test_a_score_replaces_a_failure(tmp_path: Path, host: Host) -> None:
    out = folder_of(tmp_path / "out", [made(status="failed", scores=(), reason="no luck")])
    assert import_bundle(bundle_of(tmp_path, made()), host, out).new == 1
    assert records(out)["tiny-random"].status == "done"


def test_all_problems_are_counted_and_the_first_listed(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path, *(made(f"m{i:02}") for i in range(30)))
    names = sorted(n for n in members(bundle) if n.startswith("records/"))
    spoilt(bundle, {name: changed(seed=-1) for name in names[1:]})
    with pytest.raises(BundleError, match=r"its seed is -1 \(and 57 more problems\)") as caught:
        import_bundle(bundle, host, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = caught.value.report
    assert (report.faults, len(report.problems)) == (58, LISTED)
    assert report.problems[1] == f"{names[1]}: its file name is not that of its cell and key"


def test_one_bad_record_keeps_all_out(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path)
    name = first(bundle, "random")
    spoilt(bundle, {name: lambda data: data.replace(b"80.0", b"NaN")})
    with pytest.raises(BundleError, match=r"top1-0-\w+\.json: not a record: .*it holds NaN, which is no number"):
        import_bundle(bundle, host, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_of_a_bundle_reaches_the_terminal_as_a_command(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path)
    spoilt(bundle, {first(bundle): changed(**{"\x1b[2J\nerror: fine": 1})})
    with pytest.raises(BundleError, match=r"not a record: \\x1b\[2J error: fine: Extra inputs") as caught:
        import_bundle(bundle, host, tmp_path / "out")
    assert str(caught.value).isprintable()


def test_a_record_of_a_newer_schema(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path)
    spoilt(bundle, {first(bundle): changed(schema_version=99, future=1)})
    with pytest.raises(BundleError, match="written by a newer harness \\(schema 99; this one reads"):
        import_bundle(bundle, host, tmp_path / "out")


def test_a_folder_with_a_newer_record_of_the_cell(tmp_path: Path, host: Host) -> None:
    out = folder_of(tmp_path / "out", [made()])
    path = next(RecordStore(out / "records").paths())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(BundleError, match="written by a newer harness"):
        import_bundle(bundle_of(tmp_path, made()), host, out)


def test_a_bundle_without_records(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path, made())
    spoilt(bundle, {first(bundle): None})
    with pytest.raises(BundleError, match="it holds no record"):
        import_bundle(bundle, host, tmp_path / "out")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_pages_must_be_json(tmp_path: Path, host: Host, content: bytes) -> None:
    bundle = spoilt(bundle_of(tmp_path), {"suite.json": content})
    with pytest.raises(BundleError, match=r"suite\.json"):
        import_bundle(bundle, host, tmp_path / "out")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of(tmp_path_factory.mktemp("sound"), made(finished=NOON), published())


@given(seed=st.integers(0, 2**32), flips=st.integers(1, 4), part=st.sampled_from([0.0, 0.6]))
@settings(max_examples=300, deadline=None)
def test_flipped_bits_are_an_error_or_harmless(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, flips: int, part: float
) -> None:
    """Whatever bits are flipped, in content, headers or directory: one line, or exactly the records that were sent."""
    rng, data = random.Random(seed), bytearray(sound.read_bytes())
    for _ in range(flips):
        data[rng.randrange(int(part * len(data)), len(data))] ^= 1 << rng.randrange(8)
    bundle = tmp_path_factory.mktemp("flipped") / "b.zip"
    bundle.write_bytes(data)
    out = bundle.parent / "out"
    if check_bundle(bundle, PLUGINS).faults:
        with pytest.raises(BundleError) as caught:
            import_bundle(bundle, PLUGINS, out)
        assert "\n" not in str(caught.value)
        assert not out.exists()
        return
    import_bundle(bundle, PLUGINS, out)
    found = records(out)
    assert bare(found["tiny-random"]) == made(finished=NOON)
    assert found["tiny-moco"] == published(submission=found["tiny-random"].submission)
    assert found["tiny-random"].submission["by"] == "Ada"


PLUGINS = Host()
