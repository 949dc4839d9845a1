"""Published figures as records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.index import Index
from harness.plugins import Host
from harness.records import Record
from harness.reported import Paper, Place, import_reported, reported

PAPER = Paper("arXiv:1234.5678v1", "A Paper", "2021-03-29", "https://arxiv.org/abs/1234.5678")
TOP1 = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
SOURCE = """
from harness import hookimpl
from harness.reported import Paper, Place, reported

def records():
    paper = Paper("arXiv:1234.5678v1", "A Paper", "2021-03-29")
    metric = {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}
    for model, value in VALUES:
        yield reported(paper, Place("1", model, "digits"), model, "knn@digits", metric, value, half=1.0, n=50)

@hookimpl
def register_reported(register):
    register("paper", records)
"""


def figure(value: float = 80.0, place: Place = Place("1", "row", "column"), **fields: object) -> Record:  # noqa: B008
    return reported(PAPER, place, "m", "knn@digits", TOP1, value, **fields)  # type: ignore[arg-type]


def host(write_plugin: Callable[..., str], values: str, source: str = SOURCE) -> Host:
    return Host(plugins=[write_plugin("paper", f"VALUES = {values}\n{source}")])


def test_a_figure_says_what_it_is_and_where_it_stands() -> None:
    record = figure(half=1.5, n=600, card={"name": "m"}, dataset={"near": True})
    assert (record.kind, record.status, record.finished) == ("reported", "done", 1616976000.0)
    assert record.score.model_dump() == {"value": 80.0, "low": 78.5, "high": 81.5, "n": 600, "variant": ""}
    assert record.facts == {"source": "arXiv:1234.5678v1", "table": "1", "row": "row", "column": "column"}
    assert record.provenance["url"] == "https://arxiv.org/abs/1234.5678"
    assert figure().score.low is None


def test_its_key_is_its_place_and_not_its_number() -> None:
    assert figure(80).key == figure(81).key
    assert len({figure(place=Place(*place)).key for place in (("1", "a", "b"), ("2", "a", "b"), ("1", "b", "b"))}) == 3


@pytest.mark.parametrize("value", [-1.0, 100.5, float("nan")])
def test_a_misprint_out_of_bounds_is_refused(value: float) -> None:
    with pytest.raises(HarnessError, match=r"arXiv:1234.5678v1, table 1: row, column = .* is out of bounds"):
        figure(value)


def test_a_second_import_changes_nothing_and_a_corrected_figure_replaces_the_old(
    write_plugin: Callable[..., str], tmp_path: Path
) -> None:
    first = host(write_plugin, "[('a', 80.0), ('b', 70.0)]")
    assert import_reported(first, "paper", tmp_path / "out") == (2, 2)
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")}
    assert import_reported(first, "paper", tmp_path / "out") == (2, 0)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json")} == files
    assert import_reported(host(write_plugin, "[('a', 80.0), ('b', 71.0)]"), "paper", tmp_path / "out") == (2, 1)
    assert [r.score.value for r in Index(tmp_path / "out" / "records").records()] == [80.0, 71.0]


def test_what_is_no_reported_record_is_refused(write_plugin: Callable[..., str], tmp_path: Path) -> None:
    twice = host(write_plugin, "[('a', 80.0), ('a', 70.0)]")
    with pytest.raises(HarnessError, match=r"the figures 'paper' of plugin .* give .*'a'.* twice"):
        import_reported(twice, "paper", tmp_path)
    other = host(
        write_plugin, "[]", SOURCE.replace("for model, value in VALUES:", "yield 3\n    for model, value in ():")
    )
    with pytest.raises(HarnessError, match="hold 3, no reported record"):
        import_reported(other, "paper", tmp_path)
    broken = host(write_plugin, "[('a', 'many')]")
    with pytest.raises(HarnessError, match=r"the figures 'paper' of plugin .*: TypeError"):
        import_reported(broken, "paper", tmp_path)
    with pytest.raises(HarnessError, match="did you mean 'paper'"):
        import_reported(twice, "papper", tmp_path)
    assert not list(tmp_path.rglob("*.json"))
