"""Sweeps: each tap gets exactly its rows, whatever the batches, and no image is forwarded for nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.encoder import ModuleEncoder
from harness.errors import HarnessError
from harness.models import Preprocess
from harness.passes import Forward
from harness.sweeps import BlockGrams, Flat, Pooled, Sink, sweep
from harness.taps import Tap

N = 23
PIXELS = torch.randint(256, (N, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SAMPLE = np.array([1, 2, 5, 8, 9, 13, 14, 20, 21, 22])
SOME = np.full(N, -1)
SOME[SAMPLE] = np.arange(len(SAMPLE))
FIRST = np.where(np.arange(N) < 3, np.arange(N), -1)


def net() -> ModuleEncoder:
    torch.manual_seed(0)
    return ModuleEncoder(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)), PLAIN)


PLAIN = Preprocess(size=16, crop=1.0)


def create(shape: tuple[int, ...]) -> NDArray[Any]:
    return np.full(shape, -7, np.float32)


def run(sinks: list[Sink], size: int, forward_size: int = 8, **more: Any) -> Forward:
    forward = Forward(net(), "cpu", "fp32", forward_size)
    batches = ((np.arange(i, min(i + size, N)), PIXELS[i : i + size]) for i in range(0, N, size))
    sweep(forward, batches, sinks, [f"id{i}" for i in range(N)], lambda done, speed: None, **more)
    return forward


def conv() -> Tensor:
    with torch.no_grad():
        return net().eval()(PIXELS, ("0",))["0"]


@pytest.mark.parametrize(("size", "forward_size"), [(N, N), (5, 3), (8, 2), (1, 1)])
def test_every_reduction_gets_its_rows(size: int, forward_size: int) -> None:
    pooled, flat = Pooled(Tap("0"), np.arange(N), 0, create), Flat(Tap("0", "flat"), SOME, 0, create)
    grams = BlockGrams(Tap("0", "gram", 4), SOME, 0, create)
    assert run([pooled, flat, grams], size, forward_size).images == N
    np.testing.assert_allclose(pooled.array, conv().mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(flat.array, conv().flatten(1)[SAMPLE], atol=1e-6)
    for start in (0, 4, 8):
        block = conv().flatten(1)[SAMPLE[start : start + 4]]
        block = block - block.mean(0)
        expected = np.zeros((len(block), 4))
        expected[:, : len(block)] = block @ block.T
        assert grams.array is not None
        np.testing.assert_allclose(grams.array[start : start + 4], expected, rtol=1e-4, atol=1e-4)


def test_images_that_nobody_wants_are_not_forwarded() -> None:
    forward = run([Flat(Tap("0", "flat"), FIRST, 0, create)], 4)
    assert forward.images == 4


def test_views_have_an_axis_of_their_own() -> None:
    def view(pixels: Tensor, rows: NDArray[np.int64], number: int) -> Tensor:
        return pixels.roll(number, dims=3)

    pooled, grams = Pooled(Tap("embedding"), SOME, 3, create), BlockGrams(Tap("0", "gram", 4), SOME, 3, create)
    forward = run([pooled, grams], 6, view=view, views=3)
    assert forward.images == 3 * N  # each batch holds wanted rows
    with torch.no_grad():
        turned = net().eval()(PIXELS.roll(2, dims=3))["embedding"][SAMPLE]
    assert pooled.array is not None
    assert grams.array is not None
    assert pooled.array.shape == (10, 3, 8)
    np.testing.assert_allclose(pooled.array[:, 2], turned, atol=1e-6)
    assert grams.array.shape == (10, 3, 4)
    assert not np.allclose(grams.array[:, 0], grams.array[:, 2])


@pytest.mark.parametrize("kind", [Pooled, Flat, BlockGrams])
def test_what_is_no_number_is_named_by_image(kind: type[Sink]) -> None:
    class Spoilt(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            marked = (x == PLAIN_INPUT).flatten(1).all(1)
            return torch.where(marked[:, None, None, None], torch.nan, x)

    PLAIN_INPUT = net().normalise(PIXELS[13:14])
    encoder = ModuleEncoder(nn.Sequential(Spoilt(), nn.AdaptiveAvgPool2d(1)), PLAIN)
    sink = kind(Tap("0", "gram", 4), np.arange(N), 0, create)
    batches = iter([(np.arange(N), PIXELS)])
    with pytest.raises(HarnessError, match="layer '0' gave NaN or infinite values for image id13 in fp32"):
        sweep(Forward(encoder, "cpu", "fp32", 5), batches, [sink], [f"id{i}" for i in range(N)], lambda d, s: None)
