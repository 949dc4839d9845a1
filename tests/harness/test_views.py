"""Views: what they ask of an image, and when they are the encoder's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from harness import pixels
from harness.errors import HarnessError
from harness.models import PRESETS, Geometry
from harness.views import canonical, is_family, seen, size, unknown

IMAGENET = PRESETS["imagenet"]
NOISE = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
BICUBIC, BILINEAR = v2.InterpolationMode.BICUBIC, v2.InterpolationMode.BILINEAR


@pytest.mark.parametrize(
    ("view", "published"),
    [
        ("whole", v2.Compose([v2.Resize(224, BICUBIC), v2.CenterCrop(224)])),
        ("squash", v2.Compose([v2.Resize([257, 257], BILINEAR), v2.CenterCrop(224)])),
    ],
)
def test_views_are_the_published_transforms(view: str, published: v2.Compose) -> None:
    expected = torch.from_numpy(np.array(published(Image.fromarray(NOISE)))).permute(2, 0, 1)
    assert torch.equal(pixels.load_pil(NOISE, "noise", seen(IMAGENET, view)), expected)


def test_views_of_geometry() -> None:
    assert seen(IMAGENET, "clean") == IMAGENET.geometry
    assert seen(IMAGENET, "whole") == Geometry(224, 224, "bicubic", "short")
    assert seen(IMAGENET, "squash") == Geometry(257, 224, "bilinear", "squash")


def test_a_view_that_is_the_encoders_own_is_clean() -> None:
    assert canonical(PRESETS["cifar"], "whole") == "clean"
    assert canonical(PRESETS["cifar"], "squash") == "squash"
    assert canonical(IMAGENET, "whole") == "whole"


def test_a_family_transforms_the_resized_image_before_the_crop() -> None:
    assert is_family("rotation[4]")
    assert is_family("rotation")
    assert not is_family("clean")
    assert seen(IMAGENET, "rotation[4]") == Geometry(256, 256, "bicubic", "short")
    assert [size(view) for view in ("clean", "rotation[4]", "simclr")] == [1, 4, 50]
    assert canonical(IMAGENET, "simclr") == canonical(IMAGENET, "simclr[50]") == "simclr[50]"


def test_unknown_views_are_named() -> None:
    assert unknown(("clean", "squash")) is None
    assert unknown(("clean", "rotation[16]", "simclr")) is None
    assert "no view 'sqash'; did you mean 'squash'? (known: clean, whole, squash, simclr" in str(unknown(("sqash",)))
    assert "posterize[8]" in str(unknown(("posterize[8]",)))
    with pytest.raises(HarnessError, match="no view 'hole'; did you mean 'whole'"):
        seen(IMAGENET, "hole")
