"""Objects' masks, from trimaps and boxes in the published formats."""

from __future__ import annotations

from pathlib import Path

import miniatures
import numpy as np
import pytest
from PIL import Image

from harness.errors import HarnessError
from harness_datasets.official.base import facts
from harness_datasets.official.files import Pets, Voc2007
from harness_datasets.official.objects import Boxes

BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
XML = "<annotation><size><width>9</width><height>7</height><depth>3</depth></size>{}</annotation>"


def of_few(name: str) -> object:
    """The facts of a published dataset, for three classes."""
    return facts(name).model_copy(update={"classes": 3})


def test_pets_have_the_foreground_of_their_trimaps(tmp_path: Path) -> None:
    miniatures.pets(tmp_path)
    plain = Pets(of_few("pets"), tmp_path).split("test")  # type: ignore[arg-type]
    assert plain.fields == {}
    trimaps = tmp_path / "oxford-iiit-pet/annotations/trimaps"
    trimaps.mkdir()
    values = np.tile(np.array([1, 2, 3], np.uint8), (7, 3))
    for name in plain.images.names:  # type: ignore[attr-defined]
        Image.fromarray(values).save(trimaps / f"{Path(name).stem}.png")
    masks = Pets(of_few("pets"), tmp_path).split("test").fields["object_masks"]  # type: ignore[arg-type]
    assert len(masks) == len(plain)
    assert np.array_equal(masks[0], values == 1)
    assert len(masks[:2]) == 2
    (trimaps / f"{Path(plain.images.names[1]).stem}.png").write_bytes(b"no picture")  # type: ignore[attr-defined]
    with pytest.raises(HarnessError, match="cannot be read"):
        masks[1]


def test_voc_has_the_boxes_of_its_objects(tmp_path: Path) -> None:
    miniatures.voc2007(tmp_path)
    names = Voc2007(facts("voc2007"), tmp_path).paths("test")[0].read_text().split()
    folder = tmp_path / "VOCdevkit/VOC2007/Annotations"
    folder.mkdir()
    boxes = "".join(f"<object>{BOX.format(*box)}</object>" for box in ((1, 1, 2, 3), (8.0, 6.0, 9.0, 7.0)))
    (folder / f"{names[0]}.xml").write_text(XML.format(boxes))
    expected = np.zeros((7, 9))
    expected[:3, :2] = expected[5:, 7:] = 1
    found = Voc2007(facts("voc2007"), tmp_path).fields([f"VOCdevkit/VOC2007/JPEGImages/{names[0]}.jpg"])
    assert np.array_equal(found["object_masks"][0], expected)
    (folder / "wrong.xml").write_text("<annotation></annotation>")
    with pytest.raises(HarnessError, match=r"wrong\.xml: cannot be read"):
        Boxes([folder / "wrong.xml"])[0]
