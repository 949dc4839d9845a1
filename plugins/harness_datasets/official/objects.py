"""Where the objects are that the classes are about: masks of images, read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.errors import HarnessError, one_line


class Masks(Sequence[Any], ABC):
    """One mask (H, W) of 0 and 1 an image, from a file each.

    Args:
        paths: of the annotations, in the order of the images.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    @abstractmethod
    def read(self, path: Path) -> NDArray[np.uint8]:
        """The mask in a file."""

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int, /) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice, /) -> Any:
        """Raises `HarnessError` for an annotation that cannot be read."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        try:
            return self.read(self.paths[index])
        except (OSError, ValueError, AttributeError, TypeError, ElementTree.ParseError) as error:
            raise HarnessError(f"{self.paths[index]}: cannot be read: {one_line(error)}") from error


class Trimaps(Masks):
    """Oxford-IIIT Pets' pictures of 1 (pet), 2 (background) and 3 (neither for certain): the pet."""

    def read(self, path: Path) -> NDArray[np.uint8]:
        return (np.asarray(Image.open(path)) == 1).astype(np.uint8)


class Boxes(Masks):
    """PASCAL VOC's XML files: the boxes of all objects, filled. Their corners count from 1 and belong to the box."""

    def read(self, path: Path) -> NDArray[np.uint8]:
        root = ElementTree.parse(path).getroot()
        size = {side: int(root.findtext(f"size/{side}", "")) for side in ("height", "width")}
        mask = np.zeros((size["height"], size["width"]), np.uint8)
        for box in root.iterfind("object/bndbox"):
            left, top, right, bottom = (int(float(box.findtext(c, ""))) for c in ("xmin", "ymin", "xmax", "ymax"))
            mask[top - 1 : bottom, left - 1 : right] = 1
        return mask
