"""Analyses as sections of the site: whatever plugins give, and nothing that one of them does harms the others."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from site_boards import HOSTILE, small

from harness.board.site import build
from harness.board.site.analyses import Drawn, Found, analyses, as_csv, read, size
from harness.errors import HarnessError
from harness.plugins import Host

PLUGIN = '''
from harness import analysis, hookimpl
from harness.plots import Figure

BAD = "</script><img src=x onerror=alert(1)> ../../x" + "y" * 500

def draw(board):
    return {f"{i} {BAD}": Figure("<svg xmlns='http://www.w3.org/2000/svg'/>", b"png", []) for i in range(30)}

@analysis("model_names", figures=draw)
def model_names(board):
    """Which models there are, ``row`` by row.

    More is not known.
    """
    return [{"model": r.model, "bad": BAD, "share": 1 / 3, "ends": [0.25, None], "sum": "=1+1", "nothing": None}
            for r in board.rows] * 40

@analysis("broken")
def broken(board):
    """Fails."""
    return 1 / 0

@analysis("undrawn", figures=lambda board: board.no_such_thing)
def undrawn(board):
    """Its figures fail."""
    return [{"a": 1}]

@analysis("silent")
def silent(board):
    """Finds nothing."""
    return []

@analysis("excused")
def excused(board):
    """Tells why it finds nothing."""
    return [{"of": "all", "reason": "no model has an MGM"}] * 2

@hookimpl
def register_analyses(register):
    for each in (model_names, broken, undrawn, silent, excused):
        register(each)
    register("unimportable", "no_such_package.module:name")
'''
OURS = ("model_names", "broken", "undrawn", "silent", "excused", "unimportable")


@pytest.fixture
def plugged(write_plugin: Callable[..., str]) -> Host:
    return Host(plugins=[write_plugin("given", PLUGIN)])


def of(host: Host, *names: str) -> Found:
    return analyses(small(), host, names, lambda line: None)


def test_a_plugins_analysis_is_a_section(plugged: Host) -> None:
    found = of(plugged, "model_names")
    [section] = found.sections
    assert (section.name, section.title) == ("model_names", "Model names")
    assert section.about == ("Which models there are, ``row`` by row.", "More is not known.")
    assert section.headings == ("model", "bad", "share", "ends", "sum")
    assert section.cells[0][2:] == ("0.3333", "0.25 to ", "=1+1")
    assert (section.rows, len(section.cells)) == (120, 50)
    assert (len(section.figures), section.more_figures) == (24, 6)
    assert set(found.files) == {section.csv, *(f.path for f in section.figures)}
    rows = list(csv.DictReader(io.StringIO(found.files[section.csv].decode())))
    assert len(rows) == 120
    assert rows[0]["sum"] == "'=1+1"
    assert rows[0]["ends"] == "[0.25, null]"
    assert rows[0]["nothing"] == ""


def test_what_fails_or_finds_nothing_leaves_a_line(plugged: Host) -> None:
    found = of(plugged, *OURS)
    assert [s.name for s in found.sections] == ["model_names"]
    notes = dict(note.partition(": ")[::2] for note in found.notes)
    assert "ZeroDivisionError" in notes["analysis broken"]
    assert "no_such_thing" in notes["analysis undrawn"]
    assert notes["1 analysis finds nothing on this board"] == "silent"
    assert notes["analysis excused"] == "no model has an MGM"
    assert "no_such_package" in notes["analysis unimportable"]
    assert not [path for path in found.files if "undrawn" in path]


def test_all_that_are_registered_are_tried_and_the_rest_is_an_error(plugged: Host) -> None:
    told: list[str] = []
    found = analyses(small(), plugged, None, told.append)
    registered = plugged["analysis"].names()
    assert len(told) == len(registered)
    nothing = int(found.notes[0].partition(" analyses find nothing on this board: ")[0])
    assert len(registered) == len(found.sections) + len(found.notes) - 1 + nothing
    assert len(registered) > len(OURS)
    assert analyses(small(), plugged, (), told.append).sections == ()
    with pytest.raises(HarnessError, match="did you mean 'silent'"):
        of(plugged, "silentt")


def test_they_are_on_the_page_with_everything_escaped(plugged: Host, tmp_path: Path) -> None:
    site = build(small(), tmp_path / "site", host=plugged, analyses=OURS)
    page = (tmp_path / "site" / "analyses.html").read_text()
    assert '<h2 id="h-model_names"><bdi>Model names</bdi></h2>' in page
    assert "<code>row</code>" in page
    assert "onerror=alert(1)&gt;" in page
    assert "<img src=x" not in page
    assert "</script><img" not in page
    assert page.count("<figure>") == 24
    assert "6 more figures are left out" in page
    assert "The first 50 of 120 rows" in page
    assert 'href="analyses.html"' in (tmp_path / "site" / "index.html").read_text()
    assert (
        '"analyses":[{"name":"model_names","title":"Model names","figures":24}]'
        in (tmp_path / "site" / "data" / "board.js").read_text()
    )
    assert len(site.notes) == 5
    assert site.images > 0
    for path in site.files:
        assert path.count("/") <= 1
        assert len(path) < 120


def test_without_any_there_is_no_page(plugged: Host, tmp_path: Path) -> None:
    site = build(small(), tmp_path / "site", host=plugged, analyses=("silent",))
    assert "analyses.html" not in site.files
    assert "analyses.html" not in (tmp_path / "site" / "index.html").read_text()


def test_analyses_read_the_board_with_all_columns(plugged: Host, tmp_path: Path) -> None:
    board = small()
    fewer = board.__class__(board.title, board.columns, board.rows[:1])
    build(fewer, tmp_path / "site", full=board, host=plugged, analyses=("model_names",))
    assert "of 120 rows" in (tmp_path / "site" / "analyses.html").read_text()


def test_figures_have_a_size_and_wide_ones_a_row_of_their_own() -> None:
    assert size('<?xml?><svg xmlns=\'x\' width="72pt" height="54pt">') == (96, 72)
    assert size('<svg height="100" width="150px">') == (150, 100)
    assert size('<svg width="600pt" height="180pt">') == (1000, 300)
    assert size('<svg width="1200" height="300">') == (1200, 300)
    assert size('<svg width="600" height="300">') == (750, 375)
    for unknown in ("", "<svg/>", '<svg width="100%" height="1">', '<svg width="0" height="0">'):
        assert size(unknown) == (0, 0)
    assert Drawn("a", "b", 1000, 300).wide
    assert not Drawn("a", "b", 400, 300).wide
    assert not Drawn("a", "b").wide


def test_values_as_people_read_them() -> None:
    assert [read(v) for v in (None, 1 / 3, 7, [0.123456, 2.0], "a\nb", True, float("nan"))] == [
        "", "0.3333", "7", "0.1235 to 2", "a b", "True", "nan",
    ]  # fmt: skip
    assert read("x" * 999) == "x" * 200 + "…"


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_of_hostile_names_is_one_cell(name: str) -> None:
    text = as_csv([{name: name, "b": 1}, {"b": 2, "c": (1, 2)}]).encode("utf-8", "replace").decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert [len(row) for row in rows] == [3, 3, 3]
    assert rows[2] == ["", "2", "[1, 2]"]
    assert not rows[0][0].startswith(("=", "+", "-", "@"))
