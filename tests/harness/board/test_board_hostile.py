"""Names that try to break a rendering: no tag, line, cell, formula, command or document comes of them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from harness.board import Board, build
from harness.board.formats import FORMATS, encode
from harness.board.grouping import grouped
from harness.board.terminal import table
from harness.board.views import ordered, pick, with_costs
from harness.records import Record, ScoreData

Make = Callable[..., Record]
NAMES = {
    "script": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "lines": "a\nb\r\nc\u2028d\u0085e",
    "terminal": "\x1b[31m\x1b]0;t\x07\x08\x9b",
    "direction": "\u202egnp.exe\u2066\u200f",
    "path": "../../etc/passwd",
    "pipe": "a|b || c \\| d",
    "latex": r"\input{/etc/passwd} $x_1^2$ % & # ~ {} \end{table}",
    "template": "{{ 7 * 7 }}{% raw %}",
    "yaml": "--- !!python/object:os.system [x]: &a *a",
    "formula": '=HYPERLINK("http://x.example","y")',
    "tab": "\t=1+1",
    "return": "\r@SUM(A1)",
    "wide": "＝1+1",
    "long": "n" * 10_000,
    "markup": "[red]x[/red] `y` **z** [t](javascript:1)",
    "blank": " ",
}


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def everywhere(make: Make, name: str) -> Board:
    """The name at every place of a board that a record or a plugin fills."""
    card = {"paradigm": name, "method": name, "data": name, "epochs": name, "title": name, "url": name}
    about = {"title": name, "domain": name, "collection": name, "kind": name, "classes": name}
    facts = {"dataset": {"revision": name, "name": name}, "precision": name, "decoder": name}
    shared = {"card": card, "dataset": about, "facts": facts, "unit": name, "primary": True}
    records = [make(f"{name}{m}", f"{name}@{name}", v, metric=name, **shared) for m, v in (("a", 90.0), ("b", 80.0))]
    return build([*records, make(f"{name}c", f"{name}@{name}", metric=name, reason=name, **shared)], title=name)


@pytest.fixture(params=NAMES)
def board(make: Make, request: pytest.FixtureRequest) -> Board:
    return everywhere(make, NAMES[request.param])


def test_pages_hold_names_as_text(make: Make, board: Board) -> None:
    assert "&lt;script&gt;" in everywhere(make, NAMES["script"]).render("html")
    page = Tags(board.render("html"))
    assert not page.tags & {"script", "img", "iframe", "link", "a"}
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]


@pytest.mark.parametrize("format", ["html", "markdown", "text", "latex", "csv", "model-index"])
def test_no_text_holds_a_control_character(board: Board, format: str) -> None:
    text = board.render(format)
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    assert "\u202e" not in text


def test_markdown_stays_one_table_without_markup(board: Board) -> None:
    lines = [line for line in board.render("markdown").splitlines() if line.startswith("|")]
    cells = {len(line.replace("\\\\", "").replace("\\|", "").split("|")) for line in lines}
    assert len(cells) == 1
    assert "<script" not in "".join(lines)
    assert "](" not in "".join(lines).replace("\\](", "")


def test_csv_cells_are_inert_and_whole(board: Board) -> None:
    header, *rows = csv.reader(io.StringIO(board.render("csv"), newline=""))
    assert {len(row) for row in rows} == {len(header)}
    for cell in [*header, *(cell for row in rows for cell in row)]:
        assert cell[:1] not in ("=", "+", "@", "\t", "\r", "＝")


def test_json_and_parquet_hold_names_as_they_are(board: Board) -> None:
    held = json.loads(board.render("json"), parse_constant=pytest.fail)
    assert [row["model"] for row in held["rows"]] == [row.model for row in board.rows]
    names = pq.read_table(io.BytesIO(encode(board, "parquet"))).column("model").to_pylist()
    assert names == [row.model for row in board.rows]


def test_model_index_holds_plain_documents(board: Board) -> None:
    documents = [d for d in yaml.safe_load_all(board.render("model-index")) if d]
    assert [len(d["model-index"][0]["results"]) for d in documents] == [1, 1]


def test_terminals_show_it_in_their_width(board: Board) -> None:
    for width in (40, 100):
        file = io.StringIO()
        Console(file=file, width=width).print(table(board, width))
        assert "\x1b" not in file.getvalue()
        assert max(map(len, file.getvalue().splitlines())) <= width


def test_views_of_it_render(board: Board) -> None:
    column = board.columns[0]
    for view in (
        grouped(board, "domain"),
        with_costs(board),
        ordered(board, column.name),
        pick(board, [column.metric]),
    ):
        assert all(encode(view, name) for name in FORMATS)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_and_runs_no_command(make: Make, tmp_path: Path) -> None:
    texts = [everywhere(make, name).render("latex") for key, name in NAMES.items() if key not in ("long", "wide")]
    wide = build(make(m, f"linear@set{i}", 50.0 + i) for m in "ab" for i in range(19)).render("latex")
    packages = texts[0].splitlines()[0].removeprefix("% ")
    body = "\n\\clearpage\n".join([*texts, wide])
    document = f"\\documentclass{{article}}{packages}\\begin{{document}}{body}\\end{{document}}"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "/etc/passwd" not in done.stdout
    assert wide.count(r"\begin{table}") == 3


def test_latex_says_what_letters_it_needs_more_for(make: Make) -> None:
    plain, other = (build([make(name, "linear@digits", 90.0)]).render("latex") for name in ("modèle", "模型"))
    assert ("LuaLaTeX" in plain.splitlines()[0], "LuaLaTeX" in other.splitlines()[0]) == (False, True)


@pytest.mark.parametrize("field", ["card", "dataset", "facts", "provenance"])
def test_numbers_that_json_lacks_are_null_in_files(field: str) -> None:
    told = {"x": float("nan"), "y": [float("inf"), 1.5]}
    record = Record(
        status="done", model="m", task="linear@d", metric={"name": "top1"}, scores=(ScoreData(value=1.0),),
        **{field: {"task": told} if field == "facts" else told},
    )  # fmt: skip
    text = build([record]).render("json")
    assert json.loads(text, parse_constant=pytest.fail)
    assert '"x": null' in text
