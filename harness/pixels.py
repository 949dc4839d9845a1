"""Pixels: decode and resize images to uint8 tensors, in threads. The one place where an image is decoded.

``torchvision`` decodes and resizes tensors, 3x faster and within one grey level of the reference but for rare values
(two levels on up to 2 in 100,000); ``pil`` is the reference pipeline that most published numbers were made with. Which
one was used is part of every key.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from harness.datasets import Image, Split
from harness.errors import CorruptImageError, one_line
from harness.models import Geometry

Batch = tuple[NDArray[np.int64], Tensor]
_CPP = re.compile(r"^RuntimeError: \S+, \S+:\d+, ")  # the place in torchvision's sources, before what is wrong
PILLOW_ONLY = (b"BM", b"II*\0", b"MM\0*", b"P2", b"P3", b"P5", b"P6")  # BMP, TIFF, PGM, PPM: their first bytes
_MODES = {"nearest": InterpolationMode.NEAREST_EXACT}  # Pillow's; plain NEAREST is another


def decode(image: Image, name: str) -> Tensor:
    """An image as uint8 RGB (3, H, W). Raises `CorruptImageError` when it is missing or broken."""
    if isinstance(image, np.ndarray):
        return _from_array(image, name)
    try:
        data = image.read_bytes() if isinstance(image, Path) else image
        if not data:
            raise CorruptImageError(name, "is empty")
        if data.startswith(PILLOW_ONLY):
            return _by_pillow(data)
        decoded: Tensor = decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
    except (OSError, RuntimeError, ValueError) as error:
        raise CorruptImageError(name, _CPP.sub("", one_line(error))) from error
    if decoded.ndim == 4:  # an animated GIF: its first frame, as Pillow takes
        decoded = decoded[0]
    return (decoded.int() >> 8).to(torch.uint8) if decoded.dtype == torch.uint16 else decoded  # a 16-bit PNG


def _by_pillow(data: bytes) -> Tensor:
    """A format that torchvision does not decode. Raises `OSError` or `ValueError` when it is broken."""
    decoded: Tensor = F.pil_to_tensor(Pillow.open(io.BytesIO(data)).convert("RGB"))
    return decoded


def _from_array(image: NDArray[np.uint8], name: str) -> Tensor:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise CorruptImageError(name, f"expected uint8 (H, W, 3) or (H, W), got {image.dtype} {image.shape}")
    tensor = torch.from_numpy(np.ascontiguousarray(image))
    return tensor.expand(3, *image.shape) if image.ndim == 2 else tensor.permute(2, 0, 1)


def target_size(height: int, width: int, geometry: Geometry) -> list[int]:
    """The size an image is resized to, before the centre crop; the long side is truncated as torchvision does."""
    if geometry.fit == "squash":
        return [geometry.resize, geometry.resize]
    if height <= width:
        return [geometry.resize, int(geometry.resize * width / height)]
    return [int(geometry.resize * height / width), geometry.resize]


def resize(image: Tensor, geometry: Geometry) -> Tensor:
    """uint8 (3, H, W) to uint8 (3, size, size): antialiased resize, centre crop."""
    size = target_size(image.shape[1], image.shape[2], geometry)
    if list(image.shape[1:]) != size:
        mode = _MODES.get(geometry.interpolation) or InterpolationMode(geometry.interpolation)
        image = F.resize(image, size, mode, antialias=True)
    cropped: Tensor = F.center_crop(image, [geometry.size, geometry.size])
    return cropped


def load_fast(image: Image, name: str, geometry: Geometry) -> Tensor:
    """Decode and resize on tensors."""
    return resize(decode(image, name), geometry)


def decode_pil(image: Image, name: str) -> Pillow.Image:
    """An image as an RGB picture. Raises `CorruptImageError` when it is missing or broken."""
    try:
        if isinstance(image, np.ndarray):
            return Pillow.fromarray(_from_array(image, name).permute(1, 2, 0).numpy())
        picture: Pillow.Image = Pillow.open(image if isinstance(image, Path) else io.BytesIO(image))
        if picture.mode.startswith("I;16"):  # convert() would clip it to white
            picture = Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise CorruptImageError(name, str(error)) from error


def load_pil(image: Image, name: str, geometry: Geometry) -> Tensor:
    """Decode and resize with Pillow: the reference."""
    picture = decode_pil(image, name)
    height, width = target_size(picture.height, picture.width, geometry)
    method = getattr(Pillow.Resampling, geometry.interpolation.upper())
    picture = picture.resize((width, height), method) if picture.size != (width, height) else picture
    cropped: Tensor = F.center_crop(F.pil_to_tensor(picture), [geometry.size, geometry.size])
    return cropped


DECODERS: dict[str, Callable[[Image, str], Any]] = {"torchvision": decode, "pil": decode_pil}
ORIGINALS: dict[str, Callable[[Image, str], Tensor]] = {
    "torchvision": decode,
    "pil": lambda image, name: F.pil_to_tensor(decode_pil(image, name)),
}
LOADERS = {"torchvision": load_fast, "pil": load_pil}


def stream(
    split: Split, rows: NDArray[np.int64], geometry: Geometry, decoder: str, batch_size: int, workers: int
) -> Iterator[Batch]:
    """Batches of `rows` as ``(positions, uint8 (B, 3, S, S))``, in order, decoded ahead in threads.

    Positions count from 0 in `rows`. Raises `CorruptImageError` for the first image that cannot be read.
    """
    load, size = LOADERS[decoder], geometry.size

    def batch(start: int, stop: int) -> Tensor:
        out = torch.empty((stop - start, 3, size, size), dtype=torch.uint8)
        for at, row in enumerate(rows[start:stop]):
            out[at] = load(split.images[row], split.ids[row], geometry)
        return out

    return ahead(batch, len(rows), batch_size, workers)


def augmented(
    split: Split,
    rows: NDArray[np.int64],
    augment: Callable[[Tensor, int], Tensor],
    decoder: str,
    batch_size: int,
    workers: int,
) -> Iterator[Tensor]:
    """Batches of ``augment(original, place)`` of `rows`, which may repeat, in order, made ahead in threads."""
    originals = ORIGINALS[decoder]

    def batch(start: int, stop: int) -> Tensor:
        made = [augment(originals(split.images[rows[at]], split.ids[rows[at]]), at) for at in range(start, stop)]
        return torch.stack(made)

    return (made for _, made in ahead(batch, len(rows), batch_size, workers))


def replay(array: NDArray[np.uint8], order: NDArray[np.int64], batch_size: int) -> Iterator[Batch]:
    """Batches, in an order, of pixels that are already decoded, read ahead in a thread."""
    return ahead(lambda start, stop: torch.from_numpy(array[order[start:stop]]), len(order), batch_size, 1)


def ahead(make: Callable[[int, int], Tensor], n: int, batch_size: int, workers: int) -> Iterator[Batch]:
    """``make(start, stop)`` over 0..n in order, a batch a worker and two more ahead of the consumer."""
    with ThreadPoolExecutor(workers, thread_name_prefix="pixels") as pool:

        def submit(start: int) -> tuple[int, int, Future[Tensor]]:
            stop = min(start + batch_size, n)
            return start, stop, pool.submit(make, start, stop)

        starts = iter(range(0, n, batch_size))
        queue = deque(submit(start) for start in islice(starts, workers + 2))
        try:
            while queue:
                start, stop, future = queue.popleft()
                yield np.arange(start, stop), future.result()
                queue.extend(submit(start) for start in islice(starts, 1))
        finally:
            for *_, future in queue:
                future.cancel()


def find_corrupt(split: Split, rows: NDArray[np.int64], workers: int, decoder: str = "torchvision") -> dict[int, str]:
    """Rows whose image cannot be decoded, with the reason."""

    def probe(row: int) -> tuple[int, str] | None:
        try:
            DECODERS[decoder](split.images[row], split.ids[row])
        except CorruptImageError as error:
            return row, error.reason
        return None

    with ThreadPoolExecutor(workers, thread_name_prefix="probe") as pool:
        return dict(found for found in pool.map(probe, rows.tolist()) if found)
