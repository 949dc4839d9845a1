"""What the tests of figures read off them."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from harness.plots import Figure

NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(figure: Figure) -> list[str]:
    """Everything written in the SVG, as text."""
    root = ElementTree.fromstring(figure.svg)
    assert root.tag == f"{NAMESPACE}svg"
    return ["".join(e.itertext()).strip() for e in root.iter(f"{NAMESPACE}text")]


def pixels(figure: Figure) -> np.ndarray:
    """The PNG, (H, W, 3) uint8."""
    assert figure.png.startswith(b"\x89PNG\r\n\x1a\n")
    return np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB"))


def ink(figure: Figure, colour: str, near: int = 3) -> np.ndarray:
    """Where the PNG has a colour (``#rrggbb``), (K, 2) rows and columns."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return np.argwhere((np.abs(pixels(figure).astype(int) - wanted) <= near).all(2))


def margins_are_white(figure: Figure) -> bool:
    """Nothing is cut off at the edge."""
    seen = pixels(figure)
    edge = np.concatenate([seen[:6].reshape(-1, 3), seen[-6:].reshape(-1, 3), seen[:, :6].reshape(-1, 3),
                           seen[:, -6:].reshape(-1, 3)])  # fmt: skip
    return bool((edge == 255).all() and seen.min() < 100)
