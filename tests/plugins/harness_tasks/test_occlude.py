"""Occlusion maps against the published procedure written down: an enlarged image, a mask at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from finetune_world import Images
from torch import Tensor, nn

from harness.encoder import Encoder, ModuleEncoder
from harness.errors import HarnessError, UndefinedError
from harness.models import Preprocess
from harness.passes import arithmetic
from harness.tasks import Fold, TaskData
from harness_models.tiny import TinyResNet
from harness_tasks.occlude import Occlude
from harness_tasks.occlusion import forward
from harness_tasks.occlusion.forward import Plain, Shared, fastest
from harness_tasks.occlusion.sliding import Masks, masked


def pixels(n: int, size: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (n, 3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def world(encoder: Encoder, images: Tensor) -> TaskData:
    fold: Any = Fold("test", {}, None, Images(images))
    return TaskData({"test": fold}, ("a", "b"), False, lambda evidence: 0.0, encoder=encoder)


def tiny(size: int) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return ModuleEncoder(TinyResNet().eval(), Preprocess(size=size, crop=1.0))


@torch.no_grad()
def published(encoder: Encoder, image: Tensor, mask: int, stride: int) -> Tensor:
    """The map (S, S) of one image (3, S, S), by loops over an enlarged image whose middle the encoder sees."""
    normalised, border, size = encoder.normalise(image[None]), mask - 1, image.shape[-1]
    large = nn.functional.pad(normalised, [border] * 4)
    clean = encoder.embed(normalised)
    total, count = torch.zeros(2, size + 2 * border, size + 2 * border, dtype=torch.float64)
    for top in range(0, size + border, stride):
        for left in range(0, size + border, stride):
            hidden = large.clone()
            hidden[:, :, top : top + mask, left : left + mask] = 0
            found = encoder.embed(hidden[:, :, border : border + size, border : border + size])
            total[top : top + mask, left : left + mask] += float((found - clean).norm() / clean.norm())
            count[top : top + mask, left : left + mask] += 1
    middle = slice(border, border + size)
    if stride == 1:
        assert (count[middle, middle] == mask**2).all()
    return (total / count)[middle, middle]


@pytest.mark.parametrize(("mask", "stride"), [(3, 1), (4, 3), (5, 5)])
def test_a_map_is_the_mean_change_over_the_masks_on_each_pixel(mask: int, stride: int) -> None:
    images, encoder = pixels(2, 18), tiny(18)
    found = Occlude(mask=mask, stride=stride).run(world(encoder, images))
    assert torch.equal(found.images, images)
    assert found.deletion is None
    expected = torch.stack([published(encoder, image, mask, stride) for image in images])
    torch.testing.assert_close(found.maps.double(), expected, rtol=1e-4, atol=1e-6)
    assert found.maps.dtype == torch.float32


def test_shared_and_full_passes_give_the_same_map(monkeypatch: pytest.MonkeyPatch) -> None:
    data = world(tiny(32), pixels(1, 32))
    assert isinstance(fastest(data.encoder, data.encoder.normalise(pixels(1, 32)), Masks(32, 4, 1)), Shared)
    shared = Occlude(mask=4, stride=2).run(data).maps
    monkeypatch.setattr(forward, "Shared", lambda encoder: Plain(encoder))
    plain = Occlude(mask=4, stride=2).run(data).maps
    assert (shared - plain).abs().max() < 1e-5 * plain.max()


def test_at_224_the_places_and_the_coverage_are_the_papers() -> None:
    masks = Masks(224, 10, 1)
    assert len(masks) == 54_289
    covered = torch.zeros(224)
    for span in masks.spans:
        covered[slice(*span)] += 1
    assert (covered == 10).all()


@pytest.mark.parametrize(("size", "side"), [(224, 10), (32, 2), (96, 4), (16, 2)])
def test_the_mask_is_in_proportion_to_the_image(size: int, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Masks] = []

    def tell(self: Masks) -> None:
        made.append(self)
        raise InterruptedError

    monkeypatch.setattr(Masks, "__post_init__", tell)
    with pytest.raises(InterruptedError):
        Occlude().run(world(tiny(size), pixels(1, size)))
    assert made[0].side == side


def test_every_pixel_is_covered_at_any_stride_up_to_the_mask() -> None:
    for size, side, stride in [(17, 5, 2), (17, 5, 5), (16, 4, 3), (9, 1, 1)]:
        masks = Masks(size, side, stride)
        ones = torch.ones(len(masks.spans), len(masks.spans))
        assert (masks.average(ones) - 1).abs().max() < 1e-12
        assert {at for span in masks.spans for at in range(*span)} == set(range(size))


def test_tiles_cover_each_place_once() -> None:
    masks, seen = Masks(20, 3, 2), torch.zeros(11, 11)
    for rows, columns in masks.tiles(7):
        seen[rows, columns] += 1
        assert seen[rows, columns].numel() <= 7
    assert (seen == 1).all()


def test_a_mask_puts_zeros_under_itself_alone() -> None:
    image = torch.randn(1, 3, 12, 12)
    spans = Masks(12, 4, 4).spans
    patch = masked(image, spans[1:3], spans[0:2])
    whole = masked(image, spans[1:3], spans[0:2], whole=True).values
    assert torch.equal(patch.whole(), whole)
    for at, (row, column) in enumerate((row, column) for row in spans[1:3] for column in spans[0:2]):
        expected = image[0].clone()
        expected[:, slice(*row), slice(*column)] = 0
        assert torch.equal(whole[at], expected)


class Corner(nn.Module):
    """Looks at nothing but four pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 2:4, 2:4].flatten(1)


def test_what_an_encoder_does_not_look_at_gets_nothing() -> None:
    encoder = ModuleEncoder(Corner(), Preprocess(size=16, crop=1.0))
    (found,) = Occlude(mask=2).run(world(encoder, pixels(1, 16))).maps
    assert (found[2:4, 2:4] > found[1:5, 1:5].mean()).all()
    found[1:5, 1:5] = 0
    assert (found == 0).all()


def test_a_transformer_works_too() -> None:
    import timm

    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32, depth=2).eval()
    encoder = ModuleEncoder(vit, Preprocess(size=32, crop=1.0))
    found = Occlude(mask=8, stride=8).run(world(encoder, pixels(1, 32)))
    expected = published(encoder, found.images[0], 8, 8)
    torch.testing.assert_close(found.maps[0].double(), expected, rtol=1e-4, atol=1e-6)


class Doubled(ModuleEncoder):
    """Does not embed what its module gives."""

    def embed(self, images: Tensor) -> Tensor:
        return super().embed(images).square() + super().embed(images.roll(1, 3))


class Choosy(TinyResNet):
    """Takes a way that depends on the values: it cannot be traced."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else 2 * x)


class Fickle(nn.Module):
    """Writes over its activations in a way that tracing does not see through."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.second(x)
        x.mul_(100.0)
        return (x + y).mean((2, 3))


@pytest.mark.parametrize("encoder", [
    Doubled(TinyResNet().eval(), Preprocess(size=32)), ModuleEncoder(Choosy().eval(), Preprocess(size=32)),
    ModuleEncoder(Fickle().eval(), Preprocess(size=32)),
], ids=["another embedding", "not traceable", "in place"])  # fmt: skip
def test_what_cannot_be_shared_exactly_is_computed_in_full(encoder: Encoder) -> None:
    with torch.no_grad():
        assert isinstance(fastest(encoder, encoder.normalise(pixels(1, 32)), Masks(32, 4, 4)), Plain)
    found = Occlude(mask=8, stride=8).run(world(encoder, pixels(1, 32)))
    expected = published(encoder, found.images[0], 8, 8)
    torch.testing.assert_close(found.maps[0].double(), expected, rtol=1e-4, atol=1e-6)


def test_half_precision_is_not_traced() -> None:
    encoder = tiny(32)
    with torch.no_grad(), arithmetic("bf16", "cpu"):
        assert isinstance(fastest(encoder, encoder.normalise(pixels(1, 32)), Masks(32, 4, 4)), Plain)


def test_progress_counts_images() -> None:
    told: list[tuple[int, int]] = []
    data = replace(world(tiny(16), pixels(3, 16)), progress=lambda done, total: told.append((done, total)))
    Occlude(mask=8, stride=8).run(data)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_embedding_of_zero_has_no_relative_error() -> None:
    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 0 * x.mean((2, 3))

    data = world(ModuleEncoder(Nothing(), Preprocess(size=16)), pixels(1, 16))
    with pytest.raises(UndefinedError, match="the embedding of an image is 0"):
        Occlude(mask=4, stride=4).run(data)


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"mask": 3, "stride": 4}])
def test_impossible_parameters(wrong: dict[str, int]) -> None:
    with pytest.raises(HarnessError, match="needs 1 <= stride <= mask"):
        Occlude(**wrong)


@pytest.mark.parametrize("wrong", [{"mask": 17}, {"stride": 3}])
def test_a_mask_must_fit_the_image_and_the_stride_the_mask(wrong: dict[str, int]) -> None:
    with pytest.raises(HarnessError, match=r"needs 1 <= stride <= mask <= size"):
        Occlude(**wrong).run(world(tiny(16), pixels(1, 16)))


def test_it_needs_nothing_but_a_few_test_images() -> None:
    needs = Occlude(sample=7, view="whole").needs
    assert (needs.folds, needs.features, needs.views, needs.encoder, needs.sample) == (
        ("test",),
        (),
        ("whole",),
        True,
        7,
    )


def test_it_conforms(conforms: Callable[[Any], None]) -> None:
    conforms(Occlude(mask=8, stride=8))
