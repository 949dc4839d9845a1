"""A fresh virtual environment beside the project: what is installed there is seen there only."""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = "#!{python}\nimport sys\nfrom {module} import {function}\n\nsys.exit({function}())\n"


@dataclass(frozen=True)
class Fresh:
    """A virtual environment that also sees the packages of the running one, and no package index."""

    folder: Path

    def run(self, command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """A command line in this environment. Fails the test, with the output, unless it succeeds."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HARNESS_"))}
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        environment = {**kept, **offline, "PATH": path, "COLUMNS": "160"}
        program, *arguments = shlex.split(command)
        line = [str(self.folder / "bin" / program), *arguments]
        done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    purelib = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    here = sysconfig.get_path("purelib")
    Path(purelib, "running.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    for name, module, function in (("harness", "harness.cli", "main"), ("pytest", "pytest", "console_main")):
        script = folder / "bin" / name
        script.write_text(SCRIPT.format(python=folder / "bin" / "python", module=module, function=function))
        script.chmod(0o755)
    return Fresh(folder)
