from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.board import Board, Column, Entry, Row, build, write
from harness.board.formats import FORMATS, encode
from harness.board.formats.csv import guard
from harness.board.formats.latex import escape as latex_escape
from harness.board.formats.markdown import escape as markdown_escape
from harness.errors import HarnessError
from harness.records import Record

Make = Callable[..., Record]
TABLES = [name for name, made in FORMATS.items() if made.table or name == "json"]
HOSTILE = "<script>alert('x')</script> & |pipe| **bold** 50% $x_1^2$ {a} #1 ~\\ \"q\"\nnext\x1b[31m"


@pytest.fixture
def board(make: Make) -> Board:
    """Three models by two columns: best and second best; ``c`` failed in one and is reported in the other."""
    records = [make(m, "linear@digits", v, half=1.04) for m, v in (("a", 93.42), ("b", 90.0))]
    records += [make(m, "knn@digits", v) for m, v in (("a", 80.0), ("b", 70.0))]
    records += [make("c", "linear@digits", reason="CUDA out of memory"), make("c", "knn@digits", 60.0, kind="reported")]
    return build([*records, make("d", "linear@digits", 50.0)], title="quickstart")


@pytest.fixture
def hostile(make: Make) -> Board:
    card = {"paradigm": HOSTILE, "method": HOSTILE, "data": HOSTILE}
    records = [make(HOSTILE, f"linear@{HOSTILE}", 90.0, unit=HOSTILE, card=card)]
    records.append(make(f"x{HOSTILE}", f"linear@{HOSTILE}", unit=HOSTILE, reason=HOSTILE, card=card))
    return build(records, title=HOSTILE)


class Page(HTMLParser):
    """The tags of a page, its cells by row, and whether every tag is closed in order."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.stack, f"unclosed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and {"td", "th"} & set(self.stack):
            self.rows[-1][-1] += data


def table(text: str) -> list[list[str]]:
    """The rows of a Markdown table, split at bars that are not escaped."""
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]


def test_every_format_shows_scores_failures_and_gaps(board: Board) -> None:
    for name in TABLES:
        told = ("93.4", "failed") if name == "csv" else ("quickstart", "93.4", "failed", "CUDA out of memory")
        assert [part for part in told if part not in board.render(name)] == [], name
    assert str(board) == board.render("text")


def test_an_unknown_format_names_the_nearest(board: Board) -> None:
    with pytest.raises(HarnessError, match="no board format 'latx'; did you mean 'latex'"):
        board.render("latx")


def test_every_format_renders_an_empty_board() -> None:
    for name in FORMATS:
        assert encode(build([], title="quickstart"), name)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_a_board_of_failures_and_one_of_a_single_model(make: Make, name: str) -> None:
    assert encode(build([make("a", "linear@digits", reason="NaN loss")], title="quickstart"), name)
    assert encode(build([make("a", "linear@digits", 90.0)], title="quickstart"), name)


def test_what_is_no_text_asks_for_a_file(board: Board) -> None:
    with pytest.raises(HarnessError, match="parquet is no text: write it to a file, with --out"):
        board.render("parquet")


def test_files_are_written(board: Board, tmp_path: Path) -> None:
    paths = write(board, tmp_path / "run")
    assert [p.name for p in paths] == ["board.md", "board.csv", "board.json", "board.tex", "board.html"]
    assert [p.read_text(encoding="utf-8") for p in paths] == [
        board.render(f) for f in ("markdown", "csv", "json", "latex", "html")
    ]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(p.name for p in paths), (
        "no temporary file is left"
    )


def test_a_folder_that_cannot_be_written_is_one_clear_error(board: Board, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(HarnessError, match="cannot write"):
        write(board, tmp_path / "run")


def test_markdown_marks_best_and_second_best(board: Board) -> None:
    rows = {row[0].strip(): [cell.strip() for cell in row] for row in table(board.render("markdown"))}
    assert rows["a"] == ["a", "unknown", "(1)", "86.7", "1.00", "**80.0** ±1.0", "**93.4** ±1.0"]
    assert rows["b"] == ["b", "unknown", "(2)", "80.0", "2.00", "<u>70.0</u> ±1.0", "<u>90.0</u> ±1.0"]
    assert rows["c"] == ["c", "unknown", "–", "", "", "60.0‡ ±1.0", "failed"]
    assert rows["d"] == ["d", "unknown", "–", "", "", "—", "50.0 ±1.0"]


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("resnet_50", "resnet_50"),
        ("_x_", "\\_x\\_"),
        ("scenes[colour]", "scenes[colour]"),
        ("[a](b)", "[a\\](b)"),
        ("`x`*", "\\`x\\`\\*"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("\\", "\\\\"),
    ],
)
def test_markdown_escapes(name: str, escaped: str) -> None:
    assert markdown_escape(name) == escaped


def test_csv_holds_every_number_in_full(board: Board) -> None:
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(board.render("csv")))}
    assert list(rows) == ["a", "b", "c", "d"]
    name = "linear@digits top1"
    fields = [float(rows["a"][f"{name}{ending}"]) for ending in ("", "_low", "_high")]
    assert fields == [93.42, 93.42 - 1.04, 93.42 + 1.04]
    assert [rows[m][f"{name}_status"] for m in "abcd"] == ["done", "done", "failed", "done"]
    assert rows["c"][name] == ""
    assert [rows[m]["knn@digits top1_status"] for m in "cd"] == ["reported", "missing"]
    assert [rows[m]["average_rank"] for m in "ac"] == ["1.0", ""]
    assert not [field for field in rows["a"] if field.endswith(("_sd", "_seeds", "_limit"))]


def test_csv_has_seeds_and_limits_where_there_are_any(make: Make) -> None:
    board = build(make("a", "linear@digits", 90.0 + s, seed=s, limit=50) for s in (0, 2))
    row = next(csv.DictReader(io.StringIO(board.render("csv"))))
    found = [row[f"linear@digits top1{ending}"] for ending in ("_sd", "_seeds", "_limit")]
    assert [float(x) for x in found] == [pytest.approx(2**0.5), 2, 50]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_csv_runs_no_formula(make: Make, name: str) -> None:
    board = build(
        [make(name, "linear@digits", 1.5, half=3.0, card={"paradigm": name}), make("b", f"{name}@digits", 1.0)]
    )
    header, *rows = csv.reader(io.StringIO(board.render("csv"), newline=""))
    row = next(row for row in rows if row[0] != "b")
    assert row[:2] == [f"'{name.strip()}", f"'{name.strip()}"]
    assert f"'{name.strip()}@digits top1" in header
    assert "-1.5" in row, "numbers keep their sign"
    assert guard("plain") == "plain"


def test_csv_keeps_hostile_names_in_their_cell(hostile: Board) -> None:
    header, *rows = csv.reader(io.StringIO(hostile.render("csv"), newline=""))
    assert {len(row) for row in rows} == {len(header)}
    assert [row[0] for row in rows] == [
        " ".join(name.replace("\x1b", " ").split()) for name in (HOSTILE, f"x{HOSTILE}")
    ]


def test_json_is_strict_and_whole(board: Board, hostile: Board) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(board.render("json"), parse_constant=refuse) == json.loads(json.dumps(board.to_dict()))
    assert json.loads(hostile.render("json"))["rows"][0]["model"] == HOSTILE


def test_json_refuses_what_is_no_number() -> None:
    row = Row("a", "none", None, (Entry("done", float("nan")),))
    with pytest.raises(ValueError, match="JSON"):
        Board("t", (Column("linear@digits", "top1"),), (row,)).render("json")


def test_latex_marks_best_and_second_best(board: Board) -> None:
    text = board.render("latex")
    assert (
        r"a & unknown & (1) & 86.7 & \textbf{80.0} {\scriptsize $\pm$1.0} & \textbf{93.4} {\scriptsize $\pm$1.0} \\"
        in text
    )
    assert r"\underline{90.0}" in text
    assert r"c & unknown & -- &  & 60.0\ddag{} {\scriptsize $\pm$1.0} & failed \\" in text
    assert r"\multicolumn{2}{c}{digits} \\" in text
    assert r"\cmidrule(lr){5-6}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_latex_of_hostile_names_has_no_bare_special(hostile: Board) -> None:
    rows = [line for line in hostile.render("latex").splitlines() if "script" in line and line.endswith(r" \\")]
    assert rows
    for row in rows:
        bare = re.sub(r"\\[&%$#_{}]|\$\\[a-z]+\$", "", row)
        assert bare.count("&") <= 4, "one column more than the table has"
        assert not re.search(r"[%#_~^$]", bare)


def test_latex_escapes() -> None:
    assert latex_escape("a_b & 50% #1 {x} $ ~ ^ \\") == (
        r"a\_b \& 50\% \#1 \{x\} \$ \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert latex_escape("[x]*") == "{[}x{]}{*}", "a bracket or star after \\\\ would be its argument"


def test_html_is_one_well_formed_page_without_script_or_request(board: Board) -> None:
    page = Page(board.render("html"))
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == 1
    assert not {"script", "link", "img", "iframe"} & set(names)
    assert not [a for _, attrs in page.tags for a in attrs if a in ("src", "href") or a.startswith("on")]
    assert "url(" not in board.render("html")
    assert "@import" not in board.render("html")


def test_html_shows_every_cell(board: Board) -> None:
    page = Page(board.render("html"))
    rows = {row[0].split("unknown")[0]: row[1:] for row in page.rows[2:] if len(row) > 1}
    assert rows["a"] == ["(1)", "86.7", "1.00", "80.0 ±1.0", "93.4 ±1.0"]
    assert rows["c"] == ["–", "", "", "60.0‡ ±1.0", "failed"]
    assert rows["d"] == ["–", "", "", "—", "50.0 ±1.0"]
    titles = [attrs.get("title") or "" for tag, attrs in page.tags if tag == "td"]
    assert "CUDA out of memory" in titles
    assert "93.4 % · 95 % interval 92.4 to 94.5 · 360 images · rank 1" in titles


def test_html_marks_best_and_second_best_and_heats_the_best_most(make: Make) -> None:
    for better, best in (("higher", "b"), ("lower", "a")):
        board = build(make(m, "linear@digits", v, better=better) for m, v in zip("abc", (1.0, 9.0, 5.0), strict=True))
        page = Page(board.render("html"))
        heats = [
            attrs.get("style") for tag, attrs in page.tags if tag == "td" and "score" in (attrs.get("class") or "")
        ]
        classes = [
            attrs["class"] for tag, attrs in page.tags if tag == "span" and "value" in (attrs.get("class") or "")
        ]
        assert board.rows[0].model == best
        assert classes[:3] == ["value best", "value second", "value"]
        shares = [int(re.findall(r"--heat:(\d+)$", heat or "")[0]) for heat in heats]
        assert shares == sorted(shares, reverse=True)
        assert len(set(shares)) == 3


def test_html_tells_how_a_model_was_made(make: Make) -> None:
    card = {"paradigm": "clustering", "method": "SwAV", "data": "CIFAR-10", "epochs": 200}
    page = Page(build([make("a", "linear@digits", 90.0, card=card), make("b", "linear@digits", 80.0)]).render("html"))
    assert page.rows[2][0] == "aclustering SwAV · CIFAR-10 · 200 epochs"
    assert page.rows[3][0] == "bunknown"


def test_html_whiskers_stay_inside(board: Board) -> None:
    bars = [attrs["style"] for tag, attrs in Page(board.render("html")).tags if tag == "i"]
    assert len(bars) == 6
    for bar in bars:
        left, width = map(float, re.findall(r"[\d.]+", bar or ""))
        assert left >= 0
        assert left + width <= 100.1


def test_text_marks_places_and_sets_unranked_models_apart(board: Board) -> None:
    lines = str(board).splitlines()
    body = [line.split() for line in lines if line[:2] in ("a ", "b ", "c ", "--")]
    assert body[1] == ["a", "unknown", "(1)", "86.7", "80.0¹", "±1.0", "93.4¹", "±1.0"]
    assert body[2][4] == "70.0²"
    assert body[3][0].startswith("--"), "a rule before the unranked"
    assert body[4] == ["c", "unknown", "–", "60.0‡", "±1.0", "failed"]
