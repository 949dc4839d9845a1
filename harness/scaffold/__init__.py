"""``harness new``: a small distribution that works, to be changed into one's own."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from harness.errors import HarnessError, nearest
from harness.records import write_atomically

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("model", "dataset", "task", "metric", "analysis", "reporter")
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def create(kind: str, name: str, into: Path) -> list[Path]:
    """Write the distribution `name` of one plugin of this kind to ``into/name``.

    Templates lie as the files will: ``PACKAGE`` in a path becomes the import name, ``.j2`` is dropped.

    Returns the files written. Raises `HarnessError` for an unknown kind, a name that no package can have, and a folder
    that is there already.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if kind not in KINDS:
        raise HarnessError(f"cannot make a {kind!r}{nearest(kind, KINDS)} (one of: {', '.join(KINDS)})")
    package = package_of(name)
    folder = into / name
    if folder.exists():
        raise HarnessError(f"{folder} exists already: choose another name, or another folder with --into")
    words = {"kind": kind, "name": name, "package": package, "class_name": _class_name(package)}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    written = []
    for base in (TEMPLATES / "common", TEMPLATES / kind):
        for template in sorted(base.rglob("*.j2")):
            path = folder / str(template.relative_to(base)).replace("PACKAGE", package).removesuffix(".j2")
            text = environment.get_template(template.relative_to(TEMPLATES).as_posix()).render(words)
            write_atomically(path, text.encode())
            written.append(path)
    return written


def package_of(name: str) -> str:
    """The import name of a distribution. Raises `HarnessError` for one that cannot be, or is taken."""
    if not _NAME.fullmatch(name):
        raise HarnessError(f"{name!r} cannot name a plugin: use lower-case letters and digits, with - or _ between")
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise HarnessError(f"{name!r} is a name of Python itself: choose another")
    found = find_spec(package)
    if found is not None and found.origin is not None:
        raise HarnessError(f"{name!r} is taken: Python already imports {package} from {found.origin}; choose another")
    return package


def _class_name(package: str) -> str:
    return "".join(word.capitalize() for word in package.split("_"))
