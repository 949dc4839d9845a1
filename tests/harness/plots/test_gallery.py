"""Galleries: the right image in the right place, under the right map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawings import ink, margins_are_white, texts
from torch.nn import functional

from harness.errors import HarnessError
from harness.plots import gallery
from harness.plots.gallery import bilinear, overlaid


def plain(red: int, green: int, blue: int, side: int = 24) -> np.ndarray:
    return np.full((side, side, 3), (red, green, blue), np.uint8)


def test_images_stand_in_their_rows_and_columns() -> None:
    figure = gallery([[plain(255, 0, 0), plain(0, 255, 0)], [plain(0, 0, 255), None]], ["one", "two"], ["a", "b"], "t",
                     subtitle="s", captions=[["", "0.61"], ["a long caption " * 4, ""]])  # fmt: skip
    red, green, blue = (ink(figure, c).mean(0) for c in ("#ff0000", "#00ff00", "#0000ff"))
    assert red[0] == pytest.approx(green[0], abs=2)
    assert red[1] == pytest.approx(blue[1], abs=2)
    assert green[1] > red[1] + 100
    assert blue[0] > red[0] + 100
    assert {"one", "two", "a", "b", "t", "s", "0.61"} <= set(texts(figure))
    assert "<pattern" in figure.svg  # the cell without an image
    assert margins_are_white(figure)


def test_its_rows_are_the_captions_and_the_ends_of_the_maps() -> None:
    overlay = np.array([[0.0, 2.0], [np.nan, -1.0]])
    figure = gallery([[plain(9, 9, 9)] * 3], ["r"], ["a", "b", "c"], "t", captions=[["x", "", ""]],
                     overlays=[[overlay, None, np.full((1, 1), np.nan)]])  # fmt: skip
    assert figure.rows == [
        {"row": "r", "column": "a", "caption": "x", "map_low": -1.0, "map_high": 2.0},
        {"row": "r", "column": "b", "caption": "", "map_low": None, "map_high": None},
        {"row": "r", "column": "c", "caption": "", "map_low": None, "map_high": None},
    ]


@pytest.mark.parametrize(("shape", "to"), [((7, 7), (224, 224)), ((3, 5), (10, 4)), ((1, 1), (8, 8)), ((8, 8), (8, 8))])
def test_maps_are_enlarged_as_torch_does(shape: tuple[int, int], to: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    theirs = functional.interpolate(torch.from_numpy(values)[None, None], to, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(bilinear(values, *to), theirs[0, 0].numpy(), atol=1e-12)


def test_a_map_is_brightest_where_it_is_greatest_and_clear_where_it_is_missing() -> None:
    image = plain(100, 100, 100, 32)
    mixed = overlaid(image, np.array([[0.0, 1.0]])).astype(int)
    assert mixed.shape == (160, 160, 3)  # enlarged, for a smooth map
    assert (np.diff(mixed[80].sum(1)) >= 0).all()
    assert mixed[80, -1].sum() > 400 > 300 > mixed[80, 0].sum()
    half = overlaid(image, np.array([[np.nan, 0.0, 1.0, np.nan]]))
    assert (half[:, :16] == 100).all()
    assert (overlaid(image, np.full((2, 2), np.nan)) == 100).all()
    assert overlaid(plain(1, 2, 3, 300), np.ones((2, 2))).shape == (300, 300, 3)


def test_many_models_side_by_side() -> None:
    names = [f"resnet50-deepcluster-v{i}" for i in range(14)]
    figure = gallery([[plain(50, 60, 70, 8)] * 14], ["an image of a rather long class"], names, "t")
    assert margins_are_white(figure)
    assert "".join(texts(figure)).count("deepcluster") == 14


def test_what_does_not_fit() -> None:
    image = plain(1, 2, 3)
    for images, more in (([[image]], {}), ([[image] * 2], {"captions": [["a"]]}), ([[image] * 2], {"overlays": []})):
        with pytest.raises(HarnessError, match="are no 1 rows of 2"):
            gallery(images, ["r"], ["a", "b"], "t", **more)
    with pytest.raises(HarnessError, match="are no 0 rows of 0"):
        gallery([], [], [], "t")
    for wrong in (image.astype(float), image[..., 0], image.transpose(2, 0, 1)):
        with pytest.raises(HarnessError, match=r"must be uint8 \(H, W, 3\), got"):
            gallery([[wrong]], ["r"], ["a"], "t")
