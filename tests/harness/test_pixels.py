"""Pixels: the fast path is the reference within a grey level, whatever the file; a broken file is named."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from harness.datasets import Split
from harness.errors import CorruptImageError
from harness.models import Geometry, Preprocess
from harness.pixels import ahead, decode, find_corrupt, load_fast, load_pil, replay, resize, stream, target_size

SMALL = Geometry(40, 32, "bicubic", "short")
SAME = Geometry(32, 32, "bicubic", "squash")


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    return np.stack([127 + 120 * np.sin(x / 9 + c) * np.cos(y / 7 + c) for c in range(3)], -1).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def difference(image: Any, geometry: Geometry) -> torch.Tensor:
    fast, reference = load_fast(image, "x", geometry), load_pil(image, "x", geometry)
    assert fast.shape == reference.shape == (3, geometry.size, geometry.size)
    assert fast.dtype == reference.dtype == torch.uint8
    return (fast.int() - reference.int()).abs()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fit", ["short", "squash"])
@pytest.mark.parametrize("sizes", [(40, 32), (32, 32), (150, 140)])
@pytest.mark.parametrize("image", [noise(61, 97), smooth(120, 80), smooth(64, 64), noise(7, 5)])
def test_the_fast_path_is_the_reference_within_a_grey_level(
    image: NDArray[np.uint8], sizes: tuple[int, int], fit: str, interpolation: str
) -> None:
    found = difference(image, Geometry(*sizes, interpolation, fit))
    assert float((found > 1).float().mean()) < 1e-4  # Pillow and torchvision round bicubic weights differently
    assert int(found.max()) <= 2
    assert float(found.float().mean()) < 0.1


def test_nearest_takes_the_same_pixels() -> None:
    for geometry in (Geometry(40, 32, "nearest", "short"), Geometry(150, 140, "nearest", "squash")):
        assert int(difference(noise(61, 97), geometry).max()) == 0


PICTURE = Image.fromarray(smooth(48, 64))
FILES = {
    "jpeg": encoded(PICTURE, "JPEG", quality=90),
    "progressive jpeg": encoded(PICTURE, "JPEG", progressive=True),
    "grey jpeg": encoded(PICTURE.convert("L"), "JPEG"),
    "cmyk jpeg": encoded(PICTURE.convert("CMYK"), "JPEG"),
    "png": encoded(PICTURE, "PNG"),
    "grey png": encoded(PICTURE.convert("L"), "PNG"),
    "one-bit png": encoded(PICTURE.convert("1"), "PNG"),
    "palette png": encoded(PICTURE.convert("P"), "PNG"),
    "transparent palette png": encoded(PICTURE.quantize(64), "PNG", transparency=3),
    "alpha png": encoded(Image.fromarray(np.dstack([smooth(48, 64), np.full((48, 64), 90, np.uint8)])), "PNG"),
    "grey alpha png": encoded(PICTURE.convert("LA"), "PNG"),
    "16-bit png": encoded(Image.fromarray(smooth(48, 64)[..., 0].astype(np.uint16) * 257), "PNG"),
    "webp": encoded(PICTURE, "WEBP", lossless=True),
    "gif": encoded(PICTURE.convert("P"), "GIF"),
    "animated gif": encoded(PICTURE.convert("P"), "GIF", save_all=True, append_images=[PICTURE.rotate(90)]),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES[kind])
    assert int(difference(FILES[kind], SMALL).max()) <= 1
    assert torch.equal(load_fast(path, "x", SMALL), load_fast(FILES[kind], "x", SMALL))
    assert decode(path, "x").shape == (3, 48, 64)


def test_a_16_bit_image_keeps_its_high_byte() -> None:
    for load in (load_fast, load_pil):
        found = load(FILES["16-bit png"], "x", Geometry(48, 48, "bicubic", "short"))
        assert torch.equal(found[0], torch.from_numpy(smooth(48, 64)[:, 8:56, 0].copy()))


def test_arrays_colour_and_grey() -> None:
    image = noise(32, 32)
    assert torch.equal(decode(image, "x"), torch.from_numpy(image).permute(2, 0, 1))
    assert torch.equal(decode(image[..., 0], "x"), torch.from_numpy(image[..., 0]).expand(3, 32, 32))
    assert int(difference(image[..., 0], SMALL).max()) <= 1
    assert torch.equal(load_fast(image, "x", SAME), decode(image, "x"))  # nothing to resize


TORN = {f"{kind} {part}": FILES[kind][: int(len(FILES[kind]) * part)]
        for kind in ("jpeg", "progressive jpeg", "png", "webp", "gif") for part in (0.3, 0.9)}  # fmt: skip
BROKEN: dict[str, Any] = {
    "text": b"this is no image", "nothing": b"", "floats": np.zeros((4, 4, 3), np.float32),
    "four channels": np.zeros((4, 4, 4), np.uint8), "a row": np.zeros(4, np.uint8),
}  # fmt: skip


@pytest.mark.parametrize("load", [load_fast, load_pil])
@pytest.mark.parametrize("kind", [*TORN, *BROKEN])
def test_a_broken_image_is_named(kind: str, load: Any) -> None:
    with pytest.raises(CorruptImageError) as caught:
        load((TORN | BROKEN)[kind], "cats/17.png", SMALL)
    assert caught.value.name == "cats/17.png"
    assert str(caught.value).startswith("image cats/17.png: ")
    assert caught.value.reason
    assert "\n" not in str(caught.value)
    assert ".cpp" not in str(caught.value)


@pytest.mark.parametrize("load", [load_fast, load_pil])
def test_a_missing_file_is_named(load: Any, tmp_path: Path) -> None:
    with pytest.raises(CorruptImageError, match=r"image absent.*No such file"):
        load(tmp_path / "absent.png", "absent", SMALL)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(8, 300), st.sampled_from([1.0, 0.875, 0.5]))
def test_the_short_side_is_the_resized_one(height: int, width: int, size: int, crop: float) -> None:
    geometry = Preprocess(size=size, crop=crop).geometry
    found = target_size(height, width, geometry)
    assert min(found) == geometry.resize >= geometry.size
    assert max(found) == int(geometry.resize * max(height, width) / min(height, width))
    squashed = Preprocess(size=size, crop=crop, fit="squash").geometry
    assert target_size(height, width, squashed) == [squashed.resize] * 2


def test_the_crop_is_of_the_centre() -> None:
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[:, 4:36, 14:46] = 255
    assert bool((resize(image, SMALL) == 255).all())


class Slow:
    """Images that take longer the earlier they come, and count who reads them."""

    def __init__(self, n: int) -> None:
        self.n, self.threads = n, set[str]()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        self.threads.add(threading.current_thread().name)
        time.sleep(0.004 if index % 5 == 0 else 0)
        return np.full((8, 8, 3), index, np.uint8)


def split(n: int = 50) -> tuple[Split, Slow]:
    images = Slow(n)
    return Split(images, np.zeros(n, np.int64), [f"id{i}" for i in range(n)]), images


TINY = Geometry(8, 8, "bilinear", "short")


@pytest.mark.parametrize("workers", [1, 4, 16])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("decoder", ["torchvision", "pil"])
def test_order_is_kept_with_many_workers(decoder: str, batch_size: int, workers: int) -> None:
    made, images = split()
    rows = np.array([3, 1, *range(10, 50)])
    batches = list(stream(made, rows, TINY, decoder, batch_size, workers))
    assert np.concatenate([positions for positions, _ in batches]).tolist() == list(range(len(rows)))
    pixels = torch.cat([batch for _, batch in batches])
    assert pixels.dtype == torch.uint8
    assert pixels[:, 0, 0, 0].tolist() == rows.tolist()
    assert all(name.startswith("pixels") for name in images.threads)


def test_the_first_image_that_cannot_be_read_is_the_one_named() -> None:
    images: list[Any] = [noise(8, 8)] * 20
    images[7], images[13] = b"broken", b"broken too"
    made = Split(images, np.zeros(20, np.int64), [f"id{i}" for i in range(20)])
    batches = stream(made, np.arange(20), TINY, "torchvision", 4, 4)
    assert next(batches)[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(CorruptImageError, match="image id7: "):
        list(batches)
    assert list(find_corrupt(made, np.arange(20), 3)) == [7, 13]
    assert list(find_corrupt(made, np.array([1, 13]), 3)) == [13]


def test_reading_ahead_is_bounded_and_stops_with_its_reader() -> None:
    made: list[int] = []

    def make(start: int, stop: int) -> torch.Tensor:
        made.append(start)
        return torch.arange(start, stop)

    batches = ahead(make, 1000, 10, 2)
    for read in range(1, 31):
        next(batches)
        assert len(made) <= read + 2 * 2
    batches.close()
    assert len(made) < 40
    assert not any(thread.name.startswith("pixels") for thread in threading.enumerate())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 40), st.integers(1, 17), st.integers(1, 4))
def test_every_row_once(n: int, batch_size: int, workers: int) -> None:
    array = np.arange(n * 12, dtype=np.uint8).reshape(n, 3, 2, 2)
    direct = ahead(lambda a, b: torch.from_numpy(array[a:b].copy()), n, batch_size, workers)
    for batches in (replay(array, np.arange(n), batch_size), direct):
        found = list(batches)
        assert [p for positions, _ in found for p in positions] == list(range(n))
        assert np.array_equal(np.concatenate([b.numpy() for _, b in found]) if found else array, array)


def test_pixels_are_replayed_in_any_order() -> None:
    array, order = np.arange(7 * 12, dtype=np.uint8).reshape(7, 3, 2, 2), np.array([3, 0, 6, 1])
    found = list(replay(array, order, 3))
    assert [list(positions) for positions, _ in found] == [[0, 1, 2], [3]]
    assert np.array_equal(np.concatenate([batch.numpy() for _, batch in found]), array[order])


@pytest.mark.parametrize("format", ["BMP", "TIFF"])
def test_formats_that_torchvision_does_not_decode_go_through_pillow(format: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    assert torch.equal(decode(file.getvalue(), "x"), torch.from_numpy(pixels).permute(2, 0, 1))
    with pytest.raises(CorruptImageError, match="image x"):
        decode(file.getvalue()[:20], "x")
