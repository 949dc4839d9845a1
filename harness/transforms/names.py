"""The view families by name: what a plan needs to know of them. Nothing here imports torch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from harness.errors import HarnessError, nearest

CROP = ("top", "left", "height", "width")
JITTER = ("brightness", "contrast", "saturation", "hue", "order")
_VIEW = re.compile(r"^(?P<name>[^\[\]]+)(?:\[(?P<count>[^\[\]]*)\])?$")


@dataclass(frozen=True)
class FamilyName:
    """What is declared of a family of transforms.

    Attributes:
        parameters: names of the P numbers that make a view.
        count: how many views, unless one says.
        seeded: whether the views depend on the image's seed.
        limit: how many there are, where not any number.
    """

    name: str
    parameters: tuple[str, ...]
    count: int = 16
    seeded: bool = False
    limit: int | None = None


def _switch(name: str) -> FamilyName:
    return FamilyName(name, ("on",), 1, limit=1)


NAMES: dict[str, FamilyName] = {
    family.name: family
    for family in (
        FamilyName("simclr", (*CROP, "flip", *JITTER, "gray", "sigma"), 50, seeded=True),
        FamilyName("crop", CROP, 50, seeded=True),
        FamilyName("colour", JITTER, 50, seeded=True),
        FamilyName("rotation", ("angle",)),
        FamilyName("translation", ("x", "y")),
        FamilyName("scale", ("scale",)),
        FamilyName("shear", ("x", "y")),
        FamilyName("resized_crop", CROP),
        FamilyName("elastic", ("sigma", "seed"), seeded=True),
        _switch("hflip"),
        _switch("vflip"),
        _switch("gray"),
        _switch("invert"),
        _switch("equalize"),
        FamilyName("brightness", ("factor",)),
        FamilyName("contrast", ("factor",)),
        FamilyName("saturation", ("factor",)),
        FamilyName("hue", ("shift",)),
        FamilyName("posterize", ("bits",), 7, limit=7),
        FamilyName("solarize", ("threshold",)),
        FamilyName("blur", ("sigma",)),
        FamilyName("sharpness", ("factor",)),
        FamilyName("jpeg", ("quality",)),
        FamilyName("noise", ("sd", "seed"), seeded=True),
    )
}
COUNTS = {name: family.count for name, family in NAMES.items()}


def members(view: str) -> tuple[FamilyName, int]:
    """A view, ``simclr[50]`` or ``rotation``, as its family and how many views of each image.

    Raises `HarnessError` for an unknown family and for a number that it does not have.
    """
    match = _VIEW.match(view.strip())
    name, count = (match["name"].strip(), match["count"]) if match else (view, None)
    if name not in NAMES:
        raise HarnessError(f"no view family {name!r}{nearest(name, NAMES)} (known: {', '.join(NAMES)})")
    family = NAMES[name]
    if count is None:
        return family, family.count
    if not count.strip().isdecimal():
        raise HarnessError(f"view {view!r}: expected a number of views in the brackets, as in {name}[{family.count}]")
    return family, checked(family, int(count))


def checked(family: FamilyName, n: int) -> int:
    """The number of views. Raises `HarnessError` where the family has no such number."""
    if n < 1:
        raise HarnessError(f"view {family.name}[{n}]: an image needs one view or more")
    if family.limit is not None and n > family.limit:
        raise HarnessError(f"view {family.name}[{n}]: the family has {family.limit} of an image, no more")
    return n


def image_seed(family: str, image: str) -> int:
    """The seed of an image's views, 0 to 2**63 - 1, from its id and the family's name alone."""
    digest = hashlib.sha256(f"{family}\0{image}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
