"""View families: deterministic transforms of images, for what representations are invariant to.

`NAMES`, `members` and `image_seed` import no torch; `FAMILIES` and `family_of`, of the transforms, do on first use.

A grid family makes the same views of every image: its parameters are evenly spaced over a published range, of Ericsson
et al. 2021 (2111.11398), and 256 of them are the paper's. A random family (``simclr``, ``crop``, ``colour``) draws them
anew for each image, from a seed made of its id. ``elastic`` and ``noise`` are grids of strength with a seed an image.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.transforms.names import NAMES, FamilyName, image_seed, members

if TYPE_CHECKING:
    from harness.transforms.families import FAMILIES, family_of
    from harness.transforms.family import Family

_HOME = {"FAMILIES": "families", "family_of": "families", "Family": "family"}
__all__ = ["FAMILIES", "NAMES", "Family", "FamilyName", "family_of", "image_seed", "members"]


def __getattr__(name: str) -> Any:
    """What needs torch, imported on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'harness.transforms' has no attribute {name!r}")
    return getattr(import_module(f"harness.transforms.{_HOME[name]}"), name)
