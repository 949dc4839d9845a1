"""Transforms against Pillow, torchvision's functional on the whole batch, kornia and SciPy; and what holds of all."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import permutations

import kornia
import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as PF
from torchvision.transforms.v2 import functional as F

from harness.transforms import FAMILIES, Family, image_seed

C, S = 64, 56
IDENTITY = {
    "simclr": [4 / 64, 4 / 64, 56 / 64, 56 / 64, 0, 1, 1, 1, 0, 5, 0, 0],
    "crop": [4 / 64, 4 / 64, 56 / 64, 56 / 64],
    "colour": [1, 1, 1, 0, 17],
    "rotation": [0],
    "translation": [0, 0],
    "scale": [1],
    "shear": [0, 0],
    "resized_crop": [4 / 64, 4 / 64, 56 / 64, 56 / 64],
    "elastic": [0, 3],
    "brightness": [1],
    "contrast": [1],
    "saturation": [1],
    "hue": [0],
    "posterize": [8],
    "solarize": [256],
    "blur": [1e-5],
    "sharpness": [1],
    "noise": [0, 3],
} | {name: [0] for name in ("hflip", "vflip", "gray", "invert", "equalize")}


def canvas(n: int = 4, side: int = C) -> Tensor:
    """Smooth coloured pictures, uint8 (N, 3, C, C)."""
    coarse = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)
    return (255 * smooth).clamp(0, 255).round().to(torch.uint8)


def middle(images: Tensor, size: int = S) -> Tensor:
    edge = (images.shape[-1] - size) // 2
    return images[..., edge : edge + size, edge : edge + size]


def row(family: Family, n: int, *values: float) -> Tensor:
    return torch.tensor([values] * n, dtype=torch.float32).reshape(n, len(family.parameters))


def worst(a: Tensor, b: Tensor) -> int:
    """The largest difference in grey levels."""
    return int((a.int() - b.int()).abs().max())


@pytest.mark.parametrize("name", IDENTITY)
def test_neutral_parameters_leave_the_clean_image(name: str) -> None:
    images, family = canvas(), FAMILIES[name]
    assert family.apply(images, row(family, 4, *IDENTITY[name]), S).equal(middle(images))


@pytest.mark.parametrize("name", FAMILIES)
def test_each_row_is_on_its_own_and_the_same_each_time(name: str) -> None:
    """Batches, equal parameters or not, a canvas of the input's own size, and the canvas itself left as it was."""
    family, images = FAMILIES[name], canvas(6)
    before = images.clone()
    views, which = (4, 1) if family.limit != 1 else (1, 0)
    drawn = torch.stack([family.draw(views, image_seed(name, str(i % 3)))[which] for i in range(6)])
    found = family.apply(images, drawn, S)
    assert found.shape == (6, 3, S, S)
    assert found.dtype == torch.uint8
    assert images.equal(before)
    alone = torch.cat([family.apply(images[i : i + 1], drawn[i : i + 1], S) for i in range(6)])
    assert found.equal(alone)
    assert family.apply(images, drawn, C).shape == (6, 3, C, C)
    if family.seeded:
        same = family.apply(images[:1].expand(3, -1, -1, -1), drawn[:3], S)
        assert worst(same[0], same[1]) > 8
        assert worst(same[1], same[2]) > 8
    else:
        assert worst(found, middle(images)) > 8


def pillow(images: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    """The middle of each image as Pillow changes it."""
    return middle(torch.stack([F.pil_to_tensor(change(F.to_pil_image(image))) for image in images]))


def enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance], factor: float) -> Callable[..., Image.Image]:
    return lambda image: kind(image).enhance(factor)


BILINEAR = InterpolationMode.BILINEAR


@pytest.mark.parametrize(
    ("name", "values", "change", "levels"),
    [
        ("rotation", [30.0], lambda i: i.rotate(30, Image.Resampling.BILINEAR), 2),
        ("translation", [4 / 56, -2 / 56], lambda i: PF.affine(i, 0, [4, -2], 1.0, [0, 0]), 0),
        ("scale", [2.0], lambda i: PF.affine(i, 0, [0, 0], 2.0, [0, 0], BILINEAR), 2),
        ("shear", [20.0, 40.0], lambda i: PF.affine(i, 0, [0, 0], 1.0, [20, 40], BILINEAR), 2),
        ("hflip", [1.0], ImageOps.mirror, 0),
        ("vflip", [1.0], ImageOps.flip, 0),
        ("gray", [1.0], lambda i: i.convert("L").convert("RGB"), 1),
        ("invert", [1.0], ImageOps.invert, 0),
        ("equalize", [1.0], ImageOps.equalize, 0),
        ("posterize", [3.0], lambda i: ImageOps.posterize(i, 3), 0),
        ("solarize", [90.0], lambda i: ImageOps.solarize(i, 90), 0),
        ("brightness", [0.4], enhanced(ImageEnhance.Brightness, 0.4), 1),
        ("brightness", [2.5], enhanced(ImageEnhance.Brightness, 2.5), 1),
        ("contrast", [0.4], enhanced(ImageEnhance.Contrast, 0.4), 1),
        ("contrast", [3.0], enhanced(ImageEnhance.Contrast, 3.0), 3),
        ("saturation", [0.4], enhanced(ImageEnhance.Color, 0.4), 1),
        ("saturation", [3.0], enhanced(ImageEnhance.Color, 3.0), 3),
        ("sharpness", [8.0], enhanced(ImageEnhance.Sharpness, 8.0), 8),
    ],
)  # fmt: skip
def test_equals_pillow(name: str, values: list[float], change: Callable[..., Image.Image], levels: int) -> None:
    """Within grey levels: 0 where both compute on integers; the blends truncate, and multiply what they truncated.

    Away from the border, where Pillow goes from picture to black in one pixel, and torchvision in two.
    """
    images, family = canvas(), FAMILIES[name]
    found, wanted = family.apply(images, row(family, 4, *values), S), pillow(images, change)
    inside = (middle(family.apply(torch.full_like(images, 255), row(family, 4, *values), S), S) == 255).all(1)
    inside = inside if name in ("rotation", "scale", "shear") else torch.ones_like(inside)
    assert inside.double().mean() > 0.3
    assert int(((found.int() - wanted.int()).abs().amax(1) * inside).max()) <= levels


def test_hue_turns_the_colour_wheel() -> None:
    """Pillow's HSV has 256 hues, too coarse to compare with: a third of the wheel moves the channels on by one."""
    images, family = canvas(), FAMILIES["hue"]
    turned = family.apply(images, row(family, 4, 1 / 3), S)
    assert worst(turned, middle(images).roll(1, dims=1)) <= 1
    back = family.apply(images, row(family, 4, -1 / 3), S)
    assert worst(back, middle(images).roll(-1, dims=1)) <= 1


def test_rotation_and_hue_equal_kornia() -> None:
    images = canvas()
    turned = kornia.geometry.rotate(images.float(), torch.tensor([25.0] * 4), align_corners=True)
    family = FAMILIES["rotation"]
    assert worst(family.apply(images, row(family, 4, 25.0), 40), middle(turned, 40).round()) <= 1
    family = FAMILIES["hue"]
    turned = kornia.enhance.adjust_hue(images.double() / 255, 0.8) * 255
    assert worst(family.apply(images, row(family, 4, 0.8 / (2 * torch.pi)), S), middle(turned).round()) <= 1


@pytest.mark.parametrize(("size", "kernel"), [(224, 23), (112, 11), (56, 5), (32, 3), (8, 3)])
def test_blur_equals_scipy_in_proportion_to_the_input(size: int, kernel: int) -> None:
    images, family, sigma = canvas(2, size), FAMILIES["blur"], 6.0
    x = np.arange(kernel) - kernel // 2
    window = np.exp(-0.5 * (x / (sigma * size / 224)) ** 2)
    smooth = images.double().numpy()
    for axis in (2, 3):
        smooth = ndimage.correlate1d(smooth, window / window.sum(), axis, mode="mirror")
    assert worst(family.apply(images, row(family, 2, sigma), size), torch.from_numpy(smooth).round()) <= 1


def test_blur_equals_torchvisions() -> None:
    images, family = torch.randint(256, (2, 3, 224, 224), dtype=torch.uint8), FAMILIES["blur"]
    assert worst(family.apply(images, row(family, 2, 3.0), 224), F.gaussian_blur(images, [23, 23], [3.0, 3.0])) <= 1


def test_jpeg_equals_pillow() -> None:
    images, family = canvas(), FAMILIES["jpeg"]

    def compressed(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=20)
        return Image.open(file)

    assert worst(family.apply(images, row(family, 4, 20), S), pillow(images, compressed)) <= 3


def test_crops_equal_pillow_resizing_a_box() -> None:
    images, family = canvas(), FAMILIES["crop"]
    found = family.apply(images, row(family, 4, 0.25, 0.125, 0.5, 0.625), S)
    box = (8, 16, 48, 48)
    wanted = [image.crop(box).resize((S, S), Image.Resampling.BILINEAR) for image in map(F.to_pil_image, images)]
    assert worst(found, torch.stack([F.pil_to_tensor(image) for image in wanted])) <= 1
    edge = family.apply(images, row(family, 4, 0.999, 0.999, 0.001, 0.001), S)  # rounds to one pixel, in the canvas
    assert edge.equal(images[:, :, -1:, -1:].expand(-1, -1, S, S))


def test_noise_has_the_deviation_it_is_given() -> None:
    images = torch.full((1, 3, 224, 224), 128, dtype=torch.uint8)
    family = FAMILIES["noise"]
    one, other = (family.apply(images, row(family, 1, 0.1, seed), 224).double() - 128 for seed in (5, 6))
    assert one.std() == pytest.approx(25.5, rel=0.01)
    assert abs(one.mean()) < 0.3
    assert abs((one * other).mean()) / 25.5**2 < 0.01


@pytest.mark.parametrize(("line", "column"), [(1, 1), (0, 1)])
def test_elastic_moves_what_lies_under_a_control_point(line: int, column: int) -> None:
    """The displacement there is the drawn one: the pixel comes from that far off."""
    side, sigma, seed = 65, 20.0, 8
    ramp = torch.arange(side, dtype=torch.uint8).expand(1, 3, side, side).contiguous()
    family = FAMILIES["elastic"]
    dx, dy = np.random.default_rng(seed).standard_normal((2, 3, 3))[:, line, column] * sigma / 256 * side
    assert min(abs(dx), abs(dy)) > 3
    at = 0, 0, 32 * line, 32 * column
    across = family.apply(ramp, row(family, 1, sigma, seed), side)[at].item()
    down = family.apply(ramp.mT.contiguous(), row(family, 1, sigma, seed), side)[at].item()
    assert across == pytest.approx(32 * column + dx, abs=0.51)
    assert down == pytest.approx(32 * line + dy, abs=0.51)


def test_simclr_is_its_parts_in_turn() -> None:
    images, family = canvas(1, 240), FAMILIES["simclr"]
    view = family.draw(50, 8)
    chosen = view[(view[:, 4] == 1) & (view[:, 5] != 1) & (view[:, 10] == 0) & (view[:, 11] > 0)][0]
    top, left, height, width = (round(part * 240) for part in chosen[:4].tolist())
    made = F.horizontal_flip(F.resized_crop(images, top, left, height, width, [224, 224], BILINEAR))
    adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
    for part in list(permutations(range(4)))[int(chosen[9])]:
        made = adjust[part](made, chosen[5 + part].item())
    made = F.gaussian_blur(made, [23, 23], [chosen[11].item()] * 2)
    assert worst(family.apply(images, chosen[None], 224), made) <= 1
    chosen[10] = 1
    gray = family.apply(images, chosen[None], 224)[0]
    assert gray[0].equal(gray[1])
