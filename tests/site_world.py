"""A browser, and sites to open in it: a plugin of pytest, which every test has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from site_boards import hostile, record

from harness.board import Board
from harness.board import build as assemble
from harness.board.site import build
from harness.draws import Draws
from harness.records import Record

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
VIOLATION = "addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective}`))"
ECE = {"name": "ece", "version": 1, "unit": "", "bounds": [0, 1], "higher_is_better": False}
TASKS = ("knn@digits", "linear@digits", "linear@dtd")

Visit = Callable[..., "Page"]

MODELS: dict[str, dict[str, Any]] = {
    "alpha": {"paradigm": "contrastive", "architecture": "resnet50", "data": "imagenet-1k", "parameters": 25_600_000},
    "bravo": {"paradigm": "distillation", "architecture": "vit_s", "data": "imagenet-1k", "parameters": 22_000_000},
    "charlie": {"paradigm": "contrastive", "architecture": "resnet18", "data": "dtd", "parameters": 11_700_000},
    "delta": {"paradigm": "clustering", "architecture": "resnet50", "data": "imagenet-1k", "parameters": 25_600_000},
    "echo": {"paradigm": "supervised", "architecture": "vit_s", "data": "imagenet-22k", "parameters": 86_000_000},
    "foxtrot": {"paradigm": "contrastive", "architecture": "resnet18", "data": "cifar10", "parameters": 11_700_000},
    "golf": {"paradigm": "supervised", "architecture": "resnet50", "data": "imagenet-1k", "parameters": 25_600_000},
}
QUALITY = {"alpha": 95.0, "bravo": 80.0, "charlie": 79.8, "delta": 79.7, "echo": 60.0, "foxtrot": 88.0, "golf": 99.5}
"""bravo, charlie and delta cannot be told apart. foxtrot failed, golf has one score, reported: neither has a rank."""


def tidy() -> Board:
    """Seven models, two datasets, four columns, of which one (ece) does not rank; with every kind of score and mark."""
    rng = np.random.default_rng(0)
    records = []
    for at, (model, card) in enumerate(MODELS.items()):
        for j, task in enumerate(TASKS[:1] if model == "golf" else TASKS):
            records.append(_scored(model, task, QUALITY[model] - 10 * j + (model == "delta" and j == 1), card, rng))
            if task == "linear@digits":
                score = records[-1].scores[0].model_copy(update={"value": 0.2 - 0.02 * at, "low": 0.01, "high": 0.25})
                records.append(
                    records[-1].model_copy(update={"metric": ECE, "scores": (score,), "primary": False, "draws": None})
                )
    board = assemble(records, title="Tidy", columns="all")
    return replace(board, footnotes=(*board.footnotes, "a note of the test"))


def _scored(model: str, task: str, value: float, card: dict[str, Any], rng: np.random.Generator) -> Record:
    facts = {"title": task.partition("@")[2].upper(), "domain": "textures" if "dtd" in task else "symbols"}
    cost = {
        "parameters": card["parameters"],
        "flops": 150 * card["parameters"],
        "images_per_second": 5e9 / card["parameters"],
    }
    made = record(
        model, task, value, card=card, dataset=facts, draws=Draws.of(rng.normal(value, 0.5, 200)),
        provenance={"cost": cost, "seconds": {"task": 1.0}},
    )  # fmt: skip
    if model == "foxtrot" and task == "linear@dtd":
        return made.model_copy(update={"status": "failed", "scores": (), "draws": None, "reason": "no memory\nleft"})
    if model == "golf":
        return made.model_copy(update={"kind": "reported", "draws": None})
    return made.model_copy(update={"kind": "submitted", "submission": {"by": "someone"}}) if model == "echo" else made


def long() -> Board:
    """200 models and 24 columns: more than fit a screen, so that what is out of sight is not there."""
    return assemble(
        [
            record(f"m{i:03d}", f"linear@d{j:02d}", 90 - 0.2 * i + (i * j) % 7 / 100)
            for i in range(200)
            for j in range(24)
        ],
        title="Long",
    )


BOARDS = {"tidy": tidy, "hostile": hostile, "long": long}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds the site of one of `BOARDS`, once: ``site("tidy")`` is its folder."""

    @cache
    def built(name: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_NO_PLUGINS", "1")
            return build(BOARDS[name](), tmp_path_factory.mktemp("site") / name, analyses=()).out

    return built


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: Callable[[str], Path]) -> Iterator[Visit]:
    """Opens a page: ``visit("tidy", "index.html#q=a", width=375, color_scheme="dark")``.

    The test fails where a page says anything in the console, throws, violates its security policy, or asks for what is
    not in its site.
    """
    contexts, faults = [], []

    def opened(name: str, page: str = "index.html", *, width: int = 1280, height: int = 800, **options: Any) -> Page:
        root = site(name).as_uri() + "/"
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.add_init_script(VIOLATION)
        contexts.append(context)
        found = context.new_page()
        found.on("console", lambda message: faults.append(f"console: {message.text}"))
        found.on("pageerror", lambda error: faults.append(f"error: {error}"))
        found.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        found.on(
            "request", lambda asked: asked.url.startswith((root, "data:")) or faults.append(f"request: {asked.url}")
        )
        found.goto(root + page)
        return found

    yield opened
    for context in contexts:
        context.close()
    assert not faults
