"""The pages: a strict policy, nothing inline, everything escaped; and the folder they are written to."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from site_boards import HOSTILE, called, hostile, large, says, small, with_evidence

from harness.board.site import Site, build
from harness.board.site.images import KnownImages
from harness.board.site.method import environments, method
from harness.board.site.pages import prose
from harness.board.site.publish import MANIFEST, publish
from harness.errors import HarnessError, OutputError
from harness.evidence import Predictions
from harness.plugins import Host

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)


class Tags(HTMLParser):
    """A page's tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(site: Site) -> dict[str, Tags]:
    return {path: Tags((site.out / path).read_text()) for path in site.files if path.endswith(".html")}


def safe(site: Site) -> None:
    """Every page holds the policy and nothing that it forbids; every link is to a file of the site."""
    for page in pages(site).values():
        assert ("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}) in page.tags
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            assert tag not in ("style", "base", "iframe", "form")
            assert tag != "script" or attributes.get("src")
            link = attributes.get("src") or attributes.get("href") or ""
            if link and not link.startswith("#"):
                assert link.partition("#")[0] in site.files


def test_a_site_has_its_pages_assets_and_data(host: Host, tmp_path: Path) -> None:
    told: list[str] = []
    site = build(small(), tmp_path / "site", host=host, analyses=(), progress=told.append)
    assert told == []  # nothing is stored
    assert {p for p in site.files if p.endswith(".html")} == {
        "index.html", "model.html", "task.html", "compare.html", "method.html",
    }  # fmt: skip
    assert {str(p.relative_to(site.out)) for p in site.out.rglob("*") if p.is_file()} == {*site.files, MANIFEST}
    assert all((site.out / path).stat().st_size == size for path, size in site.files.items())
    function, [data] = called((site.out / "data" / "board.js").read_bytes())
    assert function == "Harness.board"
    assert data["details"] == {"models": [False] * 3}
    assert data["analyses"] == []
    assert "Mine" in pages(site)["index.html"].text
    assert site.index == tmp_path / "site" / "index.html"
    assert site.images == 0
    safe(site)


def test_the_same_board_gives_the_same_bytes(host: Host, tmp_path: Path) -> None:
    board = with_evidence({("m", "knn@digits"): says([0, 1, 2], [0, 1, 1])})
    one, two = (build(board, tmp_path / name, host=host, analyses=()) for name in "ab")
    assert one.files == two.files
    assert all((one.out / path).read_bytes() == (two.out / path).read_bytes() for path in (*one.files, MANIFEST))


def test_a_thousand_models_by_sixty_columns_are_a_site_of_less_than_a_megabyte_and_a_half(
    host: Host, tmp_path: Path
) -> None:
    made = build(large(1000, 60), tmp_path / "site", host=host, analyses=())
    assert sum(f.stat().st_size for f in made.out.rglob("*") if f.is_file()) < 1_500_000


def test_details_are_scripts_of_models_and_tasks(host: Host, tmp_path: Path) -> None:
    board = with_evidence({("m", "knn@x"): says([0, 1, 2], [0, 1, 1]), ("n", "knn@y"): says([0], [0])})
    told: list[str] = []
    site = build(board, tmp_path, host=host, analyses=(), title="Named", progress=told.append)
    assert told == ["evidence 1/2: knn@x", "evidence 2/2: knn@y"]
    [data] = called((tmp_path / "data" / "board.js").read_bytes())[1]
    assert data["title"] == "Named"
    assert [t["detail"] for t in data["tasks"]] == [True, True]
    for kind, count in (("model", 2), ("task", 2)):
        for i in range(count):
            function, [named, index, found] = called((tmp_path / "data" / f"{kind}-{i}.js").read_bytes())
            assert (function, named, index) == ("Harness.detail", kind, i)
            assert found
    assert [n for n in site.notes if "nowhere" in n or "no dataset" in n]


def test_hostile_names_break_no_page(host: Host, tmp_path: Path) -> None:
    site = build(hostile(), tmp_path, host=host, analyses=(), title=HOSTILE[1])
    safe(site)
    for page in pages(site).values():
        assert "img" not in dict(page.tags)
        assert "alert(1)" not in "".join(a for _, attributes in page.tags for a in attributes.values() if a)
    told = pages(site)["method.html"].text
    assert all(name in told for name in ("<script>alert(1)</script>", "</script><b>", "{{ 7*7 }}", "two lines"))
    assert all(path.count("/") <= 1 and ".." not in path for path in site.files)


def test_the_method_page_tells_rule_protocols_metrics_and_environments(host: Host, tmp_path: Path) -> None:
    site = build(small(), tmp_path, host=host, analyses=())
    told = " ".join(pages(site)["method.html"].text.split())
    for text in (
        small().rule.text, "most cosine-similar images", "Whether each image's highest score", "k 20, 1", "torch2.11",
        "one 1.0", "Handwritten digits", "CC-BY-4.0", "a note", "higher is better, from 0 to 100, version 3",
    ):  # fmt: skip
        assert text in told


def test_what_is_not_installed_is_said(host: Host) -> None:
    board = with_evidence({("m", "magic@nowhere"): Predictions(torch.zeros(1, 2), torch.tensor([0]))}, metric={
        "name": "luck", "unit": "", "bounds": [0, None], "higher_is_better": None,
    })  # fmt: skip
    told = method(board, host, {"magic@nowhere": KnownImages(host, "magic@nowhere", {})})
    assert told["protocols"][0]["about"] == ["Not installed where this site was made."]
    assert told["metrics"] == [
        {"name": "luck", "about": ["Not installed where this site was made."],
         "facts": "neither direction is better, from 0 to …"}
    ]  # fmt: skip


def test_environments_are_told_once() -> None:
    [found] = environments(small())
    assert found["facts"]["torch"] == "2.11"
    assert found["models"] in ("a, b", "a")


def test_prose_marks_code_and_escapes_the_rest() -> None:
    assert prose("``a<b`` & `c`: <d>") == "<code>a&lt;b</code> &amp; <code>c</code>: &lt;d&gt;"


def test_pages_name_only_assets_that_exist(host: Host, tmp_path: Path) -> None:
    site = build(small(), tmp_path, host=host, analyses=())
    for name in (p for p in site.files if p.startswith("assets/") and p.endswith(".css")):
        assert not re.search(r"url\((?!['\"]?data:)", (tmp_path / name).read_text())
        assert "@import" not in (tmp_path / name).read_text()


def test_a_rebuild_replaces_the_site_and_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    out = tmp_path / "site"
    publish({"a.html": b"1", "data/old.js": b"2"}, out)
    (out / "CNAME").write_text("example.org")
    (out / "data" / "mine.txt").write_text("mine")
    publish({"a.html": b"3", "figures/b.svg": b"4"}, out)
    found = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != MANIFEST}
    assert found == {"a.html": b"3", "figures/b.svg": b"4", "CNAME": b"example.org", "data/mine.txt": b"mine"}
    publish({"a.html": b"3"}, out)
    assert not (out / "figures").exists()
    assert list(tmp_path.iterdir()) == [out]


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(HarnessError, match="holds other files and no site"):
        publish({"a": b""}, tmp_path)
    (tmp_path / MANIFEST).write_text("[]")
    with pytest.raises(HarnessError, match="holds other files and no site"):
        publish({"a": b""}, tmp_path)
    with pytest.raises(HarnessError, match="is a file: name a folder"):
        publish({"a": b""}, tmp_path / "thesis.tex")
    assert sorted(p.name for p in tmp_path.iterdir()) == [MANIFEST, "thesis.tex"]


def test_a_manifest_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    out, outside = tmp_path / "site", tmp_path / "precious"
    outside.write_text("kept")
    publish({"a.html": b"1"}, out)
    names = ["../precious", str(outside), "a.html", 7, "nul\x00", "gone.html"]
    (out / MANIFEST).write_text(json.dumps({"files": names}))
    publish({"b.html": b"2"}, out)
    assert outside.read_text() == "kept"
    assert sorted(p.name for p in out.iterdir()) == ["b.html", MANIFEST]


def test_a_build_that_is_stopped_leaves_a_folder_that_the_next_one_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    publish({"a.html": b"1", "z.html": b"1"}, out)

    def full(source: object, target: Path) -> None:
        if Path(target).name == "c.html":
            raise OSError(28, "No space left on device")
        move(source, target)

    move = os.replace
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        publish({"b.html": b"2", "c.html": b"2"}, out)
    monkeypatch.undo()
    publish({"a.html": b"3"}, out)
    assert sorted(p.name for p in out.iterdir()) == ["a.html", MANIFEST]
    assert list(tmp_path.iterdir()) == [out]
