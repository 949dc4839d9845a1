"""The comparison of two models, in Chromium: its intervals are the paired bootstrap's, and its verdicts follow."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from page_boards import MODES, answers, board, entries, faults, shown
from playwright.sync_api import Page, expect
from site_boards import HOSTILE
from site_world import Visit

LINEAR, ECE, KNN, REPORTED = "linear@digits top1", "linear@digits ece", "knn@digits top1", "linear@x top1"


def pair(page: Page, column: str, a: str, b: str) -> dict[str, Any]:
    """What the page's scripts make of a column and two models."""
    found: dict[str, Any] = page.evaluate(
        """([column, ...names]) => {
          const { columns, models } = Harness.data;
          const [a, b] = names.map((name) => models.findIndex((m) => m.name === name));
          return Harness.pairs.difference(columns.findIndex((c) => c.name === column), a, b);
        }""",
        [column, a, b],
    )
    return found


def rows(page: Page) -> dict[str, list[str]]:
    """The texts of the differences' rows, by task and metric."""
    lines = page.get_by_role("region", name="Differences, column by column").locator("tbody tr:not(.group-row)")
    cells = [[cell.strip() for cell in line.locator("th, td").all_inner_texts()] for line in lines.all()]
    return {" ".join(first.split()[:2]): rest for first, *rest in cells}


def error(column: str, model: str) -> float:
    entry = board().entry(model, column)
    return ((entry.high or 0.0) - (entry.low or 0.0)) / 3.92


@pytest.mark.parametrize(("a", "b"), [("alpha", "beta"), ("delta", "alpha"), ("beta", "gamma")])
def test_the_interval_is_that_of_the_paired_draws(visit: Visit, a: str, b: str) -> None:
    page = visit("pages", f"compare.html#a={a}&b={b}")
    found = pair(page, LINEAR, a, b)
    x, y = answers()[a], answers()[b]
    sa, sb, r = error(LINEAR, a), error(LINEAR, b), np.corrcoef(x.draws, y.draws)[0, 1]
    half = (found["high"] - found["low"]) / 2
    variance = sa**2 + sb**2 - 2 * r * sa * sb
    quantised = 2 * sa * sb * 0.5 / 127 + 1e-9  # of the correlation
    assert (half / 1.96) ** 2 == pytest.approx(variance, abs=quantised)
    assert half == pytest.approx(1.96 * (x.draws - y.draws).std(), rel=0.08)  # quantiles stand for a normal's here
    assert half < 0.9 * 1.96 * np.hypot(sa, sb)  # pairing gains
    assert found["value"] == pytest.approx(x.right.mean() - y.right.mean(), abs=1e-9)
    assert found["paired"]


def test_the_table_says_what_was_computed(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=delta")
    found, told = pair(page, LINEAR, "alpha", "delta"), rows(page)
    a, b, difference, interval, verdict, _ = told[LINEAR]
    assert [a, b] == [shown(board(), model, LINEAR)[0] for model in ("alpha", "delta")]
    assert difference == f"+{found['value']:.2f}"
    assert interval == f"+{found['low']:.2f} … +{found['high']:.2f} paired"
    assert verdict == "A better"


def test_each_way_to_an_interval_is_named(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=gamma")
    told = rows(page)
    assert told[LINEAR][3].endswith(" paired")
    assert told[KNN][3].endswith(" unpaired")  # gamma has no draws there
    assert told[ECE][3].endswith(" unpaired")  # nobody has
    assert told[REPORTED][3:5] == ["—", "no interval"]
    half = 1.96 * np.hypot(error(KNN, "alpha"), error(KNN, "gamma"))
    found = pair(page, KNN, "alpha", "gamma")
    assert (found["high"] - found["low"]) / 2 == pytest.approx(half, rel=1e-9)
    reading = page.locator("section", has=page.get_by_role("heading", name="Differences")).locator("p.soft")
    expect(reading).to_contain_text("Paired (1 column)")
    expect(reading).to_contain_text("a normal approximation of the paired bootstrap's interval")
    expect(reading).to_contain_text("Unpaired (2 columns)")
    expect(reading).to_contain_text("No interval (1 column)")


def test_lower_is_better_turns_verdict_and_plot_around(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=delta")
    assert rows(page)[ECE][2] == "−0.160"
    assert rows(page)[ECE][4] == "A better"
    group = page.locator("tr.group-row", has_text="lower is better")
    dot = group.locator("xpath=following-sibling::tr[1]").locator("circle").get_attribute("cx") or ""
    assert float(dot.rstrip("%")) > 50


def test_the_tally_counts_the_verdicts(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=beta")
    verdicts = [line[4] for line in rows(page).values()]
    counted = {
        tile.get_attribute("data-verdict"): int(tile.locator("strong").inner_text())
        for tile in page.locator(".tally li").all()
    }
    words = {"a": "A better", "b": "B better", "open": "undecided", "unknown": "no interval"}
    assert counted == {key: verdicts.count(word) for key, word in words.items()}
    assert sum(counted.values()) == len(board().columns)


def test_a_model_is_never_better_than_one_with_the_same_score(visit: Visit) -> None:
    page = visit("tidy", "compare.html#a=bravo&b=charlie")
    assert set(rows(page)) == {"knn@digits top1", "linear@digits top1", "linear@digits ece", "linear@dtd top1"}
    assert {line[4] for line in rows(page).values()} == {"undecided"}


def test_swap_turns_everything_around_and_keeps_the_focus(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=delta")
    before = rows(page)[LINEAR]
    page.get_by_role("button", name="Swap").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#a=delta&b=alpha$"))
    expect(page.get_by_role("button", name="Swap")).to_be_focused()
    after = rows(page)[LINEAR]
    assert after[:2] == before[1::-1]
    assert after[2] == before[2].replace("+", "−")
    assert after[4] == "B better"


def test_models_are_chosen_by_typing(visit: Visit) -> None:
    page = visit("pages", "compare.html")
    expect(page.get_by_text("Choose two models above.")).to_be_visible()
    page.get_by_label("Model A").fill("beta")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#a=beta$"))
    expect(page.get_by_label("Model A")).to_be_focused()
    page.get_by_label("Model B").fill("gamma")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#a=beta&b=gamma$"))
    assert len(rows(page)) == 4
    assert page.locator("datalist option").evaluate_all("list => list.map((o) => o.value)") == [
        r.model for r in board().rows
    ]
    page.go_back()
    expect(page.get_by_text("Choose two models above.")).to_be_visible()


def test_unknown_names_get_near_ones(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=gama")
    expect(page.get_by_text("This board has no model “gama”. Did you mean:")).to_be_visible()
    page.get_by_role("link", name="gamma").click()
    expect(page).to_have_url(re.compile("#a=alpha&b=gamma$"))
    assert len(rows(page)) == 4


def test_the_same_model_twice_and_models_with_nothing_in_common(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=alpha")
    expect(page.get_by_text("That is the same model twice")).to_be_visible()
    page = visit("pages", "compare.html#a=alpha&b=epsilon")
    assert set(rows(page)) == {LINEAR} == {c for c in (LINEAR, ECE, KNN, REPORTED) if "epsilon" in entries(board(), c)}


def test_cards_and_costs_stand_side_by_side(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=beta")
    cards = page.get_by_role("region", name="Cards").locator("tbody tr")
    lines = {line.locator("th").inner_text(): line for line in cards.all()}
    assert lines["Method"].locator("td").all_inner_texts() == ["SimCLR", "SwAV"]
    assert lines["Epochs"].locator("td").all_inner_texts() == ["200", "—"]
    assert lines["Method"].locator(".differs").count() == 2
    cost = page.get_by_role("region", name="Cost").locator("tbody tr", has_text="FLOPs")
    assert cost.locator("td").all_inner_texts() == ["5 G", "5 G"]
    assert cost.locator(".differs").count() == 0


def test_hostile_names_are_only_text(visit: Visit) -> None:
    page = visit("hostile", "compare.html")
    links = page.evaluate(
        "Harness.data.models.map((_, i) => Harness.compareLink(i, (i + 1) % Harness.data.models.length))"
    )
    assert len(links) == len(HOSTILE)
    for link in links:
        page.evaluate("link => { location.hash = link.split('#')[1]; }", link)
        expect(page.get_by_role("heading", name="Cards")).to_be_visible()
        page.get_by_role("button", name="Swap").click()
        expect(page.get_by_role("button", name="Swap")).to_be_focused()
        expect(page.get_by_role("heading", name="Cards")).to_be_visible()
        assert page.locator("main script, main b, main img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_it_prints_without_what_only_a_screen_needs(visit: Visit) -> None:
    page = visit("pages", "compare.html#a=alpha&b=beta")
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Swap")).to_be_hidden()
    expect(page.locator("header.top")).to_be_hidden()
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("mode", MODES)
def test_axe_finds_no_serious_fault(visit: Visit, mode: str) -> None:
    page = visit("pages", "compare.html#a=alpha&b=beta", **MODES[mode])
    expect(page.get_by_role("heading", name="Differences")).to_be_visible()
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
