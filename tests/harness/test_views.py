"""Views of geometry: what they ask of an image, and when they are the encoder's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from harness import pixels
from harness.errors import HarnessError
from harness.models import PRESETS, Geometry
from harness.views import canonical, seen, unknown

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
    assert torch.equal(pixels.load_pil(NOISE, "noise", seen(IMAGENET, view).geometry), expected)


def test_a_view_changes_the_geometry_and_nothing_else() -> None:
    caffe = PRESETS["imagenet-caffe"]
    assert seen(caffe, "clean") is caffe
    assert seen(caffe, "whole").geometry == Geometry(224, 224, "bicubic", "short")
    kept = {"mean", "std", "channels", "size"}
    assert seen(caffe, "squash").model_dump(include=kept) == caffe.model_dump(include=kept)


def test_a_view_that_is_the_encoders_own_is_clean() -> None:
    assert canonical(PRESETS["cifar"], "whole") == "clean"
    assert canonical(PRESETS["cifar"], "squash") == "squash"
    assert canonical(IMAGENET, "whole") == "whole"


def test_unknown_views_are_named() -> None:
    assert unknown(("clean", "squash")) is None
    assert unknown(("sqash",)) == "needs the view 'sqash'; did you mean 'squash'? (known: clean, whole, squash)"
    with pytest.raises(HarnessError, match="no view 'hole'; did you mean 'whole'"):
        seen(IMAGENET, "hole")
