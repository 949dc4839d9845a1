"""What every test gets: an environment of its own, and the toy plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from harness.plugins import Host

pytest_plugins = ("site_world",)
settings.register_profile("repeatable", derandomize=True)  # whoever breaks a property meets it in their own change
settings.load_profile("repeatable")
TOYS = Path(__file__).parent / "toys.py"
SETTINGS = ("HARNESS_ARRAYS", "HARNESS_LOAD_PLUGINS")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """First-party plugins only, and no settings or catalogue of whoever runs the tests."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HARNESS_NO_PLUGINS", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "config"))


@pytest.fixture
def host() -> Host:
    """The first-party plugins and the toys."""
    return Host(plugins=[str(TOYS)])


@pytest.fixture
def toys(host: Host) -> ModuleType:
    """The toy plugin's module."""
    module: ModuleType = host.manager.get_plugin(str(TOYS))
    return module


@pytest.fixture
def write_plugin(tmp_path: Path) -> Callable[..., str]:
    """Writes a plugin file: ``write_plugin("name", source)`` gives its path."""

    def write(name: str, source: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return str(path)

    return write


@pytest.fixture
def python() -> Iterator[Callable[[str], str]]:
    """Runs source in a fresh interpreter and gives what it prints."""

    def run(source: str) -> str:
        made = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=os.environ)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    return run
