"""Views: named deterministic transforms of an image. Nothing here imports torch.

A view of geometry is the image through another resize and crop than the encoder's own, for protocols that fix theirs:

- ``clean``: the encoder's own.
- ``whole``: the short side resized to the input's, bicubic, then the centre: the linear probes of Ericsson et al. 2021.
- ``squash``: both sides resized to 1.15 times the input's, bilinear, then the centre: their released few-shot code.

A family is several views of each image, ``rotation[16]``, by a transform of `harness.transforms` with 16 parameters: of
the resized image before its centre is cut out, so that what comes into the crop was in the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.errors import HarnessError, nearest
from harness.models import Geometry, Preprocess
from harness.transforms.names import COUNTS, members

CLEAN = "clean"


def _whole(own: Preprocess) -> Preprocess:
    return own.model_copy(update={"crop": 1.0, "fit": "short", "interpolation": "bicubic"})


def _squash(own: Preprocess) -> Preprocess:
    crop = own.size / int(own.size * 1.15)
    return own.model_copy(update={"crop": crop, "fit": "squash", "interpolation": "bilinear"})


VIEWS: dict[str, Callable[[Preprocess], Preprocess]] = {CLEAN: lambda own: own, "whole": _whole, "squash": _squash}


def is_family(view: str) -> bool:
    """Whether a view is a family of transforms, by its name."""
    return view.partition("[")[0] in COUNTS


def size(view: str) -> int:
    """How many views of an image it is. Raises `HarnessError` for an unknown one, or a number it does not come in."""
    if is_family(view):
        return members(view)[1]
    if view not in VIEWS:
        known = (*VIEWS, *COUNTS)
        raise HarnessError(f"no view {view!r}{nearest(view, known)} (known: {', '.join(known)})")
    return 1


def seen(own: Preprocess, view: str) -> Geometry:
    """The geometry of a view's pixels; a family's is the canvas that it transforms. Errors as `size`."""
    size(view)
    if is_family(view):
        side = own.geometry.resize
        return Geometry(side, side, own.interpolation, own.fit)
    return VIEWS[view](own).geometry


def canonical(own: Preprocess, view: str) -> str:
    """One name for all that are the same for this encoder, ``clean`` if that is one: no image is forwarded twice."""
    if is_family(view):
        family, count = members(view)
        return f"{family.name}[{count}]"
    return CLEAN if view == CLEAN or seen(own, view) == own.geometry else view


def unknown(views: Iterable[str]) -> str | None:
    """Why a task that needs these views cannot run, or None."""
    for view in views:
        try:
            size(view)
        except HarnessError as error:
            return f"needs a view there is not: {error}"
    return None
