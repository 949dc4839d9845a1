"""The families: names, parameters and transforms brought together."""

from __future__ import annotations

from harness.transforms import colour, draws, filters, geometric, mixtures
from harness.transforms.draws import lattice, line, switch, with_seed
from harness.transforms.family import Draw, Family, Transform, batched
from harness.transforms.names import NAMES, members

_SHIFT = (-1 / 14, 1 / 14)  # 16 of 224 pixels
_OFFSET, _SIDE = (0.0, 0.25), (0.75, 0.25)

_PARTS: dict[str, tuple[Draw, Transform]] = {
    "simclr": (draws.simclr, mixtures.simclr),
    "crop": (draws.crops, geometric.resized_crop),
    "colour": (draws.jitters, colour.jitter),
    "rotation": (line(0, 360, closed=False), geometric.rotation),
    "translation": (lattice(_SHIFT, _SHIFT, closed=False), geometric.translation),
    "scale": (line(1 / 4, 2), geometric.scale),
    "shear": (lattice((-160, 160), (-160, 160), closed=False), geometric.shear),
    "resized_crop": (lattice(_OFFSET, _OFFSET, _SIDE, _SIDE), geometric.resized_crop),
    "elastic": (with_seed(line(10, 50)), geometric.elastic),
    "hflip": (switch, geometric.hflip),
    "vflip": (switch, geometric.vflip),
    "gray": (switch, colour.gray),
    "invert": (switch, colour.invert),
    "equalize": (switch, colour.equalize),
    "brightness": (line(0.25, 5), colour.brightness),
    "contrast": (line(0.25, 5), colour.contrast),
    "saturation": (line(0.25, 5), colour.saturation),
    "hue": (line(-0.5, 0.5), colour.hue),
    "posterize": (line(1, 7, whole=True), colour.posterize),
    "solarize": (line(0, 255, whole=True), colour.solarize),
    "blur": (line(1e-5, 20), filters.blur),
    "sharpness": (line(1, 30), colour.sharpness),
    "jpeg": (line(100, 5, whole=True), filters.jpeg),
    "noise": (with_seed(line(0, 0.25)), filters.noise),
}

FAMILIES: dict[str, Family] = {
    name: Family(**vars(declared), draw=_PARTS[name][0], apply=batched(_PARTS[name][1]))
    for name, declared in NAMES.items()
}


def family_of(view: str) -> tuple[Family, int]:
    """A view, ``simclr[50]`` or ``rotation``, as its family and how many views; errors as `names.members`."""
    declared, n = members(view)
    return FAMILIES[declared.name], n
