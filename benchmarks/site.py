"""The board's page with 1,000 models x 60 columns in headless Chromium: first paint, sorting, searching.

    python -m benchmarks.site
    python -m benchmarks.site --models 14 --columns 40 --repeats 9

"Shown" is from the start of loading to the first frame with rows in it. A sort or a search is from the click or the
key (without the pause that waits for more keys) to its frame. "All drawn" sorts with every cell in the document, as for
printing, where the page draws those in sight only. The second column is processor time of the page's main thread,
which a busy machine does not stretch. Needs a Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from benchmarks._common import report
from harness.board.site import build
from harness.board.table import Board, Column, Cost, Entry, Row, Rule, Standing

SIZES = {"models": 1000, "columns": 60, "repeats": 5, "seed": 0}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FRAME = """requestAnimationFrame(() => {
  const wait = new MessageChannel();
  wait.port1.onmessage = () => done(performance.now() - start);
  wait.port2.postMessage(0);
})"""
SHOWN = f"() => new Promise((done) => {{ const start = 0; {FRAME}; }})"
FIRST = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
SORT = f"""(at) => new Promise((done) => {{
  const start = performance.now();
  document.querySelectorAll("button.sort")[at].click();
  {FRAME};
}})"""
SEARCH = f"""(text) => new Promise((done) => {{
  const field = document.getElementById("search");
  const start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("change"));
  {FRAME};
}})"""
Times = dict[str, list[tuple[float, float]]]


def board(models: int, columns: int, seed: int) -> Board:
    """Models whose scores follow their quality, with intervals, standings and ties."""
    rng = np.random.default_rng(seed)
    heads = tuple(
        Column(f"linear@dataset{j // 4:02d}", f"metric{j % 4}", "", "%", bounds=(0, 100)) for j in range(columns)
    )
    quality = np.sort(rng.normal(size=models))[::-1]
    values = (65 + 8 * quality[:, None] + rng.normal(0, 3, (models, columns))).clip(1, 99)
    half = rng.uniform(0.5, 2, (models, columns))
    rows = []
    for i in range(models):
        pairs = zip(values[i].tolist(), half[i].tolist(), strict=True)
        entries = tuple(Entry("done", v, v - h, v + h, n=10_000, seeds=1) for v, h in pairs)
        mean = float(values[i].mean())
        standing = Standing(mean, mean - 1, mean + 1, i + 1, max(1, i - 9), min(models, i + 11))
        card = {"method": f"method {i % 20}", "data": "imagenet-1k", "epochs": 100 + i, "parameters": 10**7 + i}
        rows.append(
            Row(
                f"model-{i:04d}",
                f"paradigm {i % 6}",
                i + 1.0,
                entries,
                card,
                standing,
                Cost(60.0, 900.0, 10**9, 10**7 + i),
            )
        )
    ties = tuple((i, min(models - 1, i + 10)) for i in range(0, models - 1, 10))
    counts = {"models": models, "ranked": models, "columns": columns, "done": models * columns}
    rule = Rule("score", "images", "The mean of scores.")
    return Board("Benchmark", heads, tuple(rows), counts=counts, rule=rule, ties=ties)


class Tab:
    """A page, and how long its main thread has been busy."""

    def __init__(self, browser: Browser) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self._session = self.page.context.new_cdp_session(self.page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy(self) -> float:
        """Milliseconds of processor time."""
        metrics = {m["name"]: m["value"] for m in self._session.send("Performance.getMetrics")["metrics"]}
        return 1000 * float(metrics["TaskDuration"])

    def timed(self, script: str, argument: object = None) -> tuple[float, float]:
        """What a script says it took, and the time that the main thread was busy."""
        before = self.busy()
        wall = self.page.evaluate(script, argument)
        return wall, self.busy() - before


def loaded(browser: Browser, index: Path, columns: int, repeat: int, times: Times) -> float:
    """Opens the page, uses it, and adds the times to `times`. Returns the milliseconds to the first content."""
    tab = Tab(browser)
    tab.page.goto(index.as_uri())
    shown = tab.page.evaluate(SHOWN)
    times["shown"].append((shown, tab.busy()))
    first = float(tab.page.evaluate(FIRST))
    times["sort"] += [tab.timed(SORT, 3 + (7 * k + repeat) % columns) for k in range(5)]
    times["search"] += [tab.timed(SEARCH, text) for text in ("method 7", "model-00", "")]
    if repeat == 0:
        tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        times["sort, all drawn"].append(tab.timed(SORT, 3))
    tab.page.close()
    return first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    args = parser.parse_args()
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        parser.error(f"no browser: none of {', '.join(BROWSERS)} is installed")

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = build(board(args.models, args.columns, args.seed), Path(folder) / "site", analyses=())
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        times: Times = defaultdict(list)
        first = [loaded(browser, site.index, args.columns, repeat, times) for repeat in range(args.repeats)]
        browser.close()
    print(f"{args.models:,} models x {args.columns} columns, {site.size:,} bytes, {args.repeats} loads")
    print(f"first paint {statistics.median(first):.0f} ms\n")
    rows = [(name, *map(statistics.median, zip(*found, strict=True))) for name, found in times.items()]
    medians = {name: busy for name, _, busy in rows}
    ratio = medians["sort, all drawn"] / medians["sort"]
    report(("", "ms", "ms of the main thread"), rows, f"sort with all drawn / sort, main thread: {ratio:.1f}")


if __name__ == "__main__":
    main()
