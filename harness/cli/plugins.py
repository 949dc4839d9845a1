"""``harness plugins``: what is loaded, what it registers, and what failed."""

from __future__ import annotations

import typer

from harness.cli.common import make_host, print_table


def plugins(
    context: typer.Context,
    traceback: bool = typer.Option(False, "--traceback", help="Print where failed plugins failed."),
) -> None:
    """List plugins with their distribution, version and names."""
    host = make_host(context)
    rows = []
    for name, origin in host.origins.items():
        offers = [f"{sum(e.origin == origin for e in r)} {kind}" for kind, r in host.registries.items()
                  if any(e.origin == origin for e in r)]  # fmt: skip
        rows.append((name, str(origin), ", ".join(offers) or "events"))
    print_table(("plugin", "distribution", "registers"), rows)
    for line in (line for registry in host.registries.values() for line in registry.conflicts()):
        print(f"conflict: {line}")
    for failure in host.failures if traceback else ():
        print(f"{failure}\n{failure.traceback}")
