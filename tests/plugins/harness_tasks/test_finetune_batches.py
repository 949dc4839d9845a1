"""What fine-tuning is fed: the crops against torchvision's, and images that depend on nothing but seed and place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from finetune_world import world
from scipy.stats import ks_2samp
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from harness import pixels
from harness.datasets import Split
from harness.engine.folds import FoldImages
from harness.errors import HarnessError
from harness.models import Preprocess
from harness.tasks import Fold
from harness_tasks.finetuning import batches
from harness_tasks.finetuning.batches import augmentation, crop_box, epochs, feed

SEEN = Preprocess(size=16, crop=0.8).geometry


def originals(n: int) -> list[np.ndarray]:
    random = np.random.default_rng(n)
    return [random.integers(0, 256, (20 + i % 7, 30 - i % 5, 3)).astype(np.uint8) for i in range(n)]


def fold(name: str, n: int, workers: int = 2) -> Fold:
    split = Split(originals(n), np.empty(0, np.int64), [f"{name}{i}" for i in range(n)])
    source = FoldImages(split, np.arange(n), SEEN, "torchvision", workers, "cpu")
    return Fold(name, {}, torch.arange(n) + 100 * len(name), source)


def test_epochs_end_with_a_short_batch_but_never_with_one_image() -> None:
    sizes = [len(rows) for rows in epochs(33, 16, 5, seed=0)]
    assert sizes == [16, 16, 16, 16, 16]
    order = epochs(35, 16, 7, seed=0)
    assert [len(rows) for rows in order] == [16, 16, 3, 16, 16, 3, 16]
    assert sorted(np.concatenate(order[:3])) == list(range(35))
    assert not np.array_equal(order[0], order[3])
    with pytest.raises(HarnessError, match="two training images"):
        epochs(1, 16, 5, seed=0)


def test_the_crops_are_distributed_as_torchvisions() -> None:
    torch.manual_seed(0)
    theirs = v2.RandomResizedCrop(8)
    image = torch.empty(3, 200, 120)
    params = [theirs.make_params([image]) for _ in range(4000)]
    expected = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in params], float)
    random = np.random.default_rng(0)
    found = np.array([crop_box(200, 120, random) for _ in range(4000)], float)
    for column in range(4):
        assert ks_2samp(found[:, column], expected[:, column]).pvalue > 1e-3
    area, ratio = (lambda b: b[:, 2] * b[:, 3]), (lambda b: b[:, 3] / b[:, 2])
    for statistic in (area, ratio):
        assert ks_2samp(statistic(found), statistic(expected)).pvalue > 1e-3
    assert (found[:, :2] >= 0).all()
    assert (found[:, 0] + found[:, 2] <= 200).all()
    assert (found[:, 1] + found[:, 3] <= 120).all()


@pytest.mark.parametrize(("height", "width"), [(10, 1000), (1000, 10), (1, 50)])
def test_where_no_crop_fits_it_is_torchvisions_central_one(height: int, width: int) -> None:
    p = v2.RandomResizedCrop(8).make_params([torch.empty(3, height, width)])
    assert crop_box(height, width, np.random.default_rng(0)) == (p["top"], p["left"], p["height"], p["width"])


def test_a_crop_is_resized_as_torchvision_does_and_half_are_flipped() -> None:
    image = torch.from_numpy(originals(1)[0]).permute(2, 0, 1)
    cut, flipped = augmentation("crop", SEEN, seed=5), 0
    for place in range(200):
        random = np.random.default_rng((5, place))
        top, left, height, width = crop_box(20, 30, random)
        part = image[:, top : top + height, left : left + width]
        expected = v2.functional.resize(part, [16, 16], InterpolationMode.BICUBIC, antialias=True)
        found = cut(image, place)
        assert found.dtype == torch.uint8
        same, mirrored = torch.equal(found, expected), torch.equal(found, expected.flip(2))
        assert same != mirrored
        flipped += mirrored
    assert 70 < flipped < 130


def test_without_augmentation_an_image_is_what_the_test_would_see() -> None:
    given = fold("train", 9)
    seen = torch.cat(list(given.pixels(4)))
    order = epochs(9, 4, 5, seed=0)
    for (found, targets), rows in zip(feed([given], order, augmentation("none", SEEN, 0)), order, strict=True):
        assert torch.equal(found, seen[rows])
        assert torch.equal(targets, given.targets[rows])


def expected_batches(folds: list[Fold], order: list[np.ndarray], seed: int) -> list[tuple[Tensor, Tensor]]:
    """One image after the other."""
    cut, place = augmentation("crop", SEEN, seed), 0
    images = [image for each in folds for image in originals(len(each.targets))]
    targets = torch.cat([each.targets for each in folds])
    out = []
    for rows in order:
        made = [cut(pixels.decode(images[row], ""), place + at) for at, row in enumerate(rows)]
        out.append((torch.stack(made), targets[rows]))
        place += len(rows)
    return out


@pytest.mark.parametrize(("workers", "chunk"), [(1, 1), (2, 16), (5, 3)])
@pytest.mark.parametrize("start", [0, 4])
def test_batches_mix_the_folds_whatever_the_workers_and_wherever_they_start(
    workers: int, chunk: int, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNK", chunk)
    folds = [fold("train", 11, workers), fold("val", 6, workers)]
    order = epochs(17, 5, 9, seed=3)
    found = list(feed(folds, order, augmentation("crop", SEEN, 3), start))
    for (ours, targets), (theirs, wanted) in zip(found, expected_batches(folds, order, 3)[start:], strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(targets, wanted)


def test_a_fold_that_no_step_draws_from_is_no_trouble() -> None:
    data = world()
    order = [np.array([0, 1]), np.array([2, 3])]
    assert len(list(feed([data.train, data.val], order, lambda image, place: image))) == 2


def test_other_seeds_and_places_give_other_crops() -> None:
    image = torch.from_numpy(originals(1)[0]).permute(2, 0, 1)
    first = augmentation("crop", SEEN, -1)(image, 0)
    assert torch.equal(first, augmentation("crop", SEEN, -1)(image, 0))
    assert not torch.equal(first, augmentation("crop", SEEN, -1)(image, 1))
    assert not torch.equal(first, augmentation("crop", SEEN, 1)(image, 0))
