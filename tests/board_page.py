"""The board's page as a reader meets it: what its tests read from it and do to it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

RANKED = ["alpha", "bravo", "delta", "charlie", "echo"]
APART = ["foxtrot", "golf"]
"""The models of `site_world.tidy` in the page's order."""
KNN = "knn@digits top1"


def models(page: Page) -> list[str]:
    return page.locator("#rows tr.row .name").all_inner_texts()


def column(page: Page, key: str) -> list[str]:
    """The texts of a column, from the top."""
    keys = page.locator("#head th[data-key]").evaluate_all("all => all.map(th => th.dataset.key)")
    return page.locator(f"#rows tr.row > :nth-child({keys.index(key) + 1})").all_inner_texts()


def shown(page: Page) -> list[str]:
    return page.locator("#head th.head").evaluate_all("all => all.map(th => th.dataset.key)")


def sort(page: Page, key: str) -> None:
    page.locator(f'button.sort[data-sort="{key}"]').click()


def choose(page: Page, menu: str, value: str) -> None:
    """Checks or unchecks a value in a menu."""
    page.locator("details.menu > summary", has_text=menu).click()
    page.locator("details.menu[open] input", has=page.locator(f"xpath=self::*[@value='{value}']")).click()
    page.keyboard.press("Escape")


def copied(page: Page, what: str) -> str:
    """What a button of the menu puts into the clipboard."""
    page.evaluate("Harness.copy = async (text) => { window.copied = text; return true; }")
    page.locator("details.menu > summary", has_text="Copy").click()
    page.locator(f'[data-copy="{what}"]').click()
    return str(page.evaluate("window.copied"))


def state(page: Page) -> dict[str, Any]:
    """All that a link must bring back."""
    return {
        "models": models(page), "columns": shown(page), "hash": page.evaluate("location.hash"),
        "sorted": page.locator("th[aria-sort]").evaluate_all("all => all.map(th => [th.dataset.key, th.ariaSort])"),
        "found": page.locator("#found").inner_text(), "text": page.locator("#rows").inner_text(),
        "plot": page.locator("#plot").is_visible(), "search": page.locator("#search").input_value(),
    }  # fmt: skip
