"""Reporters that a run asks for by name, on for as long as it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.errors import naming
from harness.plugins import Host


@contextmanager
def reporting(host: Host, names: Sequence[str]) -> Iterator[None]:
    """Switch reporters on, each once; see `harness.spec.register_reporters`.

    Raises `HarnessError` for a name that is unknown, and for a reporter that cannot be made or misspells a hook.
    """
    made = {name: _make(host, name) for name in dict.fromkeys(names)}
    try:
        for name, reporter in made.items():
            with naming(f"reporter {name!r}"):
                host.manager.register(reporter, name=f"reporter {name}")
                host.manager.check_pending()
        yield
    finally:
        for reporter in made.values():
            if host.manager.is_registered(reporter):  # one that failed is off already
                host.manager.unregister(reporter)


def _make(host: Host, name: str) -> Any:
    target = host["reporter"].entry(name).resolve()
    with naming(f"reporter {name!r}"):
        return target() if callable(target) else target
