"""The formats a board is written in, one renderer each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness.board.formats import csv, html, json, latex, markdown, text
from harness.board.table import Board
from harness.errors import HarnessError, nearest
from harness.records import write_atomically


class Format(NamedTuple):
    """A renderer and the ending of its files."""

    render: Callable[[Board], str]
    extension: str


FORMATS = {
    "markdown": Format(markdown.render, "md"),
    "csv": Format(csv.render, "csv"),
    "json": Format(json.render, "json"),
    "latex": Format(latex.render, "tex"),
    "html": Format(html.render, "html"),
    "text": Format(text.render, "txt"),
}
FILES = ("markdown", "csv", "json", "latex", "html")
"""The formats `write` writes."""


def render(board: Board, name: str) -> str:
    """The board in a format. Raises `HarnessError` for an unknown one."""
    if name not in FORMATS:
        raise HarnessError(f"no board format {name!r}{nearest(name, FORMATS)} (known: {', '.join(FORMATS)})")
    return FORMATS[name].render(board)


def write(board: Board, folder: Path) -> list[Path]:
    """Write ``board.md``, ``.csv``, ``.json``, ``.tex`` and ``.html``, each atomically; returns their paths.

    Raises `HarnessError` when the folder cannot be written.
    """
    paths = [folder / f"board.{FORMATS[name].extension}" for name in FILES]
    for name, path in zip(FILES, paths, strict=True):
        write_atomically(path, render(board, name).encode())
    return paths
