"""The board's page in a browser: links that bring back a view, the view as text, and names that would break them."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from board_page import APART, KNN, RANKED, choose, copied, models, sort, state
from playwright.sync_api import expect
from site_boards import HOSTILE

if TYPE_CHECKING:
    from site_world import Visit


VIEW = "index.html#sort=model&dir=desc&paradigm=contrastive&paradigm=supervised&hide=knn%40digits+top1&cost=1&q=a"


def test_a_link_brings_back_the_view(visit: Visit) -> None:
    page = visit("tidy", VIEW)
    before = state(page)
    assert before["models"] == ["echo", "charlie", "alpha", "golf", "foxtrot"]
    page.reload()
    assert state(page) == before
    link = copied(page, "link")
    assert state(visit("tidy", "index.html" + link.partition("index.html")[2])) == before


def test_what_was_clicked_is_in_the_link(visit: Visit) -> None:
    page = visit("tidy")
    choose(page, "Paradigm", "supervised")
    choose(page, "Columns", KNN)
    sort(page, "linear@digits ece")
    page.get_by_role("button", name="Quality vs cost").click()
    page.get_by_label("Average columns by").select_option("dataset")
    page.locator("#search").fill("ec")
    expect(page.locator("#found")).to_contain_text("1 of 7")
    before = state(page)
    page.reload()
    assert state(page) == before


@pytest.mark.parametrize(
    "bad",
    [
        "sort=nothing",
        "paradigm=none",
        "group=x&plot=y&dir=z",
        "min=many&cost=yes",
        "%E0%A4%A",
        "hide=",
        "kind=__proto__",
    ],
)
def test_a_broken_link_shows_the_board(visit: Visit, bad: str) -> None:
    assert models(visit("tidy", f"index.html#{bad}")) == RANKED + APART


def test_csv_is_the_view_at_full_precision(visit: Visit) -> None:
    page = visit("tidy", "index.html#q=contrastive&show=knn%40digits+top1")
    rows = list(csv.DictReader(io.StringIO(copied(page, "csv"))))
    assert [row["model"] for row in rows] == ["alpha", "charlie", "foxtrot"]
    assert rows[0][KNN] == "95"
    assert float(rows[0][f"{KNN}_low"]) == pytest.approx(94)
    assert rows[0][f"{KNN}_status"] == "measured"
    assert rows[1]["rank_best"], rows[1]["rank_worst"] == ("2", "4")
    assert rows[2]["score"] == ""


def test_markdown_and_latex_are_the_view(visit: Visit) -> None:
    page = visit("tidy", "index.html#show=knn%40digits+top1")
    lines = copied(page, "markdown").splitlines()
    assert lines[0] == "| Rank | Model | Paradigm | Score<br>0–100 ↑ | knn@digits<br>top1 % ↑ |"
    assert lines[2] == "| 1 | alpha | contrastive | **82.5** ±0.6 | <u>95.0</u> ±1.5 |"
    text = copied(page, "latex")
    assert r"1 & alpha & contrastive & \textbf{82.5} {\scriptsize $\pm$0.6} & \underline{95.0}" in text
    assert text.count(r"\midrule") == 2
    assert r"\textbf{99.5\ddag{}}" in text


def test_the_clipboard_is_filled_and_said(visit: Visit) -> None:
    page = visit("tidy", permissions=["clipboard-read", "clipboard-write"])
    page.locator("details.menu > summary", has_text="Copy").click()
    page.get_by_role("button", name="Table as CSV").click()
    expect(page.locator("#status")).to_have_text("Table as CSV copied.")
    assert page.evaluate("navigator.clipboard.readText()").startswith("model,paradigm,")


# Hostile names.


def test_hostile_names_are_text(visit: Visit) -> None:
    page = visit("hostile")
    for text in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "two lines",
        "../../etc/passwd",
    ):
        assert text in models(page)
    assert page.locator("#rows img, #rows script, #rows b, body > script").count() == 0
    assert all("\n" not in m and len(m) <= 160 for m in models(page))
    heights = page.locator("#rows tr.row").evaluate_all("all => all.map(tr => tr.offsetHeight)")
    assert len(set(heights)) == 1
    page.locator("#columns summary").click()
    expect(page.locator("#columns dt").first).to_be_visible()
    for menu in page.locator("details.menu > summary").all():
        menu.click()
    sort(page, "model")


def test_formulas_are_no_formulas(visit: Visit) -> None:
    rows = list(csv.reader(io.StringIO(copied(visit("hostile"), "csv"))))
    assert len(rows) == len(HOSTILE) + 1
    assert len({len(row) for row in rows}) == 1
    cells = [cell for row in rows for cell in row]
    assert "'=HYPERLINK(1)" in cells
    dangerous = [c for c in cells if re.match(r"[=+@\t\r-]", c) and not re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", c)]
    assert dangerous == []


def test_markdown_of_hostile_names_is_a_table(visit: Visit) -> None:
    page = visit("hostile")
    lines = copied(page, "markdown").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(HOSTILE) + 2
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert "<script" not in "\n".join(lines)


WRITTEN = {
    "Harness.compact(25600000)": "25.6 M",
    "Harness.compact(999.96)": "1 k",
    "Harness.compact(0)": "0",
    "Harness.compact(null)": "—",
    "Harness.duration(59.96)": "1 min",
    "Harness.duration(7322)": "2 h 2 min",
    "Harness.bytes(1536)": "1.54 kB",
    "Harness.bytes(null)": "—",
    "Harness.several(1, 'model')": "1 model",
    "Harness.several(1200, 'model')": "1,200 models",
    "Harness.number(-0.04, {decimals: 1})": "0.0",
    "Harness.number(1234567, {decimals: null})": "1.23e+6",
    "Harness.line('a\\u202eb\\n\\tc')": "a b c",
    "Harness.line('\\u200b')": "(unprintable)",
    "Harness.line('🦄'.repeat(9), 4)": "🦄🦄🦄…",
    "String(Harness.url('javascript:alert(1)'))": "null",
    "Harness.url('https://example.org/a')": "https://example.org/a",
}


def test_numbers_and_names_are_written_for_people(visit: Visit) -> None:
    page = visit("tidy")
    assert {script: page.evaluate(script) for script in WRITTEN} == WRITTEN
