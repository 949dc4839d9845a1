"""The documentation is true: its Python runs, its examples fit the schemas, its links lead somewhere."""

from __future__ import annotations

import inspect
import json
import re
import socket
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from harness import identity, spec
from harness.records import Record, Summary

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
EXECUTED = [ROOT / "README.md", *DOCS]  # CONTRIBUTING.md has a test of its own
LINKED = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
LANGUAGES = {"python", "bash", "yaml", "json", "toml", "text"}

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?(?P<target>[^)\s>]+)")
PATH = re.compile(r"`((?:harness|plugins|benchmarks|tests|docs|examples)/[\w./-]*)`")


class Fence(NamedTuple):
    language: str
    body: str
    line: int


def fences(page: Path) -> list[Fence]:
    """The code blocks of a page. Fails for one that is not closed."""
    text = page.read_text(encoding="utf-8")
    found = [
        Fence(m["language"].strip(), textwrap.dedent(m["body"]), text[: m.start()].count("\n") + 1)
        for m in FENCE.finditer(text)
    ]
    assert text.count("```") == 2 * len(found), f"{page.name}: a code block is not closed, or is not at a line's start"
    return found


def anchors(page: Path) -> set[str]:
    """The ids of a page's headings, as GitHub makes them."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?) *$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, target: str) -> bool:
    """Whether a link leads nowhere; links to other sites are not followed."""
    if re.match(r"[a-z]+:", target):
        return False
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return not file.exists() or bool(anchor and file.suffix == ".md" and anchor not in anchors(file))


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, no settings of the user's, and no network."""

    def refuse(*args: Any) -> None:
        raise AssertionError("the documentation must not use the network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("HARNESS_ARRAYS", "HARNESS_LOAD_PLUGINS", "HARNESS_NO_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_python_blocks_run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for fence in fences(page):
        if fence.language == "python":  # padded, so that a traceback has the page's own line
            exec(compile("\n" * fence.line + fence.body, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_code_blocks_name_a_known_language(page: Path) -> None:
    """So that no Python hides behind another spelling of it."""
    assert {fence.language for fence in fences(page)} <= LANGUAGES


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_yaml_and_json_blocks_parse(page: Path) -> None:
    for fence in fences(page):
        if fence.language == "yaml":
            yaml.safe_load(fence.body)
        elif fence.language == "json":
            json.loads(fence.body)


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    targets = [m["target"] for m in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8")))]
    assert [target for target in targets if broken(page, target)] == []


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_paths_in_backticks_exist(page: Path) -> None:
    paths = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS if page.name != "index.md" and f"]({page.name})" not in index] == []


def test_design_names_every_hook_with_its_arguments() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    hooks = [getattr(spec, name) for name in vars(spec) if hasattr(getattr(spec, name), f"{spec.GROUP}_spec")]
    assert len(hooks) >= 12
    calls = [f"`{hook.__name__}({', '.join(inspect.signature(hook).parameters)})`" for hook in hooks]
    assert [call for call in calls if call not in page] == []


def test_records_page_describes_every_field_and_shows_real_ones() -> None:
    page = ROOT / "docs" / "records.md"
    kept = {name for name, field in Record.model_fields.items() if not field.exclude}
    told = {name for name, field in Summary.model_fields.items() if not field.exclude}
    text = page.read_text(encoding="utf-8")
    assert [name for name in kept | told if f"`{name}`" not in text] == []
    record, summary = (json.loads(fence.body) for fence in fences(page) if fence.language == "json")
    assert Record.model_validate(record).status == "done"
    assert record.keys() == kept
    assert Summary.model_validate(summary)
    assert summary.keys() == told


def test_keys_page_names_all_that_goes_into_a_key() -> None:
    text = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    keys = ("model_fingerprint", "pixels_key", "embedding_key", "evidence_key", "record_key")
    names = {name for key in keys for name in inspect.signature(getattr(identity, key)).parameters}
    assert [name for name in names if f"`{name}`" not in text] == []


def test_benchmarks_page_covers_every_benchmark() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
    assert set(re.findall(r"python -m benchmarks\.(\w+)", text)) == scripts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](gone.md)", ["gone.md"]),
        ("[a](page.md#no-such-heading) [b](page.md#a-heading)", ["page.md#no-such-heading"]),
        ("[![image](gone.png)](https://example.org)", ["gone.png"]),
        ('![image](gone.png "a title")', ["gone.png"]),
        ("[a](https://example.org) [b](page.md)", []),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A heading\n\n{text}\n")
    assert [m["target"] for m in LINK.finditer(text) if broken(page, m["target"])] == found


def test_an_unclosed_block_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\n1 + 1\n")
    with pytest.raises(AssertionError, match="not closed"):
        fences(page)
