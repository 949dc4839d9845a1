"""Makes the pictures of the site in docs/images anew, from finished runs.

    python docs/pictures.py runs/quickstart --analyses runs/grigg2021-mini

It needs Playwright's Python package and a Chromium (--chromium says where).
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).parent / "images"
TASK = "linear@scenes"
ANALYSES = ("layer_curves", "layer_similarity")
WIDTH, MOST = 1280, 300_000
"""CSS pixels of a page, and bytes of a picture."""


class Shot(NamedTuple):
    """A picture: its page, its colours, how much of it is shown, and the heading that it begins with."""

    name: str
    address: str
    colours: Literal["light", "dark"] = "light"
    height: int = 1100
    heading: str = ""


def main() -> None:
    """Build the sites in a temporary folder, open their pages, keep what they show."""
    given = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    given.add_argument("runs", nargs="+", type=Path, help="run folders")
    given.add_argument("--analyses", nargs="+", type=Path, default=[], help="run folders to show analyses of")
    given.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    given.add_argument("--out", type=Path, default=IMAGES)
    arguments = given.parse_args()

    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        for shot in shots(arguments.runs, arguments.analyses, Path(folder)):
            data = picture(browser, shot)
            (arguments.out / f"site-{shot.name}.png").write_bytes(data)
            print(f"site-{shot.name}.png: {len(data):,} bytes")
        browser.close()


def shots(runs: list[Path], analysed: list[Path], folder: Path) -> Iterator[Shot]:
    """Build the sites; each picture's page is in one of them."""
    from harness import api
    from harness.board.site import build

    board = api.leaderboard(*runs, title="The tiny zoo")
    home = build(board, folder / "board", host=api.default_host(), analyses=()).out.as_uri()
    yield Shot("board-light", f"{home}/index.html", "light", 960)
    yield Shot("board-dark", f"{home}/index.html", "dark", 960)
    yield Shot("model", f"{home}/model.html#m={board.rows[0].model}", heading="What it predicts")
    yield Shot("task", f"{home}/task.html#t={TASK}", heading="What the models predict", height=1350)
    if analysed:
        full = api.leaderboard(*analysed, columns="all", title="The tiny zoo")
        home = build(full, folder / "analyses", host=api.default_host(), analyses=ANALYSES).out.as_uri()
        yield Shot("analyses", f"{home}/analyses.html")


def picture(browser: Browser, shot: Shot) -> bytes:
    """What the page shows as a PNG of no more than `MOST` bytes."""
    page = browser.new_page(viewport={"width": WIDTH, "height": shot.height}, color_scheme=shot.colours)
    page.goto(shot.address)
    page.wait_for_load_state("networkidle")
    if shot.heading:
        for _ in range(2):  # what comes into sight loads then, and moves the page
            page.get_by_role("heading", name=shot.heading).evaluate("h => h.scrollIntoView()")
            page.wait_for_timeout(500)
    whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    for colours in (0, 256, 128, 64):
        shown = whole.quantize(colours, dither=Image.Dither.NONE) if colours else whole
        data = io.BytesIO()
        shown.save(data, "PNG", optimize=True)
        if data.tell() <= MOST:
            break
    return data.getvalue()


if __name__ == "__main__":
    main()
