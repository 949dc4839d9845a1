"""The board's page in a browser: long boards, paper, themes, the keyboard, narrow screens, contrast."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from board_page import KNN, choose, models, sort
from playwright.sync_api import expect

if TYPE_CHECKING:
    from site_world import Visit


def test_rows_out_of_sight_are_not_there(visit: Visit) -> None:
    page = visit("long")
    table = page.locator("#board")
    assert table.get_attribute("aria-rowcount") == "202"
    assert table.get_attribute("aria-colcount") == "27"
    rows = page.locator("#rows tr.row")
    assert 15 < rows.count() < 60
    assert models(page)[0] == "m000"
    page.locator("#frame").evaluate("frame => frame.scrollTo(0, frame.scrollHeight)")
    expect(page.locator("#rows")).to_contain_text("m199")
    assert rows.count() < 60
    assert rows.last.get_attribute("aria-rowindex") == "202"
    box, frame = rows.last.bounding_box(), page.locator("#frame").bounding_box()
    assert box is not None
    assert frame is not None
    assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1


def test_rows_stand_in_order_wherever_one_scrolls(visit: Visit) -> None:
    page = visit("long")
    for top in (3000, 200, 5000, 4900, 0, 100_000, 2500):
        page.locator("#frame").evaluate("(frame, top) => frame.scrollTo(0, top)", top)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        found = page.locator("#rows tr.row").evaluate_all("all => all.map(tr => [tr.ariaRowIndex, tr.dataset.model])")
        places = [int(place) for place, _ in found]
        assert places == list(range(places[0], places[0] + len(places)))
        assert [int(model) + 3 for _, model in found] == places


def test_columns_out_of_sight_come_when_scrolled_to(visit: Visit) -> None:
    page = visit("long")
    first = page.locator("#rows tr.row").first
    assert first.locator("td.score").count() < 25
    page.locator("#frame").evaluate("frame => frame.scrollTo(frame.scrollWidth, 0)")
    expect(first.locator("td[aria-colindex='27']")).to_have_text(re.compile(r"^90\.0"))
    cell, head = (
        first.locator("td[aria-colindex='27']").bounding_box(),
        page.locator("#head th.head").last.bounding_box(),
    )
    assert cell is not None
    assert head is not None
    assert abs(cell["x"] - head["x"]) < 1


def test_a_long_board_sorts_and_searches_all_of_it(visit: Visit) -> None:
    page = visit("long")
    sort(page, "model")
    sort(page, "model")
    assert models(page)[0] == "m199"
    page.locator("#search").fill("m15")
    expect(page.locator("#found")).to_contain_text("10 of 200")
    assert models(page) == [f"m{i}" for i in range(159, 149, -1)]


def test_the_focus_moves_through_rows_that_were_not_there(visit: Visit) -> None:
    page = visit("long")
    page.locator("#rows a.name").first.focus()
    for _ in range(60):
        page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("m060")


def test_printing_shows_all(visit: Visit) -> None:
    page = visit("long")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#rows tr.row").count() == 200
    assert page.locator("#rows tr.row").first.locator("td.score").count() == 25
    expect(page.locator("#controls")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#rows tr.row").count() < 60


def test_print_is_light(visit: Visit) -> None:
    page = visit("tidy", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).color")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") != dark


# For everyone.


def test_themes(visit: Visit) -> None:
    page = visit("tidy", color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.get_by_role("button", name="Switch to light colours").click()
    light = page.evaluate(colour)
    assert sum(map(int, re.findall(r"\d+", light))) > 600 > sum(map(int, re.findall(r"\d+", dark)))
    page.reload()
    assert page.evaluate(colour) == light
    page.get_by_role("button", name="Switch to dark colours").click()
    assert page.evaluate(colour) == dark
    assert visit("tidy", color_scheme="light").evaluate(colour) == light


def test_keyboard_alone(visit: Visit) -> None:
    page = visit("tidy", "index.html#group=")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    assert page.evaluate("location.hash") == "#group="  # the address holds the view
    page.keyboard.press("Tab")
    page.keyboard.type("vit")
    expect(page.locator("#found")).to_contain_text("2 of 7")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("details.menu[open]")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#found")).to_contain_text("0 of 7")  # a contrastive vit there is not
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    expect(page.locator("details.menu[open]")).to_have_count(0)
    page.locator(f'button.sort[data-sort="{KNN}"]').focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert models(page) == ["echo", "bravo"]
    assert page.evaluate("document.activeElement.dataset.sort") == KNN
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_results_are_announced(visit: Visit) -> None:
    page = visit("tidy")
    assert page.locator("#found").get_attribute("role") == "status"
    sort(page, KNN)
    expect(page.locator("#status")).to_have_text(f"Sorted by {KNN}, descending.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_axe_finds_no_fault(visit: Visit, scheme: str, width: int) -> None:
    page = visit("tidy", "index.html#cost=1&plot=parameters", width=width, color_scheme=scheme, bypass_csp=True)
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_on_heat_can_be_read(visit: Visit, scheme: str) -> None:
    """Contrast of 4.5 (WCAG 2.2, 1.4.3), on each cell: axe leaves out those with a drawn background."""
    page = visit("tidy", color_scheme=scheme)
    assert min(page.evaluate(CONTRASTS)) >= 4.5


CONTRASTS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const draw = canvas.getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    draw.fillStyle = colour;
    draw.fillRect(0, 0, 1, 1);
    return [...draw.getImageData(0, 0, 1, 1).data];
  };
  const linear = (x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4);
  const light = (c) => { const [r, g, b] = rgb(c).map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const card = getComputedStyle(document.getElementById("frame")).backgroundColor;
  return [...document.querySelectorAll("#rows td.score")].flatMap((td) => {
    draw.clearRect(0, 0, 1, 1); rgb(card);
    const back = light(getComputedStyle(td).backgroundColor);
    return [td, ...td.children].filter((e) => e.textContent.trim()).map((e) => light(getComputedStyle(e).color))
      .map((text) => (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05));
  });
}"""


def test_narrow_screens(visit: Visit) -> None:
    page = visit("tidy", width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    expect(page.locator("details.menu > summary", has_text="Paradigm")).to_be_hidden()
    page.get_by_role("button", name="Filters").click()
    choose(page, "Paradigm", "clustering")
    assert models(page) == ["delta"]
    page.locator("#frame").evaluate("frame => frame.scrollTo(400, 0)")
    box = page.locator("#rows .name").first.bounding_box()
    assert box is not None
    assert 0 <= box["x"] < 60  # the name stays in sight
