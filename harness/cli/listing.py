"""``harness list``: names of one kind, with what they are and where they come from."""

from __future__ import annotations

import typer

from harness.cli.common import make_host, print_table
from harness.transforms.names import NAMES

KINDS = {"models": "model", "datasets": "dataset", "tasks": "task", "metrics": "metric", "analyses": "analysis",
         "reported": "reported", "reporters": "reporter", "engines": "engine"}  # fmt: skip


def list_(
    context: typer.Context,
    kind: str = typer.Argument("all", help=f"{', '.join(KINDS)}, views, suites or all."),
) -> None:
    """List what plugins and the catalogue offer."""
    from harness.errors import HarnessError, nearest

    host = make_host(context)
    known = [*KINDS, "views", "suites"]
    if kind not in (*known, "all"):
        raise HarnessError(f"cannot list {kind!r}{nearest(kind, known)} (one of: {', '.join(known)})")
    for plural, singular in KINDS.items():
        entries = list(host[singular]) if kind in (plural, "all") else []
        if entries:
            rows = ((e.name + ("…" if e.name.endswith(":") else ""), e.summary, e.origin) for e in entries)
            print_table((plural, "", "from"), rows)
        elif kind == plural:
            print(f"no {plural} are installed")
    if kind in ("views", "all"):
        made = (
            (f.name, f"{f.count}{', no more' * (f.limit is not None)}", ", ".join(f.parameters)) for f in NAMES.values()
        )
        print_table(("families of views", "of an image", "made with"), made)
    if kind in ("suites", "all"):
        print_table(("suites", ""), ((name, suite.description) for name, suite in sorted(host.suites.items())))
