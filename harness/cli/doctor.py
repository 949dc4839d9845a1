"""``harness doctor``: environment, device, plugins, store sizes, and what is wrong."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from harness.cli.common import human_size, make_host, print_table

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "pydantic", "pluggy")


def doctor(
    context: typer.Context,
    run: Path = typer.Option(None, help="A run folder to look at too."),
) -> None:
    """Print what a bug report needs; exit status 1 if something is wrong."""
    import torch

    from harness import __version__
    from harness.cache import ArrayStore, default_arrays

    host = make_host(context)
    cuda = torch.cuda.is_available()
    facts = [("harness", __version__), ("python", platform.python_version()), ("platform", platform.platform())]
    facts += [(name, _version(name)) for name in PACKAGES]
    facts += [("device", torch.cuda.get_device_name() if cuda else f"cpu, {os.cpu_count()} cores"),
              ("plugins", f"{len(host.origins)} loaded, {len(host.failures)} failed")]  # fmt: skip
    cache = Path(os.environ.get("HARNESS_CACHE", "~/.cache/harness")).expanduser()
    facts.append((f"cache {cache}", human_size(sum(f.stat().st_size for f in cache.rglob("*") if f.is_file()))))
    if run is not None:
        store = ArrayStore(default_arrays(run))
        facts += [(f"{store.root}/{kind}", human_size(size)) for kind, size in store.size().items()]
    print_table(("", ""), facts)
    wrong = problems(run, cache) + [str(failure) for failure in host.failures]
    wrong += [line for registry in host.registries.values() for line in registry.conflicts()]
    for line in wrong:
        print(f"wrong: {line}")
    if not wrong:
        print("nothing is wrong")
    raise typer.Exit(1 if wrong else 0)


def problems(run: Path | None, cache: Path) -> list[str]:
    """What would make a run fail: folders that cannot be written, records that cannot be read."""
    from harness.errors import HarnessError
    from harness.records import RecordStore, read_record

    found, failed = [], 0
    for folder in filter(None, (run, cache)):
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        if not os.access(existing, os.W_OK):
            found.append(f"{folder} cannot be written")
    for path in RecordStore(run / "records").paths() if run is not None else ():
        try:
            failed += read_record(path).status == "failed"
        except HarnessError as error:
            found.append(str(error))
    return found + ([f"{run}: {failed} failed cells; the same 'harness run' tries them again"] if failed else [])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
