"""``hub:OWNER/REPO[:BRANCH]:ENTRY`` and ``hub:FOLDER:ENTRY``: what a repository's ``hubconf.py`` makes (torch.hub).

This runs the repository's code. A run uses a copy that is on this machine already; ``harness models fetch`` makes one,
of a repository that the user trusts: ``hub:OWNER/REPO:BRANCH:ENTRY?trust=1``. A run refuses the downloads of torch.hub;
it cannot stop code that downloads by other means.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, naming, nearest
from harness.fetch import fetch as download
from harness.fetch import require_network, unpack
from harness.identity import digest, file_digest
from harness.models import Model, ModelCard, Preprocess, preprocess_of
from harness_models.cards import NO_CARD, completed

if TYPE_CHECKING:
    from torch import nn

    from harness.encoder import Encoder
    from harness.fetch import Progress

_replacing = threading.RLock()  # torch.hub's function of downloads is one for all threads
ARCHIVE = "https://github.com/{name}/archive/{branch}.zip"


@dataclass(frozen=True)
class Repository:
    """Where a repository's code lies: a local folder, or torch.hub's copy of a branch of a GitHub repository."""

    source: str
    folder: Path
    name: str = ""
    branch: str = ""

    @property
    def present(self) -> bool:
        return (self.folder / "hubconf.py").is_file()

    def digest(self) -> str:
        """Of the repository's Python files and their names; empty when it is not there."""
        if not self.present:
            return ""
        files = {str(path.relative_to(self.folder)): file_digest(path) for path in self.folder.rglob("*.py")}
        return digest(files)


def model(
    source: str,
    *,
    head: str = "",
    trust: bool | int = False,
    preprocess: str | Mapping[str, Any] = "imagenet",
    card: ModelCard = NO_CARD,
    **options: Any,
) -> Model:
    """A torch.hub model.

    Args:
        source: repository and entry point; a branch that is left out is ``main`` or ``master``, whichever is here.
        head: the submodule that an identity replaces, such as ``fc``.
        trust: lets ``harness models fetch`` download the repository and run the entry point for its weights.
        options: of the entry point.

    Raises `HarnessError` for a source that cannot be read.
    """
    repository, entry = _split(source)
    stated = preprocess_of(preprocess)
    facts = {"loader": "hub", "entry": entry, "source": repository.digest(), "head": head, "options": options}
    return Model(
        name=card.name or source,
        card=completed(card, f"torch.hub {entry}"),
        load=partial(load, source, head, options, stated),
        preprocess=stated,
        identity=facts,
        fetch=partial(fetch, source, bool(trust), options) if repository.name else None,
    )


def load(source: str, head: str, options: Mapping[str, Any], preprocess: Preprocess) -> Encoder:
    """The encoder. Raises `HarnessError` for absent code or weights, and for what the entry point raises or gives."""
    from torch import nn
    from torchvision.models import ResNet

    from harness_models.backbones import Backbone, first_norm
    from harness_models.resnet import resnet
    from harness_models.weights import seeded

    repository, entry = _split(source)
    if not repository.present:
        raise HarnessError(_absent(repository, entry))
    with seeded(0), _downloads(partial(_refuse, source)):
        module = _make(repository, entry, options)
    if head:
        _behead(module, head, source)
    if isinstance(module, ResNet):
        return resnet(module).encoder(preprocess)
    blocks = getattr(module, "blocks", None)
    names = [f"blocks.{key}" for key, _ in blocks.named_children()] if isinstance(blocks, nn.Module) else None
    return Backbone(module, names, final_map=first_norm(module, names or (), "norm1")).encoder(preprocess)


def fetch(source: str, trust: bool, options: Mapping[str, Any], progress: Progress) -> Path:
    """The repository's code, and by running its entry point once, the weights that this downloads."""
    repository, entry = _split(source)
    if not trust:
        raise HarnessError(f"hub:{source} runs the code of {repository.name}: look at it, then fetch it with trust=1")
    if not repository.present:
        _clone(repository, progress)
    with _downloads(partial(_fetch_weights, progress)):
        _make(repository, entry, options)
    return repository.folder


def _split(source: str) -> tuple[Repository, str]:
    where, colon, entry = source.rpartition(":")
    if not (colon and where and entry):
        raise HarnessError(f"cannot read hub:{source}: expected hub:OWNER/REPO:BRANCH:ENTRY or hub:FOLDER:ENTRY")
    path = Path(where).expanduser()
    if path.is_absolute() or where.startswith((".", "~")) or path.is_dir():
        if not (path / "hubconf.py").is_file():
            raise HarnessError(f"hub:{source}: no hubconf.py in {path}")
        return Repository(source, path), entry
    name, _, branch = where.partition(":")
    if name.count("/") != 1 or ".." in name:
        raise HarnessError(f"hub:{source}: no repository {name!r}: expected OWNER/REPO, or a folder")
    folders = {b: _hub_folder() / f"{name.replace('/', '_')}_{b.replace('/', '_')}" for b in (branch, "main", "master")}
    chosen = branch or next((b for b in ("main", "master") if (folders[b] / "hubconf.py").is_file()), "main")
    return Repository(source, folders[chosen], name, chosen), entry


def _hub_folder() -> Path:
    """torch.hub's folder, without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or f"{cache}/torch").expanduser() / "hub"


def _absent(repository: Repository, entry: str) -> str:
    return (
        f"hub:{repository.source} is not on this machine: 'harness models fetch hub:{repository.name}:"
        f"{repository.branch}:{entry}?trust=1' gets it and runs its code, or put a copy of it at {repository.folder}"
    )


def _clone(repository: Repository, progress: Progress) -> None:
    """GitHub's archive of the branch, as the folder that torch.hub would make."""
    url = ARCHIVE.format(name=repository.name, branch=repository.branch)
    require_network(url, repository.folder)
    repository.folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".clone.", dir=repository.folder.parent) as temporary:
        content = unpack(download(url, Path(temporary, "archive.zip"), progress=progress), Path(temporary, "content"))
        (inner,) = content.iterdir()
        if not (inner / "hubconf.py").is_file():
            raise HarnessError(f"{url} holds no hubconf.py: {repository.name} is no repository for torch.hub")
        os.rename(inner, repository.folder)


def _make(repository: Repository, entry: str, options: Mapping[str, Any]) -> nn.Module:
    """What the entry point gives, in evaluation mode."""
    import torch
    from torch import nn

    try:
        with naming(f"hub:{repository.source}"):
            load_local: Callable[..., Any] = torch.hub.load
            module = load_local(str(repository.folder), entry, source="local", **options)
    finally:
        _forget(repository.folder)
    if not isinstance(module, nn.Module):
        raise HarnessError(f"hub:{repository.source} gives a {type(module).__name__}, not an nn.Module")
    return module.eval()


def _forget(folder: Path) -> None:
    """Take the repository's modules out of `sys.modules`: the next one's ``utils`` must be its own."""
    inside = str(folder.resolve()) + os.sep
    for name, module in list(sys.modules.items()):
        if os.path.realpath(getattr(module, "__file__", None) or "").startswith(inside):
            del sys.modules[name]


def _behead(module: nn.Module, head: str, source: str) -> None:
    from torch import nn

    names = [name for name, _ in module.named_modules() if name]
    if head not in names:
        raise HarnessError(f"hub:{source}: no submodule {head!r}{nearest(head, names)}")
    module.set_submodule(head, nn.Identity())


@contextmanager
def _downloads(replacement: Callable[..., None]) -> Iterator[None]:
    """`replacement` does what torch.hub downloads with, as ``load_state_dict_from_url`` calls it; for one thread."""
    import torch

    with _replacing:
        before = torch.hub.download_url_to_file
        torch.hub.download_url_to_file = replacement
        try:
            yield
        finally:
            torch.hub.download_url_to_file = before


def _refuse(source: str, url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    raise HarnessError(
        f"hub:{source}: its weights are not on this machine: 'harness models fetch' gets {url}, or put it at {dst}"
    )


def _fetch_weights(told: Progress, url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    download(url, dst, hash_prefix if hash_prefix and len(hash_prefix) >= 8 else "", progress=told)
