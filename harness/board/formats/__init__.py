"""The formats a board is written in, one renderer each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness.board.formats import csv, html, json, latex, markdown, model_index, parquet, text
from harness.board.table import Board
from harness.errors import HarnessError, nearest
from harness.records import write_atomically


class Format(NamedTuple):
    """How a board is written.

    Attributes:
        extension: of its files.
        render: gives text, or the bytes of a file that is none.
        text: which of them.
        table: whether it shows the board's columns as columns, so that others may stand beside them.
    """

    extension: str
    render: Callable[[Board], str | bytes]
    text: bool = True
    table: bool = True


FORMATS = {
    "markdown": Format("md", markdown.render),
    "csv": Format("csv", csv.render),
    "json": Format("json", json.render, table=False),
    "latex": Format("tex", latex.render),
    "html": Format("html", html.render),
    "text": Format("txt", text.render),
    "parquet": Format("parquet", parquet.render, text=False, table=False),
    "model-index": Format("yaml", model_index.render, table=False),
}
FILES = ("markdown", "csv", "json", "latex", "html")
"""The formats `write` writes."""


def render(board: Board, name: str) -> str:
    """The board in a format that is text. Raises `HarnessError` for another, or an unknown one."""
    if not find(name).text:
        raise HarnessError(f"the format {name} is no text: write it to a file, with --out FILE")
    return encode(board, name).decode()


def encode(board: Board, name: str) -> bytes:
    """The contents of a file in any format, text as UTF-8. Raises `HarnessError` for an unknown one."""
    made = find(name).render(board)
    return made.encode("utf-8", "replace") if isinstance(made, str) else made


def find(name: str) -> Format:
    """A format by name. Raises `HarnessError` with the nearest for an unknown one."""
    if name not in FORMATS:
        raise HarnessError(f"no board format {name!r}{nearest(name, FORMATS)} (known: {', '.join(FORMATS)})")
    return FORMATS[name]


def write(board: Board, folder: Path) -> list[Path]:
    """Write ``board.md``, ``.csv``, ``.json``, ``.tex`` and ``.html``, each atomically; returns their paths.

    Raises `HarnessError` when the folder cannot be written.
    """
    paths = [folder / f"board.{FORMATS[name].extension}" for name in FILES]
    for name, path in zip(FILES, paths, strict=True):
        write_atomically(path, encode(board, name))
    return paths
