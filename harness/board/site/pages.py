"""The pages: Jinja templates, with everything escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from harness.board.numbers import one_line

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PAGES = ("index", "model", "task", "compare", "analyses", "method")
NAVIGATION = (("index", "Board"), ("compare", "Compare"), ("analyses", "Analyses"), ("method", "Method"))
_CODE = re.compile(r"``?([^`]+)``?")


def pages(site: Mapping[str, Any], analyses: Sequence[Any], method: Any) -> dict[str, bytes]:
    """Every page by its path.

    Args:
        site: title, date, summary, version.
        analyses: sections of the analyses page; without any there is none.
        method: what the method page tells.
    """
    shown = [page for page in PAGES if page != "analyses" or analyses]
    links = [link for link in NAVIGATION if link[0] in shown]
    context = {"site": site, "pages": links, "analyses": analyses, "method": method}
    templates = _environment()
    made = {page: templates.get_template(f"{page}.html.j2").render(page=page, **context) for page in shown}
    return {f"{page}.html": text.encode("utf-8", "replace") for page, text in made.items()}


def assets() -> dict[str, bytes]:
    """The scripts and styles by their path in a site."""
    folder = files("harness.board.site") / "assets"
    return {f"assets/{file.name}": file.read_bytes() for file in sorted(folder.iterdir(), key=lambda f: f.name)}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("harness.board.site", "templates")
    found = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    found.filters |= {"one_line": one_line, "prose": prose}
    return found


def prose(text: str) -> Markup:
    """Documentation as markup: what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = _CODE.split(text)
    return Markup("").join(Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts))
