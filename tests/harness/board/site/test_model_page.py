"""The page of a model, in Chromium: what stands there is the board's, and no name or address breaks it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from page_boards import CARD, LOADED, MODES, answers, board, entries, faults, shown
from playwright.sync_api import Page, expect
from site_boards import HOSTILE, hostile
from site_world import Visit, tidy

from harness.board import Board
from harness.board.site.evidence import answers as answers_of
from harness.board.site.evidence import reliability


def rows(page: Page, caption: str) -> list[list[str]]:
    """The texts of a table's rows."""
    lines = page.get_by_role("region", name=caption, exact=True).locator("tbody tr")
    return [[cell.strip() for cell in line.locator("th, td").all_inner_texts()] for line in lines.all()]


def terms(page: Page, heading: str) -> dict[str, str]:
    """The facts of a section."""
    section = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))
    names, values = section.locator("dt").all_inner_texts(), section.locator("dd").all_inner_texts()
    return dict(zip(names, values, strict=True))


def percent(text: str) -> float | None:
    """The share that a text tells."""
    return None if text == "—" else float(text.replace("\u00a0%", "")) / 100


@pytest.mark.parametrize(("name", "made", "model"), [("pages", board, "beta"), ("tidy", tidy, "echo")])
def test_scores_intervals_and_places_are_the_boards(visit: Visit, name: str, made: Any, model: str) -> None:
    found: Board = made()
    page = visit(name, f"model.html#m={model}")
    expect(page.locator("h1")).to_have_text(model)
    lines = rows(page, "Scores against the field")
    assert len(lines) == len(found.columns)
    for column, (task, score, interval, place, _) in zip(found.columns, lines, strict=True):
        assert task == f"{column.task} {column.heading}"
        assert (score, interval) == shown(found, model, column.name)
        values = {m: e.value or 0.0 for m, e in entries(found, column.name).items()}
        sign = 1 if column.higher_is_better else -1
        better = sum(sign * v > sign * values[model] for v in values.values())
        assert place == f"{better + 1} of {len(values)}"


def test_dots_and_ticks_are_where_the_scores_are(visit: Visit) -> None:
    column = next(j for j, c in enumerate(board().columns) if c.metric == "ece")
    page = visit("pages", "model.html#m=alpha")
    strip = (
        page.get_by_role("region", name="Scores against the field").locator("tbody tr").nth(column).locator("svg.strip")
    )
    held = list(entries(board(), board().columns[column].name).values())
    ends = [v for e in held for v in (e.value, e.low, e.high) if v is not None]
    alpha = board().entry("alpha", board().columns[column].name).value or 0.0
    share = 1 - (alpha - min(ends)) / (max(ends) - min(ends))  # lower is better, and better is to the right
    dot = float((strip.locator("circle").get_attribute("cx") or "").rstrip("%"))
    assert dot == pytest.approx(3 + 94 * share, abs=0.1)
    ticks = re.findall(r"M([\d.]+) ", strip.locator("path").get_attribute("d") or "")
    assert len(ticks) == len(held)
    assert max(map(float, ticks)) == pytest.approx(10 * dot, abs=1)


def test_the_standing_is_the_boards(visit: Visit) -> None:
    found = tidy()
    row = next(row for row in found.rows if row.model == "charlie")
    assert row.standing is not None
    page = visit("tidy", "model.html#m=charlie")
    place = found.rows.index(row) + 1
    interval = f"95 % interval of the rank {row.standing.best} – {row.standing.worst}"
    expect(page.locator(".big-rank")).to_have_text(f"{place} of {len(found.ranked)} · {interval}")
    told = terms(page, "Standing")
    assert told["Score"] == f"{row.standing.score:.1f}"
    assert told["95 % interval, over test images"] == f"{row.standing.low or 0:.1f} – {row.standing.high or 0:.1f}"
    mates = {found.rows[k].model for a, b in found.ties if a <= place - 1 <= b for k in range(a, b + 1)} - {"charlie"}
    assert mates
    assert set(told["Shares a tie bar with"].split(", ")) == mates


def test_a_model_without_rank_says_so(visit: Visit) -> None:
    page = visit("pages", "model.html#m=epsilon")
    expect(page.get_by_text("Not ranked: it lacks a score in a column that counts.")).to_be_visible()
    lines = {line[0].split()[0]: line for line in rows(page, "Scores against the field")}
    assert lines["knn@digits"][1:4] == ["failed", "—", "—"]
    expect(page.get_by_text("no <i>memory</i>")).to_be_visible()
    expect(page.get_by_text("No predictions of this model are stored")).to_be_visible()


def test_card_cost_and_provenance(visit: Visit) -> None:
    page = visit("pages", "model.html#m=alpha")
    card = terms(page, "Card")
    assert {card["Title"], card["Method"], card["Licence"]} == {CARD["title"], "SimCLR", "MIT"}
    assert (card["Epochs"], card["Parameters"], card["batch"]) == ("200", "25.6 M", "4096")
    link = page.get_by_role("link", name=CARD["url"])
    expect(link).to_have_attribute("href", CARD["url"])
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert [line[:3] for line in rows(page, "Cost against the field")][-1] == ["FLOPs an image", "5 G", "1 of 5"]
    assert terms(page, "Provenance")["weights"] == "sha256 of alpha"
    assert terms(page, "Environment")["torch"] == "2.11"


def test_neighbours_lead_to_their_comparison(visit: Visit) -> None:
    page = visit("pages", "model.html#m=beta")
    above, below = page.get_by_role("navigation", name="Compare").get_by_role("link").all()
    assert (above.inner_text(), below.inner_text()) == (
        "Compare with the one above: alpha",
        "Compare with the one below: gamma",
    )
    below.click()
    expect(page).to_have_url(re.compile(r"compare\.html#a=beta&b=gamma$"))


def test_evidence_is_that_of_the_predictions(visit: Visit) -> None:
    own = answers_of(answers()["gamma"].predictions)
    assert own is not None
    told = reliability(own)
    page = visit("pages", "model.html#m=gamma")
    diagram = page.get_by_role("img", name=re.compile("Reliability diagram of linear@digits"))
    expect(diagram).to_be_visible()
    about = re.search(r"Expected calibration error (.*)\.$", diagram.locator("desc").text_content() or "")
    assert about is not None
    assert percent(about[1]) == pytest.approx(told.ece, abs=6e-4)
    page.get_by_text("Show the numbers").click()
    numbers = page.locator("figure table tbody tr")
    expect(numbers).to_have_count(15)
    filled = [line.inner_text().split("\t")[1:] for line in numbers.all()]
    assert [int(line[2]) for line in filled] == [count for _, _, count in told.bins]
    for line, (said, true, _) in zip(filled, told.bins, strict=True):
        assert [percent(text) for text in line[:2]] == pytest.approx([said, true], abs=6e-4)
    images = page.locator(".gallery img")
    expect(images).to_have_count(12)
    page.wait_for_function(LOADED)
    worst = page.locator(".gallery li p").first.inner_text().split(" ")[-1]
    assert percent(worst) == pytest.approx(own.confidence[~own.right].max(), abs=6e-4)
    classes = {line[0]: percent(line[1]) for line in rows(page, "Classes by accuracy")}
    assert classes == pytest.approx({str(c): own.right[own.targets == c].mean() for c in range(10)}, abs=6e-4)
    assert list(classes.values()) == sorted(value or 0.0 for value in classes.values())


def test_an_unknown_name_gets_near_ones(visit: Visit) -> None:
    page = visit("pages", "model.html#m=alpah")
    expect(page.get_by_role("status").first).to_have_text("This board has no model “alpah”. Did you mean:")
    page.get_by_role("link", name="alpha").click()
    expect(page.locator("h1")).to_have_text("alpha")
    assert "alpha" in page.title()


@pytest.mark.parametrize("hash", ["", "#", "#m=", "#m=%E0%A4%A", "#m=" + "y" * 20_000, "#m=%3Cimg%20src%3Dx%3E"])
def test_no_address_breaks_the_page(visit: Visit, hash: str) -> None:
    page = visit("pages", f"model.html{hash}")
    expect(page.locator("h1")).to_have_text(re.compile("No model of this name|Choose a model"))
    assert page.get_by_role("main").get_by_role("link").count() > 1
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_hostile_names_are_only_text(visit: Visit) -> None:
    page = visit("hostile", "model.html")
    links = page.evaluate("Harness.data.models.map((_, i) => Harness.modelLink(i))")
    assert len(links) == len(hostile().rows) == len(HOSTILE)
    for i, link in enumerate(links):
        page.evaluate("link => { location.hash = link.split('#')[1]; }", link)
        page.wait_for_function(
            "i => document.querySelector('h1').textContent === Harness.line(Harness.data.models[i].name, 200)", arg=i
        )
        assert page.locator("main script, main b, main img").count() == 0
        assert page.locator('a[href^="javascript:"]').count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_the_keyboard_reaches_everything_and_keeps_the_page(visit: Visit) -> None:
    page = visit("pages", "model.html#m=alpha")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.locator("h1")).to_have_text("alpha")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Compare with the one below: beta")).to_be_focused()
    page.get_by_text("Show the numbers").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="mean confidence")).to_be_visible()


@pytest.mark.parametrize("mode", MODES)
def test_axe_finds_no_serious_fault(visit: Visit, mode: str) -> None:
    page = visit("pages", "model.html#m=alpha", **MODES[mode])
    expect(page.locator(".gallery img").first).to_be_visible()
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
