"""The two steps of this leaderboard: ``board.py check`` what is submitted, ``board.py build`` the site from all of it.

The workflows call it, and so can you: it needs the harness (``pip install -r requirements.txt``) and nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TITLE = "Our leaderboard"
RANKING: dict[str, object] = {}
"""As a suite's YAML has it: ``{"by": "rank", "require": ["linear@digits top1", "knn@digits top1"]}``.

Name the columns that count before strangers submit. By default all primary ones do, those of new tasks too, and a model
is ranked only where it has a score in each.
"""
CELLS = 2  # of each new bundle, made again from model and images

ROOT = Path(__file__).resolve().parent
SUBMISSIONS, RECORDS, SITE = ROOT / "submissions", ROOT / "board", ROOT / "site"
REGISTRY = ROOT / "registry.yaml"  # models of the submissions that the harness does not know, if there are any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    check_ = verbs.add_parser("check", help="check new bundles, then build the site with them")
    check_.add_argument("bundles", nargs="*", type=Path, help="default: all of submissions/")
    check_.add_argument("--since", metavar="COMMIT", help="the bundles that were added since a commit")
    verbs.add_parser("build", help="build the site from all bundles")
    given = parser.parse_args()
    if given.verb == "check":
        check(added(given.since) if given.since else [b.resolve() for b in given.bundles] or bundles())
    build()


def bundles() -> list[Path]:
    """All bundles, in the order of their names: of two with the same score the first counts."""
    return sorted(SUBMISSIONS.glob("*.zip"))


def added(commit: str) -> list[Path]:
    """The bundles added since a commit. What was merged once stays as it is; what else was changed is told."""
    command = ["git", "diff", "--name-status", "--no-renames", "-z", f"{commit}...HEAD"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    fields = output.split("\0")[:-1]
    changes = list(zip(fields[::2], fields[1::2], strict=True))
    for status, name in changes:
        if not name.startswith("submissions/"):
            print(f"note: {name!r} was changed too: it is no bundle, review it as code", flush=True)
        elif status != "A":
            sys.exit(f"{name!r} was changed or removed: a bundle that was merged stays; add another one")
        elif not re.fullmatch(r"submissions/[\w.-]+\.zip", name) or (ROOT / name).is_symlink():
            sys.exit(f"{name!r} is no bundle: a submission is one file, submissions/DATE-NAME.zip")
    return [ROOT / name for _, name in changes if name.startswith("submissions/")]


def check(new: list[Path]) -> None:
    """Check each new bundle by itself and against all others, and make some of its scores again."""
    with tempfile.TemporaryDirectory() as scratch:
        for bundle in bundles():
            if bundle not in new:
                harness("import", bundle, "--out", scratch, keep=True)
        for bundle in new:
            print(f"== {bundle.name}", flush=True)
            harness("import", bundle, "--check", "--out", scratch)
            harness("import", bundle, "--out", scratch, keep=True)
            harness("verify", bundle, "--cells", CELLS)


def build() -> None:
    """Records, board and site, made anew from all bundles."""
    if not bundles():
        sys.exit("submissions/ holds no bundle yet: there is nothing to build")
    shutil.rmtree(RECORDS, ignore_errors=True)
    for bundle in bundles():
        harness("import", bundle, "--out", RECORDS, keep=True)
    (RECORDS / "suite.json").write_text(json.dumps({"name": TITLE, "ranking": RANKING}))
    (RECORDS / "leaderboard.md").write_text(harness("leaderboard", RECORDS, "--format", "markdown", keep=True))
    harness("site", RECORDS, "--out", SITE, "--title", TITLE)


def harness(verb: str, *arguments: object, keep: bool = False) -> str:
    """Run a verb of the harness; gives what it printed, if that is to be kept. Ends the script where it fails."""
    registry = ["--registry", REGISTRY] if REGISTRY.is_file() else []
    command = [sys.executable, "-m", "harness", *registry, verb, *arguments]
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE if keep else None, text=True)
    if done.returncode:
        sys.exit(f"'harness {verb}' ended with status {done.returncode}: the lines above say why")
    return done.stdout or ""


if __name__ == "__main__":
    main()
