"""The reconstruction task on the tiny zoo, in few iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

import harness_tasks.inversion.prior as prior
from harness.encoder import Encoder
from harness.errors import HarnessError, UndefinedError
from harness.lookup import find_model
from harness.plugins import Host
from harness.tasks import Fold, TaskData
from harness.testing.worlds import MemoryImages
from harness_tasks.reconstruct import Reconstruct, digest


def images() -> Tensor:
    """uint8 (3, 3, 32, 32): gradients of three colours, with a bright disc."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    disc = ((y - 16) ** 2 + (x - 12) ** 2 < 50).long() * 120
    return torch.stack([torch.stack([x * 4 + disc, y * 4, (31 - x) * (2 + k)]) for k in range(3)]).to(torch.uint8)


@cache
def encoder() -> Encoder:
    return find_model(Host(), "tiny-supervised").load().eval()


def data(rows: Sequence[int] = (0, 1, 2), scratch: Path | None = None, seed: int = 0) -> TaskData:
    fold = Fold("test", {}, None, MemoryImages(images()[list(rows)]))
    return TaskData({"test": fold}, ("a",), False, lambda e: 0.0, seed, "cpu", encoder(), scratch)


def test_the_final_map_of_a_tiny_model_is_approached() -> None:
    losses: list[float] = []
    layer = encoder().final_map
    rebuilt = prior.invert(encoder(), layer, images()[0], 0, 40, 1e-3, lambda loss: losses.append(float(loss)))
    assert losses[-1] < 0.5 * losses[0]
    start = (prior.Prior(32, seed=0)()[0] * 255).clamp(0, 255).to(torch.uint8)
    first, found, wanted = encoder()(torch.stack([start, rebuilt, images()[0]]), (layer,))[layer]
    assert (found - wanted).square().mean() < 0.5 * (first - wanted).square().mean()


def test_it_gives_the_images_and_the_rebuilt_ones_and_tells_of_its_progress() -> None:
    told: list[tuple[int, int]] = []
    task = Reconstruct(iterations=2)
    found = task.run(replace(data(), progress=lambda done, total: told.append((done, total))))
    assert torch.equal(found.images, images())
    assert found.rebuilt.shape == found.images.shape
    assert found.rebuilt.dtype == torch.uint8
    found.check(3, 1)
    assert told[:6] == [(i, 6) for i in range(1, 7)]
    assert told[-1] == (6, 6)
    assert task.needs.sample == 15
    assert task.needs.folds == ("test",)


def test_an_image_does_not_depend_on_the_others_nor_on_their_order() -> None:
    task = Reconstruct(iterations=2)
    together, alone, moved = (task.run(data(rows)).rebuilt for rows in ((0, 1, 2), (1,), (2, 1, 0)))
    assert torch.equal(together[1], alone[0])
    assert torch.equal(together, moved.flip(0))
    assert not torch.equal(alone, task.run(data((1,), seed=1)).rebuilt)


def test_images_that_are_done_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, folder = Reconstruct(iterations=2), tmp_path / "scratch"
    expected = task.run(data()).rebuilt
    task.run(data((0, 1), folder))
    (folder / digest(images()[1], 0)).write_bytes(b"cut short")
    inverted: list[Tensor] = []
    invert = prior.invert

    def counting(encoder: Encoder, layer: str, image: Tensor, *rest: object) -> Tensor:
        inverted.append(image)
        return invert(encoder, layer, image, *rest)

    monkeypatch.setattr(prior, "invert", counting)
    assert torch.equal(task.run(data(scratch=folder)).rebuilt, expected)
    assert torch.equal(torch.stack(inverted), images()[1:])


def test_any_layer_can_be_inverted_and_a_wrong_name_is_told() -> None:
    shallow, deep = (Reconstruct(iterations=2, layer=layer).run(data((0,))).rebuilt for layer in ("stage1", None))
    assert not torch.equal(shallow, deep)
    with pytest.raises(HarnessError, match="stage9"):
        Reconstruct(iterations=2, layer="stage9").run(data((0,)))


def test_a_model_without_a_map_is_told() -> None:
    class Flat(Encoder):
        preprocess = encoder().preprocess

        def embed(self, images: Tensor) -> Tensor:
            return images.flatten(1)

    with pytest.raises(UndefinedError, match="no inversion: Flat has no spatial feature maps"):
        Reconstruct(iterations=2).run(replace(data(), encoder=Flat()))


def test_parameters_that_rebuild_nothing_are_refused() -> None:
    for wrong in ({"iterations": 0}, {"lr": 0.0}, {"lr": float("nan")}):
        with pytest.raises(HarnessError, match="iterations from 1"):
            Reconstruct(**wrong)
    with pytest.raises(HarnessError, match="an image"):
        _ = Reconstruct(sample=0).needs
