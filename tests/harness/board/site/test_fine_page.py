"""The site shows the numbers of the command line, names that can be told apart, and where scores come from."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from board_page import column, copied, shown
from page_boards import board as pages
from playwright.sync_api import expect
from site_boards import record
from site_fine import PAPER, SHOTS, SUBMITTED, fine

from harness.board import build
from harness.board.numbers import interval, number, score, total
from harness.board.site import build as build_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from site_world import Visit

PRIMARY = f"{SHOTS[0]} episode_accuracy"


def test_every_score_and_interval_is_written_as_on_the_command_line(visit: Visit) -> None:
    board, page = fine(), visit("fine")
    for j, each in enumerate(board.columns):
        expected = [score(e, "%") + interval(e, "%") for e in (row.entries[j] for row in board.rows)]
        assert column(page, each.name) == expected
    assert column(page, "score") == ["".join(total(row.standing, "score")) for row in board.rows]
    ties = [row.entries[j].half or 0.0 for row in board.rows for j in range(len(board.columns))]
    assert sum(half * 8 % 8 in (2, 6) for half in ties) > 3, "the board has no halves between two roundings"


@pytest.mark.parametrize("value", [0.25, 0.75, 2.25, 97.25, -1.75, 0.125, 2.5, 1e15 + 0.5, 0.05, 1.005])
@pytest.mark.parametrize("places", [0, 1, 2, 3])
def test_roundings_are_pythons(visit: Visit, value: float, places: int) -> None:
    script = f"Harness.number({value!r}, {{decimals: {places}}})"
    assert visit("fine").evaluate(script) == number(value, "", places)


def test_csv_has_no_digits_that_nobody_measured(visit: Visit) -> None:
    rows = list(csv.DictReader(io.StringIO(copied(visit("fine"), "csv"))))
    assert next(row for row in rows if row["model"] == "m0")["linear@digits top1_low"] == "46.103"


def test_headings_show_what_differs(visit: Visit) -> None:
    page = visit("fine", width=1600)
    headings = page.locator("#head th.group").all_inner_texts()
    assert [text.split("\n")[0] for text in headings] == ["digits", "scenes[colour]", "scenes[shapes]"]
    assert page.locator("#head th.group").nth(1).get_attribute("title") == "Rendered scenes, scenes[colour]"
    for heading in page.locator("#head .over").all():
        box = heading.evaluate("e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]")
        assert max(box) <= 1
    protocols = [column.protocol for column in fine().columns]
    assert page.locator("#head .over").all_inner_texts()[1:] == protocols


def test_few_shot_intervals_are_over_episodes(visit: Visit) -> None:
    page = visit("fine")
    cell = page.locator("#rows tr.row").first.locator("td").nth(2 + shown(page).index(PRIMARY) - 1)
    cell.hover()
    assert "600 episodes" in (cell.get_attribute("title") or "")
    page = visit("fine", f"task.html#t={SHOTS[0]}")
    expect(page.get_by_text("Whiskers: the 95 % interval of each score over episodes.")).to_be_visible()


def test_who_submitted_is_told(visit: Visit) -> None:
    page = visit("fine")
    cell = page.locator("#rows tr.row", has_text="m6").locator("td.s").first
    cell.hover()
    title = cell.get_attribute("title") or ""
    assert title.count("submitted") == 1
    assert SUBMITTED in title
    page = visit("fine", "model.html#m=m6")
    about = page.locator("section", has=page.get_by_role("heading", name="Provenance"))
    expect(about.locator("dd").first).to_have_text("by Ann Author on 2026-01-02")
    page = visit("tidy", "model.html#m=echo")  # without a date
    about = page.locator("section", has=page.get_by_role("heading", name="Provenance"))
    expect(about.locator("dd").first).to_have_text("by someone")


def test_a_reported_model_links_its_paper(visit: Visit) -> None:
    page = visit("fine", "model.html#m=m7")
    card = page.locator("section", has=page.get_by_role("heading", name="Card"))
    link = card.get_by_role("link", name=PAPER["title"])
    expect(link).to_have_attribute("href", PAPER["url"])
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(page.get_by_role("heading", name="Environment")).to_have_count(0)


def test_the_plot_opens_on_a_cost_that_differs(visit: Visit) -> None:
    page = visit("fine")
    page.get_by_role("button", name="Quality vs cost").click()
    cost = page.locator("#plot label", has_text="Cost").locator("select")
    assert cost.input_value() == "flops"
    assert cost.locator("option[disabled]").all_inner_texts() == ["memory (equal)", "parameters (equal)"]
    front = page.locator("#plot a.ahead").count()
    assert page.locator("#plot .tag").count() == front
    assert f"the front, {front} model" in page.locator("#plot p").inner_text()


def test_memory_is_in_the_units_of_the_command_line(visit: Visit) -> None:
    assert column(visit("fine", "index.html#cost=1"), "cost peak_memory")[1] == "1.5 MB"


def test_one_is_no_plural(browser: Browser, tmp_path: Path) -> None:
    board = build([record("a", "knn@digits", 90.0)], title="One")
    page = browser.new_page()
    page.goto(f"{build_site(board, tmp_path / 'site', analyses=()).out.as_uri()}/index.html")
    expect(page.locator("#facts")).to_contain_text("1 model1 column1 score")
    expect(page.locator("#found")).to_have_text("1 model · 1 column")
    page.close()


def test_a_table_that_goes_on_fades_at_its_edge(visit: Visit) -> None:
    page = visit("fine", width=375)
    frame = page.locator("#frame")
    expect(frame).to_have_class("frame more")
    assert "gradient" in frame.evaluate("e => getComputedStyle(e).maskImage")
    frame.evaluate("e => e.scrollTo(e.scrollWidth, 0)")
    expect(frame).to_have_class("frame")


def test_a_narrow_comparison_shows_interval_and_verdict(visit: Visit) -> None:
    page = visit("pages", f"compare.html#a={pages().rows[0].model}&b={pages().rows[1].model}", width=375)
    row = page.get_by_role("region", name="Differences, column by column").locator("tbody tr:not(.group-row)").first
    verdict = row.locator(".verdict").bounding_box()
    assert verdict is not None
    assert verdict["x"] + verdict["width"] < 375 - 15
    assert "…" in row.locator("td.ends").inner_text()
    assert row.locator("td.aside").first.is_hidden()
    expect(row.locator(".narrow")).to_be_visible()
