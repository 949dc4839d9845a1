"""The board's page in a browser: what stands there, and what a reader does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from board_page import APART, KNN, RANKED, choose, column, models, shown, sort
from playwright.sync_api import expect

if TYPE_CHECKING:
    from site_world import Visit


def test_models_stand_by_rank_and_those_without_one_below(visit: Visit) -> None:
    page = visit("tidy")
    assert models(page) == RANKED + APART
    assert column(page, "rank") == ["1", "2–4", "2–4", "2–4", "5", "—", "—"]
    order = page.locator("#rows tr").evaluate_all("all => all.map(tr => tr.className)")
    assert order == ["row"] * 5 + ["divider"] + ["row"] * 2
    expect(page.locator("#rule")).to_contain_text("mean of their scores")
    expect(page.locator("#facts")).to_contain_text("1 failed")
    expect(page.locator("#found")).to_have_text("7 models · 4 columns")


def test_a_score_shows_its_interval_mark_and_place(visit: Visit) -> None:
    page = visit("tidy")
    assert column(page, KNN) == ["95.0±1.5", "80.0±1.5", "79.7±1.5", "79.8±1.5", "60.0§±1.5", "88.0±1.5", "99.5‡±1.5"]
    best = page.locator("td.best")
    assert "99.5" in best.nth(0).inner_text() or any("99.5" in t for t in best.all_inner_texts())
    row = page.locator("#rows tr.row", has_text="alpha")
    assert "second" in (row.locator("td").nth(2).get_attribute("class") or "")
    assert "drawn" in (row.locator("td").nth(2).get_attribute("class") or "")
    assert "◊" in page.locator("#rows tr.row", has_text="charlie").inner_text()


def test_failures_and_gaps_say_so(visit: Visit) -> None:
    page = visit("tidy")
    failed = page.locator("#rows tr.row", has_text="foxtrot").locator("td.f")
    assert failed.inner_text() == "failed"
    failed.hover()
    expect(failed).to_have_attribute("title", "failed: no memory left")
    failed.click()
    expect(page.locator("#toast")).to_have_text("failed: no memory left")
    assert column(page, "linear@dtd top1")[-2:] == ["failed", "—"]


def test_only_models_without_a_measured_score_are_labelled(visit: Visit) -> None:
    page = visit("tidy")
    assert page.locator("#rows .badge").all_inner_texts() == ["submitted", "reported"]


def test_tied_models_are_joined_by_a_bar(visit: Visit) -> None:
    page = visit("tidy")
    bars = "all => all.map(td => [...td.querySelectorAll('i')].map(i => i.className).join())"
    assert page.locator("#rows td.rank").evaluate_all(bars) == ["", "start", "middle", "end", "", "", ""]
    page.locator("#search").fill("bravo")  # of those tied
    expect(page.locator("#found")).to_contain_text("1 of 7")
    assert page.locator("#rows td.rank").evaluate_all(bars) == [""]
    page.goto(page.url.partition("#")[0] + "#sort=model")
    page.reload()
    assert page.locator("#rows td.rank i").count() == 0


def test_headings_lead_to_tasks_and_names_to_models(visit: Visit) -> None:
    page = visit("tidy")
    assert page.locator("#head a.over", has_text="knn").get_attribute("href") == "task.html#t=knn%40digits"
    assert page.locator("#rows a.name").first.get_attribute("href") == "model.html#m=alpha"


def test_heat_is_for_columns_where_one_value_is_better(visit: Visit) -> None:
    page = visit("tidy", "index.html#cost=1")
    keys = page.locator("#head th[data-key]").evaluate_all("all => all.map(th => th.dataset.key)")
    classes = page.locator("#rows tr.row").first.locator("> *").evaluate_all("all => all.map(td => td.className)")
    heat = {key for key, name in zip(keys, classes, strict=True) if "heat" in name}
    assert heat == {KNN, "linear@digits top1", "linear@digits ece", "linear@dtd top1"}


# What a reader does.


def test_sorting_by_a_column_and_back(visit: Visit) -> None:
    page = visit("tidy")
    sort(page, KNN)
    assert models(page) == ["alpha", "bravo", "charlie", "delta", "echo", "golf", "foxtrot"]
    sort(page, KNN)
    assert models(page) == ["echo", "delta", "charlie", "bravo", "alpha", "foxtrot", "golf"]
    assert page.locator("th[aria-sort]").get_attribute("data-key") == KNN
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    sort(page, KNN)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.go_back()
    page.go_back()
    page.go_back()
    assert models(page) == RANKED + APART
    page.go_forward()
    assert models(page)[0] == "alpha"
    assert page.locator("th[aria-sort]").get_attribute("data-key") == KNN


def test_lower_is_better_sorts_the_least_first(visit: Visit) -> None:
    page = visit("tidy")
    sort(page, "linear@digits ece")
    assert models(page)[:5] == ["echo", "delta", "charlie", "bravo", "alpha"]
    sort(page, "model")
    assert models(page) == ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf"]


def test_a_model_without_the_score_comes_last(visit: Visit) -> None:
    page = visit("tidy")
    sort(page, "linear@dtd top1")
    sort(page, "linear@dtd top1")
    assert models(page)[-2:] == ["foxtrot", "golf"]


def test_search_filters_models(visit: Visit) -> None:
    page = visit("tidy")
    page.locator("#search").fill("CONTRAST resnet18")
    expect(page.locator("#found")).to_have_text("2 of 7 models · 4 columns")
    assert models(page) == ["charlie", "foxtrot"]
    page.locator("#search").fill("nobody")
    expect(page.locator("#none")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    assert models(page) == RANKED + APART


@pytest.mark.parametrize(
    ("menu", "value", "left"),
    [
        ("Paradigm", "contrastive", ["alpha", "charlie", "foxtrot"]),
        ("Architecture", "vit_s", ["bravo", "echo"]),
        ("Pretraining data", "cifar10", ["foxtrot"]),
        ("Scores", "reported", ["golf"]),
        ("Scores", "submitted", ["echo"]),
    ],
)
def test_menus_filter_models(visit: Visit, menu: str, value: str, left: list[str]) -> None:
    page = visit("tidy")
    choose(page, menu, value)
    assert models(page) == left
    choose(page, menu, value)
    assert models(page) == RANKED + APART


def test_scores_of_another_kind_are_hidden(visit: Visit) -> None:
    page = visit("tidy", "index.html#kind=measured")
    assert models(page) == ["alpha", "bravo", "delta", "charlie", "foxtrot"]
    page = visit("tidy", "index.html#kind=reported")
    assert column(page, KNN) == ["99.5‡±1.5"]


def test_parameters_are_a_range(visit: Visit) -> None:
    page = visit("tidy")
    page.locator("details.menu > summary", has_text="Parameters").click()
    page.get_by_label("at least").fill("20M")
    page.get_by_label("at most").fill("25600000")
    expect(page.locator("#found")).to_contain_text("4 of 7 models")
    assert models(page) == ["alpha", "bravo", "delta", "golf"]


def test_models_trained_on_a_shown_dataset_can_be_hidden(visit: Visit) -> None:
    page = visit("tidy")
    page.get_by_role("button", name="Hide ◊").click()
    assert "charlie" not in models(page)
    choose(page, "Domain", "symbols")  # dtd is no longer among the columns
    assert "charlie" in models(page)


def test_columns_are_chosen(visit: Visit) -> None:
    page = visit("tidy")
    choose(page, "Columns", KNN)
    assert shown(page) == ["score", "linear@digits top1", "linear@digits ece", "linear@dtd top1"]
    choose(page, "Domain", "textures")
    assert shown(page) == ["score", "linear@dtd top1"]
    expect(page.locator("#found")).to_have_text("7 models · 1 of 4 columns")
    page.get_by_role("button", name="Clear filters").click()
    page.locator("details.menu > summary", has_text="Columns").click()
    page.get_by_label("Search columns").fill("digits ECE")
    expect(page.locator("#found")).to_have_text("7 models · 1 of 4 columns")
    page.get_by_role("button", name="Those that rank").click()
    page.get_by_label("Search columns").fill("")
    expect(page.locator("#found")).to_have_text("7 models · 3 of 4 columns")


def test_groups_are_means_of_what_ranks(visit: Visit) -> None:
    page = visit("tidy")
    page.get_by_label("Average columns by").select_option("domain")
    assert shown(page) == ["score", "group symbols", "group textures"]
    assert column(page, "group symbols") == ["90.0", "75.0", "75.2", "74.8", "55.0", "83.0", "—"]
    sort(page, "group symbols")
    assert models(page)[:2] == ["alpha", "delta"]
    page.get_by_label("Average columns by").select_option("protocol")
    assert shown(page) == ["score", "group knn", "group linear"]
    assert column(page, "group linear")[0] == "80.0"  # of 85 and 75; ece does not rank


def test_cost_columns_are_on_demand(visit: Visit) -> None:
    page = visit("tidy")
    page.get_by_role("button", name="Cost columns").click()
    assert shown(page)[1:5] == ["cost seconds", "cost images_per_second", "cost parameters", "cost flops"]
    assert column(page, "cost parameters")[0] == "25.6 M"
    sort(page, "cost parameters")
    assert models(page)[0] == "charlie"


def test_quality_versus_cost(visit: Visit) -> None:
    page = visit("tidy")
    page.get_by_role("button", name="Quality vs cost").click()
    ahead = page.locator("#plot a.ahead")
    assert [link.get_attribute("href") for link in ahead.all()] == [
        f"model.html#m={m}" for m in ("charlie", "bravo", "alpha")
    ]
    assert page.locator("#plot a").count() == 5
    page.locator("#plot").get_by_label("Quality").select_option(KNN)
    assert page.locator("#plot a").count() == 7
    page.locator("#plot summary").click()
    rows = page.locator("#plot tbody tr")
    expect(rows).to_have_count(7)
    assert rows.first.inner_text().split("\t") == ["foxtrot", "88.0", "11.7 M", "on the front"]
    page.reload()
    assert page.locator("#plot a").count() == 7
