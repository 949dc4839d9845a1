"""The site: a board as a folder of pages that opens from a plain file. No server, no network, no build tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.board.site.analyses import analyses as analyses_of
from harness.board.site.analyses import listing
from harness.board.site.data import board_data, task_facts, tasks_of
from harness.board.site.details import Details, details
from harness.board.site.images import KnownImages
from harness.board.site.method import method, protocol_doc
from harness.board.site.pages import assets, pages
from harness.board.site.pictures import Pictures, Which
from harness.board.site.publish import former, publish
from harness.board.site.texts import name, script

if TYPE_CHECKING:
    from harness.board.table import Board
    from harness.plugins import Host

__all__ = ["Site", "build"]


@dataclass(frozen=True)
class Site:
    """What was built.

    Attributes:
        files: bytes of each file, by path.
        notes: what was left out, and why.
    """

    out: Path
    files: dict[str, int]
    notes: tuple[str, ...]

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.out / "index.html"

    @property
    def size(self) -> int:
        """Bytes without images."""
        return sum(n for path, n in self.files.items() if not path.startswith(("figures/", "pictures/")))

    @property
    def images(self) -> int:
        """Bytes of figures and thumbnails."""
        return sum(self.files.values()) - self.size


def build(
    board: Board,
    out: Path | str,
    *,
    full: Board | None = None,
    host: Host | None = None,
    analyses: Sequence[str] | None = None,
    pictures: Which = "cards",
    title: str = "",
    progress: Callable[[str], None] = lambda line: None,
) -> Site:
    """Build the site of a board. The same board gives the same bytes.

    Args:
        out: a new or empty folder, or a former site, which is replaced.
        full: the same board with all columns, which is what analyses read; default the board itself.
        host: where protocols, metrics, datasets and analyses are looked up; default the installed plugins.
        analyses: by name; None for every registered one.
        pictures: thumbnails of test images, and figures of them: ``cards`` where their dataset's card lets them be
            shown, ``all`` on a private site, or ``none``.
        title: default the board's.
        progress: told what is being done, a line at a time.

    Raises `HarnessError` for an unknown analysis, and a folder that holds something else or cannot be written.
    """
    from harness import __version__
    from harness.plugins import Host

    former(Path(out))  # an hour of analyses should not end with a folder that is refused
    host = host or Host()
    tasks, shown = tasks_of(board), Pictures(pictures)
    images = {task: KnownImages(host, task, _facts(board, task)) for task in tasks}
    whole = full or board
    guarded = shown.guarded(whole, cache(lambda task: KnownImages(host, task, _facts(whole, task))))
    found = analyses_of(guarded, host, analyses, progress)
    detail = details(board, images, shown, progress)
    facts = [
        task_facts(board, task, protocol_doc(images[task]), images[task].card, j in detail.tasks)
        for j, task in enumerate(tasks)
    ]
    data = board_data(board, title or board.title, facts)
    data["details"] = {"models": [i in detail.models for i in range(len(board.rows))]}
    data["analyses"] = listing(found.sections)
    site = {"title": name(data["title"]), "date": board.date, "summary": board.summary, "version": __version__}
    files = {
        **pages(site, found.sections, method(board, host, images)),
        **assets(),
        "data/board.js": script("Harness.board", data),
        **_scripts(detail),
        **found.files,
        **shown.files,
    }
    publish(files, Path(out))
    return Site(Path(out), {path: len(content) for path, content in files.items()}, (*found.notes, *detail.notes))


def _facts(board: Board, task: str) -> dict[str, Any]:
    return dict(next(column.facts for column in board.columns if column.task == task))


def _scripts(detail: Details) -> dict[str, bytes]:
    """The detail files of models and tasks."""
    models, tasks = detail.models.items(), detail.tasks.items()
    made = {f"data/model-{i}.js": script("Harness.detail", "model", i, {"tasks": own}) for i, own in models}
    return made | {f"data/task-{j}.js": script("Harness.detail", "task", j, found) for j, found in tasks}
