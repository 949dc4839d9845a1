"""What a record from outside may not say."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_world import NOON, TOP1, made, published
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bundles.checks import Checker, Installed, parse_record
from harness.draws import Draws
from harness.errors import HarnessError
from harness.identity import digest, record_key
from harness.plugins import Host
from harness.records import Record, RecordStore, ScoreData


@pytest.fixture(scope="module")
def plugins() -> Host:
    return Host()


def faults(host: Host, record: Record, name: str = "") -> list[str]:
    own = RecordStore(Path("records")).path(record.cell, record.key).as_posix()
    return list(Checker(host).problems(record, name or own))


def scored(**fields: Any) -> Record:
    return edited(scores=(ScoreData.model_validate({"value": 50.0, "low": 48.0, "high": 52.0, "n": 10} | fields),))


def edited(**fields: Any) -> Record:
    """A record that no rule of `Record` has seen."""
    return made().model_copy(update=fields)


def drawn(n: int, low: float, high: float, **fields: Any) -> Record:
    """A record of [48, 52] with n draws, evenly from `low` to `high`."""
    fields = {"scores": ({"value": 50.0, "low": 48.0, "high": 52.0, "n": 10},), "status": "done"} | fields
    status = "done" if fields["scores"] else "skipped"
    facts = {} if fields.get("kind") == "reported" else made().facts
    return made(**fields | {"status": status, "facts": facts, "draws": Draws.of(np.linspace(low, high, n))})


def test_draws_of_the_interval_are_sound(plugins: Host) -> None:
    """Even draws from 0 to 100 have 95 % of them in 2.5 to 97.5."""
    ends = {"value": 50.0, "low": 2.5, "high": 97.5, "n": 10}
    assert faults(plugins, drawn(1000, 0.0, 100.0, scores=(ends,))) == []
    assert faults(plugins, drawn(1000, 0.0, 100.0, scores=({**ends, "low": 2.4},))) != []


@pytest.mark.parametrize(
    "record",
    [
        made(), published(), made(value=0.5), made(value=99.5), made(kind="submitted", submission={"by": "A"}),
        scored(low=50.5, high=51.0), scored(low=None, high=None), scored(n=0), made(finished=time.time()),
        made(status="skipped", scores=(), facts={}, reason="undefined"),
        made(metric={**TOP1, "name": "own", "bounds": [None, None]}, value=-1e9),
        made("py:my.module:build?a=1"), made(task="own[k=3]@folder:birds"),
    ],
)  # fmt: skip
def test_what_a_run_writes_is_sound(plugins: Host, record: Record) -> None:
    assert faults(plugins, record) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (scored(value=100.1), "its value 100.1 is outside the metric's bounds, 0 to 100"),
        (scored(value=-0.1), "its value -0.1 is outside"),
        (scored(low=52.0, high=48.0), "its interval is upside down: 52 to 48"),
        (scored(low=None), "its interval has one end"),
        (scored(low=-1000.0), "its interval -1000 to 52 is far outside the bounds"),
        (scored(n=-1), "it is of -1 images"),
        (scored(variant="k=3", n=-1), "k=3: it is of -1 images"),
        (made(draws={"low": 50.0, "high": 170.0, "codes": "AAA="}), "its draws leave the metric's bounds"),
        (drawn(1, 48.0, 52.0), "it has 1 draws, and 1000 resamples"),
        (drawn(1000, 99.0, 99.5), "its draws are not those of its interval: 95 % of them lie in 99.0125 to"),
        (drawn(1000, 48.0, 52.0, scores=()), "its draws are not those of its interval"),
        (drawn(1000, 48.0, 52.0, kind="reported"), "it has 1,000 draws, and 0 resamples"),
        (made(finished=time.time() + 2 * 86400), "it was finished in the future"),
        (edited(finished=-5.0), "it has no date"),
        (made(seed=-1), "its seed is -1"),
        (made(limit=1), "its limit is 1"),
        (made(facts=made().facts | {"resamples": [1000]}), "its resamples are [1000], no number up to 100,000"),
        (made(facts=made().facts | {"resamples": 10**6}), "its resamples are 1000000, no number"),
        (made(key="12"), "its key is not 64 hexadecimal digits"),
        (made(key="G" * 64), "its key is not 64 hexadecimal digits"),
        (made(key="0" * 64), "its key is not that of its evidence, metric and resamples: it was changed"),
        (made(facts={}), "its facts do not name its evidence"),
        (
            made(metric={**TOP1, "bounds": [0, 1000]}, value=200.0),
            "it says that top1 has bounds [0, 1000]; here",
        ),
        (made(metric={**TOP1, "higher_is_better": False}), "it says that top1 has higher_is_better false; here it has"),
        (made(metric={**TOP1, "bounds": ["0", "1"]}), "its metric's bounds are"),
        (made(metric={**TOP1, "bounds": {"a": 1}}), "its metric's bounds are"),
        (edited(metric={**TOP1, "bounds": [0, 0]}), "its metric's bounds are [0, 0], not two numbers, the lower first"),
        (edited(metric={**TOP1, "bounds": [100, 0]}), "its metric's bounds are [100, 0]"),
        (edited(metric={**TOP1, "bounds": [False, True]}), "its metric's bounds are [false, true]"),
        (made(metric={**TOP1, "version": None, "higher_is_better": False}), "its metric's version is null"),
        (made(metric={**TOP1, "version": "1"}), 'its metric\'s version is "1", no number from 1'),
        (made(metric={**TOP1, "version": True}), "its metric's version is true"),
        (made(metric={**TOP1, "version": 0}), "its metric's version is 0"),
        (made(metric={**TOP1, "name": "own", "unit": "\x1b[2J"}), "its metric's unit is"),
        (made(metric={**TOP1, "name": "own", "unit": "x" * 41}), "its metric's unit is"),
        (made(metric={**TOP1, "name": "own", "unit": {"a": 1}}), "its metric's unit is"),
        (made(metric={**TOP1, "name": "own", "higher_is_better": "yes"}), "its metric's higher_is_better is"),
        (published(metric={**TOP1, "higher_is_better": False}), "it says that top1 has higher_is_better false"),
        (made(metric={**TOP1, "version": 9}), "made by metric top1 version 9, newer than 1 here: upgrade, then import"),
        (made(status="failed", scores=(), reason="no"), "it is a failure, which bundles do not hold"),
        (made("x" * 10_000), "the name of its model has 10,000 characters, at most 400 are taken"),
        (made("a\nb"), r"the name of its model has characters that do not print: 'a\nb'"),
        (made("a\u202eb"), r"the name of its model has characters that do not print: 'a\u202eb'"),
        (made("\0"), "the name of its model has characters that do not print"),
        (made(" tiny-moco"), "the name of its model could pass for another: ' tiny-moco'"),
        (made("re\u0301sume\u0301"), r"the name of its model could pass for another: 're\u0301sume\u0301'"),
        (made(""), "its model or metric has an empty name"),
        (made(task="knn"), "expected PROTOCOL@DATASET"),
        (made(task="knn[@digits"), "cannot read the name"),
        (published(key="0" * 64), "its key is not that of its source, table, row and column"),
    ],
)
def test_what_no_run_writes(plugins: Host, record: Record, message: str) -> None:
    found = faults(plugins, record)
    assert any(message in fault for fault in found), found
    assert all("\n" not in fault and fault.isprintable() for fault in found)


def test_a_newer_version_of_a_task_is_refused_and_an_older_one_is_told(plugins: Host) -> None:
    here = plugins["task"].entry("knn").resolve().version

    def version(number: int | None) -> Record:
        record = made()
        return record.model_copy(update={"facts": record.facts | {"task": {"name": "knn", "version": number}}})

    assert faults(plugins, version(here + 1)) == [
        f"made by task knn version {here + 1}, newer than {here} here: upgrade, then import"
    ]
    assert faults(plugins, version(None)) == ["its facts do not say which version of the task it was made by"]
    for none in (0, -1, True):
        assert faults(plugins, version(none)) == ["its facts do not say which version of the task it was made by"]
    checker = Checker(plugins)
    checker._task = lambda name: Installed(here + 1)
    old = version(here)
    for _ in range(3):
        assert not list(checker.problems(old, f"records/{_path(old)}"))
    assert list(checker.notes) == [f"task knn is version {here + 1} here; some records are of version {here}"]


def _path(record: Record) -> str:
    return RecordStore(Path()).path(record.cell, record.key).as_posix()


def test_unknown_tasks_and_metrics_are_told_not_refused(plugins: Host) -> None:
    checker, record = Checker(plugins), made(task="own@digits", metric={**TOP1, "name": "mine"})
    assert not list(checker.problems(record, f"records/{_path(record)}"))
    assert list(checker.notes) == [
        "task own is not installed here: its scores are taken as they are",
        "metric mine is not installed here: its scores are taken as they are",
    ]


def test_a_record_under_the_name_of_another(plugins: Host) -> None:
    assert faults(plugins, made(), "records/other/knn@digits/top1-0-0000.json") == [
        "its file name is not that of its cell and key"
    ]


def test_a_pair_has_two_pieces_of_evidence(plugins: Host) -> None:
    sides = (digest(1), digest(2))
    facts = made().facts | {"evidence": sides[0], "partner_evidence": sides[1]}
    key = record_key(sides, {"name": "top1", "version": 1}, 1000)
    assert faults(plugins, made(partner="tiny-moco", facts=facts, key=key)) == []
    assert faults(plugins, made(facts=facts, key=key)) != []
    assert faults(plugins, made(partner="tiny-moco", facts=facts | {"partner_evidence": None}, key=key)) == [
        "its facts do not name its evidence"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"value":80.0', '"value":NaN', "it holds NaN, which is no number"),
        ('"value":80.0', '"value":-Infinity', "it holds -Infinity, which is no number"),
        ('"value":80.0', '"value":1e999', "it holds 1e999, which is no finite number"),
        ('"seconds":{', '"x":NaN,"seconds":{', "it holds NaN"),
        ('"value":80.0', '"value":"80"x', "not a record"),
        ('"value":80.0', '"value":null', "not a record: scores.0.value"),
        ('"value":80.0', '"valeu":80.0', "not a record: scores.0"),
        ('"status":"done"', '"status":"great"', "not a record: status"),
        ('"kind":"measured"', '"kind":"trusted"', "not a record: kind"),
        ('"schema_version":2', '"schema_version":99', "newer harness (schema 99; this one reads 2): upgrade"),
        ('"name":"top1"', '"name":7', "its metric has no name"),
        ('"model":"tiny-random"', '"model":"\\ud800"', "not a record"),
        ('"model":"tiny-random"', '"model":"x","extra":1', "not a record: extra"),
        ('"seed":0', '"seed":' + "9" * 5000, "not a record"),
        ('"primary":true', '"primary":true,"card":' + "[" * 20_000, "not a record"),
        ('"card":{}', '"card":' + '{"a":' * 60 + "1" + "}" * 60, "it is nested more than 50 deep"),
        ('"seed":0', '"seed":9,"seed":0', "its field 'seed' is there twice"),
        ('"n":500', '"n":' + "9" * 400, "it holds a whole number of 400 digits, 99999999999999999999…"),
        ('"n":500', '"n":9007199254740993', "it holds a whole number of 16 digits"),
        ('"value":80.0', '"value":1e300', "it holds 1e300, which is beyond 1e+100"),
    ],
)
def test_json_that_is_no_record(old: str, new: str, message: str) -> None:
    text = made().model_dump_json()
    assert old in text
    with pytest.raises(HarnessError) as caught:
        parse_record(text.replace(old, new).encode())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"7", b"\xff\xfe", b"{}", b"{" * 50_000])
def test_bytes_that_are_no_record(data: bytes) -> None:
    with pytest.raises(HarnessError, match="not a record"):
        parse_record(data)


def test_records_of_the_first_schema_are_read() -> None:
    fields = json.loads(made().model_dump_json()) | {"schema_version": 1}
    for name in ("draws", "submission"):
        del fields[name]
    assert parse_record(json.dumps(fields).encode()).finished == NOON


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3))


def places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    """The ways to every part of a JSON value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, each in parts for place in places(each, *path, key)]


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_part_may_be_anything(plugins: Host, data: st.DataObject) -> None:
    """Whatever stands anywhere in a record, it is refused or it can be written and read again."""
    fields = json.loads(data.draw(st.sampled_from([made(), published(), made(partner="other")])).model_dump_json())
    *way, last = data.draw(st.sampled_from(places(fields)))
    part = fields
    for key in way:
        part = part[key]
    part[last] = data.draw(JSON)
    try:
        record = parse_record(json.dumps(fields).encode())
    except HarnessError:
        return
    assert all(fault.isprintable() for fault in faults(plugins, record))
    assert parse_record(record.model_dump_json().encode()) == record
