"""Views: named deterministic transforms of an image. Nothing here imports torch.

A view of geometry is the image through another resize and crop than the encoder's own, for protocols that fix theirs:

- ``clean``: the encoder's own.
- ``whole``: the short side resized to the input's, bicubic, then the centre: the linear probes of Ericsson et al. 2021.
- ``squash``: both sides resized to 1.15 times the input's, bilinear, then the centre: their released few-shot code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.errors import HarnessError, nearest
from harness.models import Preprocess

CLEAN = "clean"


def _whole(own: Preprocess) -> Preprocess:
    return own.model_copy(update={"crop": 1.0, "fit": "short", "interpolation": "bicubic"})


def _squash(own: Preprocess) -> Preprocess:
    crop = own.size / int(own.size * 1.15)
    return own.model_copy(update={"crop": crop, "fit": "squash", "interpolation": "bilinear"})


VIEWS: dict[str, Callable[[Preprocess], Preprocess]] = {CLEAN: lambda own: own, "whole": _whole, "squash": _squash}


def seen(own: Preprocess, view: str) -> Preprocess:
    """The preprocessing of a view. Raises `HarnessError` for an unknown one."""
    if view not in VIEWS:
        raise HarnessError(f"no view {view!r}{nearest(view, VIEWS)} (known: {', '.join(VIEWS)})")
    return VIEWS[view](own)


def canonical(own: Preprocess, view: str) -> str:
    """The view, or ``clean`` where it is the same for this encoder: so that no image is forwarded twice."""
    return CLEAN if view == CLEAN or seen(own, view).geometry == own.geometry else view


def unknown(views: Iterable[str]) -> str | None:
    """Why a task that needs these views cannot run, or None."""
    missing = [view for view in views if view not in VIEWS]
    return f"needs the view {missing[0]!r}{nearest(missing[0], VIEWS)} (known: {', '.join(VIEWS)})" if missing else None
