"""What verbs share: the host of a command line, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plugins import Host

Rows = Iterable[Sequence[Any]]
PIPED_WIDTH = 140


@dataclass(frozen=True)
class Globals:
    """The options before the verb."""

    plugins: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    strict: bool = False


def make_host(context: typer.Context) -> Host:
    """The host with the plugins and catalogues of this command line; failed plugins are noted on stderr."""
    from pathlib import Path

    from harness.plugins import Host

    given = context.find_object(Globals) or Globals()
    host = Host(given.plugins, [Path(path) for path in given.registries], given.strict)
    for failure in host.failures:
        typer.echo(f"warning: {failure} ('harness plugins --traceback' shows where)", err=True)
    return host


def split_names(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names from an option given once (``a,b[c,d],e``, split at the commas outside brackets) or several times."""
    if not given:
        return None
    parts, depth = [""], 0
    for char in ",".join(given):
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return tuple(part.strip() for part in parts if part.strip())


def make_console() -> Console:
    """A console as wide as the terminal, and wide enough for a board where there is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)


def print_table(headers: Sequence[str], rows: Rows) -> None:
    """A plain aligned table; columns wrap to the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(escape(value) for value in row))
    make_console().print(table)


def escape(value: Any) -> str:
    """A value as text that rich prints literally."""
    from rich.markup import escape as literally

    return literally("" if value is None else str(value))


def human_size(size: float) -> str:
    """Bytes as ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def warn(reason: str) -> None:
    """Tell what does not stop the verb, on stderr."""
    typer.echo(f"warning: {reason}", err=True)
