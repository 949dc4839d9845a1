"""The page of a task, in Chromium: its ranking, its columns, and what all models' predictions tell together."""

from __future__ import annotations

import re

import numpy as np
import pytest
from page_boards import LOADED, MODES, SKILL, answers, board, entries, faults, shown
from playwright.sync_api import Page, expect
from site_boards import HOSTILE
from site_world import Visit


def ranking(page: Page) -> list[list[str]]:
    lines = page.get_by_role("region", name=re.compile("^Ranking by")).locator("tbody tr")
    return [[cell.strip() for cell in line.locator("th, td").all_inner_texts()] for line in lines.all()]


def said() -> np.ndarray:
    """(4, N) classes that the models of the board predict, in its order."""
    return np.stack([answers()[model].predictions.scores.argmax(1).numpy() for model in SKILL])


@pytest.mark.parametrize("column", ["linear@digits top1", "linear@digits ece", "linear@x top1"])
def test_the_ranking_is_the_columns(visit: Visit, column: str) -> None:
    task, measure = column.split()
    found = {model: e.value or 0.0 for model, e in entries(board(), column).items()}
    page = visit("pages", f"task.html#t={task}&c={measure}")
    expect(page.locator("h1")).to_have_text(task)
    lines = ranking(page)
    assert [line[0] for line in lines] == sorted(found, key=lambda m: found[m], reverse=measure == "top1")
    assert [line[1] for line in lines] == [str(k + 1) for k in range(len(found))]
    for model, _, _, score, interval, *_ in lines:
        assert (score, interval) == shown(board(), model, column)
    expect(page.get_by_text("Whiskers:")).to_have_count(0 if task == "linear@x" else 1)  # these have no intervals


def test_who_is_level_with_the_first_is_told_by_the_paired_interval(visit: Visit) -> None:
    page = visit("pages", "task.html#t=linear@digits&c=top1")
    first = answers()["alpha"]
    for model, *_, level, _ in ranking(page)[1:-1]:
        gap = first.right.mean() - answers()[model].right.mean()
        half = 1.96 * (first.draws - answers()[model].draws).std()
        assert abs(gap - half) > 0.2, "too close to call in a test"
        assert level == ("level with the first" if gap < half else "")


def test_the_switcher_changes_column_and_address_and_keeps_its_place(visit: Visit) -> None:
    page = visit("pages", "task.html#t=linear@digits")
    choice = page.get_by_label("Score", exact=True)
    expect(choice).to_have_value("top1")
    choice.select_option("ece")
    expect(page).to_have_url(re.compile(r"#t=linear(@|%40)digits&c=ece$"))
    expect(page.get_by_role("region", name=re.compile("Ranking by ece"))).to_be_visible()
    expect(page.get_by_label("Score", exact=True)).to_be_focused()
    page.go_back()
    expect(page.get_by_role("region", name=re.compile("Ranking by top1"))).to_be_visible()


def test_models_without_a_score_stand_apart_with_the_reason(visit: Visit) -> None:
    page = visit("pages", "task.html#t=knn@digits")
    assert "epsilon" not in [line[0] for line in ranking(page)]
    page.get_by_text("1 without a score").click()
    expect(page.get_by_text("epsilon failed: no <i>memory</i>")).to_be_visible()
    expect(page.get_by_text("No predictions of this task are stored")).to_be_visible()


def test_dataset_and_protocol_are_told(visit: Visit) -> None:
    page = visit("pages", "task.html#t=linear@digits")
    about = page.locator("section", has=page.get_by_role("heading", name="Dataset"))
    expect(about).to_contain_text("Handwritten digits, 8x8")
    expect(about).to_contain_text("539")
    expect(about.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")
    expect(page.locator("section", has=page.get_by_role("heading", name="Protocol"))).to_contain_text(
        "logistic regression"
    )


def test_agreement_is_that_of_the_predictions(visit: Visit) -> None:
    page = visit("pages", "task.html#t=linear@digits")
    table = page.locator("table.matrix")
    cells = [line.locator("td").all_inner_texts() for line in table.locator("tbody tr").all()]
    same = (said()[:, None] == said()[None]).mean(2)
    expected = [["" if i == j else f"{100 * same[i, j]:.0f}" for j in range(4)] for i in range(4)]
    assert cells == expected
    assert table.locator("tbody th").all_inner_texts() == list(SKILL)
    page.get_by_label("Shown").select_option(index=1)
    expect(table.locator("caption")).to_contain_text("Cohen's κ")
    assert [line.locator("td").all_inner_texts() for line in table.locator("tbody tr").all()] != expected


def test_difficulty_and_the_hardest_images(visit: Visit) -> None:
    wrong = (said() != answers()["alpha"].predictions.targets.numpy()).sum(0)
    page = visit("pages", "task.html#t=linear@digits")
    page.get_by_text("Show the numbers").click()
    numbers = page.locator("figure table tbody tr")
    expect(numbers).to_have_count(5)
    numbers = page.locator("figure table tbody tr")
    expect(numbers).to_have_count(5)
    counts = [line.inner_text().split("\t") for line in numbers.all()]
    assert [[int(k), int(n)] for k, n in counts] == [[k, int((wrong == k).sum())] for k in range(5)]
    items = page.locator(".gallery li")
    expect(items).to_have_count(24)
    hardest = [int(text.split()[0]) for text in items.locator("p:nth-of-type(1)").all_inner_texts()]
    assert hardest == sorted(wrong, reverse=True)[:24]
    page.wait_for_function(LOADED)


def test_classes_are_those_of_the_predictions(visit: Visit) -> None:
    targets = answers()["alpha"].predictions.targets.numpy()
    page = visit("pages", "task.html#t=linear@digits")
    lines = page.get_by_role("region", name="Classes by mean accuracy of the models").locator("tbody tr")
    for line in lines.all():
        name, mean, _, spread, best, n = (cell.strip() for cell in line.locator("th, td").all_inner_texts())
        each = (said()[:, targets == int(name)] == int(name)).mean(1)
        assert mean == f"{100 * each.mean():.1f}\u00a0%"
        assert spread == f"{100 * each.std():.1f}\u00a0%"
        assert each[list(SKILL).index(best)] == each.max()
        assert int(n) == (targets == int(name)).sum()


def test_a_long_ranking_unfolds(visit: Visit) -> None:
    page = visit("long", "task.html#t=linear@d00")
    assert len(ranking(page)) == 50
    page.get_by_role("button", name="Show all 200").click()
    lines = page.get_by_role("region", name=re.compile("^Ranking by")).locator("tbody tr")
    expect(lines).to_have_count(200)
    expect(page.get_by_role("region", name=re.compile("^Ranking by"))).to_be_focused()


def test_an_unknown_name_gets_near_ones(visit: Visit) -> None:
    page = visit("pages", "task.html#t=linear@digit")
    expect(page.get_by_role("status").first).to_have_text("This board has no task “linear@digit”. Did you mean:")
    page.get_by_role("link", name="linear@digits").click()
    expect(page.locator("h1")).to_have_text("linear@digits")


def test_an_unknown_column_gives_the_first(visit: Visit) -> None:
    page = visit("pages", "task.html#t=linear@digits&c=nothing")
    expect(page.get_by_label("Score", exact=True)).to_have_value("top1")


def test_hostile_names_are_only_text(visit: Visit) -> None:
    page = visit("hostile", "task.html")
    links = page.evaluate("Harness.data.tasks.map((_, j) => Harness.taskLink(j))")
    assert len(links) == len(HOSTILE) + 1
    for j, link in enumerate(links):
        page.evaluate("link => { location.hash = link.split('#')[1]; }", link)
        page.wait_for_function(
            "j => document.querySelector('h1').textContent === Harness.line(Harness.data.tasks[j].name, 200)", arg=j
        )
        assert page.locator("main script, main b, main img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 1280


@pytest.mark.parametrize("mode", MODES)
def test_axe_finds_no_serious_fault(visit: Visit, mode: str) -> None:
    page = visit("pages", "task.html#t=linear@digits", **MODES[mode])
    expect(page.locator("table.matrix")).to_be_visible()
    assert not faults(page)
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
