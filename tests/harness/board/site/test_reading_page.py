"""The pages that are read, method and analyses, in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from page_boards import MODES, faults
from playwright.sync_api import Browser, Page
from site_boards import hostile, small
from site_world import Visit

from harness.board.site import build
from harness.plugins import Host

PLUGIN = '''
from harness import analysis, hookimpl
from harness.plots import Figure

SVG = ("<svg xmlns='http://www.w3.org/2000/svg' width='640' height='400'><style>rect {fill: teal}</style>"
       "<rect style='opacity: 0.5' width='640' height='400'/></svg>")

@analysis("model_shares", figures=lambda board: {f"figure {i} of <b>": Figure(SVG, b"", []) for i in range(8)})
def model_shares(board):
    """The share of each model.

    And how it is computed.
    """
    return [{"model": r.model, "share": 1 / 3, "x" * 300: "y" * 900} for r in board.rows]

@hookimpl
def register_analyses(register):
    register(model_shares)
'''


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize("board", ["tidy", "hostile"])
@pytest.mark.parametrize("mode", MODES)
def test_the_method_page_has_no_fault_that_axe_finds(visit: Visit, board: str, mode: str) -> None:
    page = visit(board, "method.html", **MODES[mode])
    assert faults(page) == []
    assert overflow(page) <= 0
    page.get_by_role("link", name="Metrics").click()
    assert page.get_by_role("heading", name="Metrics", exact=True).is_visible()


def analysed(name: str, write_plugin: Callable[..., str], folder: Path) -> Path:
    """The folder of a site with the plugin's analysis."""
    host = Host(plugins=[write_plugin("given", PLUGIN)])
    board = {"small": small, "hostile": hostile}[name]()
    return build(board, folder / "site", host=host, analyses=("model_shares",)).out


@pytest.mark.parametrize("name", ["small", "hostile"])
def test_the_analyses_page_shows_figures_and_numbers(
    browser: Browser, write_plugin: Callable[..., str], tmp_path: Path, name: str
) -> None:
    out = analysed(name, write_plugin, tmp_path)
    for width, scheme in ((1280, "light"), (375, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        told: list[str] = []
        page.on("console", lambda message, told=told: told.append(message.text))
        page.on("pageerror", lambda error, told=told: told.append(str(error)))
        page.goto(f"{out.as_uri()}/analyses.html")
        page.get_by_text("2 more figures").click()
        page.wait_for_function("() => [...document.images].every((i) => i.complete && i.naturalWidth === 640)")
        figure = page.get_by_role("img", name="model shares: figure 7 of <b>")
        assert figure.is_visible()
        assert (figure.get_attribute("width"), figure.get_attribute("height")) == ("640", "400")
        assert figure.evaluate("i => getComputedStyle(i).aspectRatio") == "auto 640 / 400"  # before it has loaded, too
        assert page.get_by_role("heading", name="Model shares").is_visible()
        assert not page.get_by_role("table").is_visible()
        page.locator("summary", has_text="rows of numbers").focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("table").is_visible()
        assert page.get_by_role("columnheader").all_inner_texts()[:2] == ["model", "share"]
        with page.expect_download() as download:
            page.get_by_role("link", name="All of them as CSV").click()
        assert Path(download.value.path()).read_text().startswith("model,share,")
        assert faults(page) == []
        assert overflow(page) <= 0
        assert told == []
        page.close()
