"""Thumbnails of test images, where they may be shown."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from harness.errors import HarnessError, naming
from harness.records import slug

if TYPE_CHECKING:
    from harness.board.site.images import KnownImages
    from harness.board.table import Board
    from harness.datasets import Split
    from harness.evidence import Evidence

Which = Literal["cards", "none", "all"]
SIDE, QUALITY = 96, 80
MOST = 1000
"""Thumbnails of a site."""


class Pictures:
    """Makes thumbnails, each once, up to `MOST`.

    Attributes:
        files: JPEG by path in the site.
        withheld: datasets whose cards do not let their pictures be shown.
        full: whether there were more than `MOST`.
    """

    def __init__(self, which: Which = "cards") -> None:
        self.which = which
        self.files: dict[str, bytes] = {}
        self.withheld: set[str] = set()
        self.full = False

    def allowed(self, images: KnownImages) -> bool:
        """Whether a task's images may be shown: of a dataset that nobody knows here, no card says so."""
        if self.which == "cards" and not (images.card is not None and images.card.shareable):
            self.withheld.add(images.card.source if images.card is not None else images.task)
            return False
        return self.which != "none"

    def guarded(self, board: Board, images: Callable[[str], KnownImages]) -> Board:
        """The board without the evidence that holds images which may not be shown: figures would show them."""

        def stored(model: str, task: str) -> Mapping[str, Evidence] | None:
            found = board.evidence(model, task)
            return None if found and any(map(pictured, found.values())) and not self.allowed(images(task)) else found

        return replace(board, stored=stored) if board.stored is not None else board

    def of(self, images: KnownImages, row: int | None) -> str | None:
        """The path of the thumbnail of a row of the test split; None where none may or can be shown."""
        split, card = images.split, images.card
        if row is None or split is None or card is None or not self.allowed(images):
            return None
        path = f"pictures/{slug(f'{card.source} {split.ids[row]}')}.jpg"
        if path not in self.files:
            if len(self.files) >= MOST:
                self.full = True
                return None
            try:
                self.files[path] = thumbnail(split, row)
            except HarnessError:  # one picture less; its run has told of the image
                return None
        return path


def pictured(evidence: Evidence) -> bool:
    """Whether evidence holds images: uint8 (N, 3, H, W)."""
    import torch

    tensors = evidence.tensors().values()
    return any(t.dtype == torch.uint8 and t.ndim == 4 and t.shape[1] == 3 for t in tensors)


def thumbnail(split: Split, row: int) -> bytes:
    """An image as a JPEG whose long side is 96 pixels. Raises `HarnessError` where it cannot be read."""
    from PIL import Image

    from harness.pixels import decode_pil

    with naming(f"image {split.ids[row]}"):
        picture = decode_pil(split.images[row], split.ids[row])
        scale = SIDE / max(picture.size)
        size = tuple(max(1, round(side * scale)) for side in picture.size)
        out = io.BytesIO()
        picture.resize((size[0], size[1]), Image.Resampling.LANCZOS).save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
