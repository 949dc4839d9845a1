"""Metrics of Gram matrices: against CKA of whole features, the definitions spelt out, and their names and errors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from harness.datasets import DatasetCard
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Grams
from harness.metrics import Interval, Metric, scores, value
from harness.numerics.cka import linear_cka
from harness_metrics.cka import cka, cka_biased, cka_class, cka_layers, cka_rbf, cka_views, class_r2

NAMES = ("stem", "middle", "embedding")
PAIRED = (cka, cka_biased, cka_rbf)


def features(n: int = 160, layers: int = 3, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    """Layers (N, 20) float32 that share half of their variance and depend ever more on the class, and classes (N,)."""
    random = torch.Generator().manual_seed(seed)
    targets = torch.randint(4, (n,), generator=random)
    centres, common = torch.randn(4, 20, generator=random), torch.randn(n, 20, generator=random)
    noise = torch.randn(layers, n, 20, generator=random)
    return [common + noise[i] + 0.5 * i * centres[targets] for i in range(layers)], targets


def grams(layers: list[Tensor], targets: Tensor, block: int, names: tuple[str, ...] = NAMES) -> Grams:
    values = torch.zeros(len(targets), len(layers), block)
    for r, x in enumerate(layers):
        for start in range(0, len(x), block):
            rows = x[start : start + block] - x[start : start + block].mean(0)
            values[start : start + block, r, : len(rows)] = rows @ rows.T
    return Grams(values, names, targets)


@pytest.fixture
def sides() -> tuple[Grams, Grams]:
    """Ten blocks of two models."""
    first, targets = features()
    return grams(first, targets, 16), grams(
        [a + b for a, b in zip(first, features(seed=1)[0], strict=True)], targets, 16
    )


@pytest.mark.parametrize(("metric", "debiased"), [(cka, True), (cka_biased, False)])
def test_of_one_block_is_that_of_the_features(metric: Metric, debiased: bool) -> None:
    (x, targets), (y, _) = features(), features(seed=1)
    found = metric(grams(x, targets, 160), grams(y[:2], targets, 160, NAMES[:2]))
    assert list(found)[:3] == ["embedding~middle", "embedding~stem", "middle~middle"]
    for i, first in enumerate(NAMES):
        for j, second in enumerate(NAMES[:2]):
            score = found[f"{first}~{second}"]
            assert score.value == pytest.approx(linear_cka(x[i], y[j], debiased=debiased), abs=1e-5)
            assert (score.low, score.high) == (None, None)


def test_blocks_estimate_the_same_when_debiased_and_more_when_not(sides: tuple[Grams, Grams]) -> None:
    first, _ = features()
    second = [a + b for a, b in zip(first, features(seed=1)[0], strict=True)]
    whole = linear_cka(first[-1], second[-1])
    score = cka(*sides)["embedding~embedding"]
    assert score.low is not None
    assert score.high is not None
    assert score.low < whole < score.high
    assert score.high - score.low < 0.2
    assert cka_biased(*sides)["embedding~embedding"].value > linear_cka(first[-1], second[-1], debiased=False) + 0.02


@pytest.mark.parametrize("metric", PAIRED)
def test_pair_metrics_are_symmetric_and_1_on_themselves(metric: Metric, sides: tuple[Grams, Grams]) -> None:
    there, back = metric(*sides), metric(*sides[::-1])
    assert next(iter(there)) == "embedding~embedding"
    for a in NAMES:
        for b in NAMES:
            assert there[f"{a}~{b}"].value == pytest.approx(back[f"{b}~{a}"].value, abs=1e-12)
        assert metric(sides[0], sides[0])[f"{a}~{a}"] == Interval(*[pytest.approx(1)] * 3)


@pytest.mark.parametrize("metric", PAIRED)
@pytest.mark.parametrize("scale", [1e-15, 1e-3, 1e4, 1e15])
def test_scale_changes_nothing(metric: Metric, scale: float, sides: tuple[Grams, Grams]) -> None:
    scaled = replace(sides[1], values=scale**2 * sides[1].values)
    for name, score in metric(*sides).items():
        assert metric(sides[0], scaled)[name].value == pytest.approx(score.value, abs=1e-6)


def test_layers_of_one_model(sides: tuple[Grams, Grams]) -> None:
    own = cka(sides[0], sides[0])
    found = cka_layers(sides[0])
    assert list(found) == ["embedding~middle", "embedding~stem", "middle~stem"]
    for name, score in found.items():
        assert score == Interval(*(pytest.approx(v) for v in (own[name].value, own[name].low, own[name].high)))
    with pytest.raises(UndefinedError, match="needs two"):
        cka_layers(grams(features()[0][:1], features()[1], 16, ("embedding",)))


def test_views_of_one_model() -> None:
    first, targets = features()
    names = ("stem#0", "stem#1", "embedding#0", "embedding#1")
    moved = [first[0], first[0] @ torch.linalg.qr(torch.randn(20, 20)).Q, first[1], first[2]]
    found = cka_views(grams(moved, targets, 160, names))
    assert list(found) == ["embedding", "stem"]
    assert found["stem"].value == pytest.approx(1, abs=1e-5)
    assert found["embedding"].value == pytest.approx(linear_cka(first[1], first[2]), abs=1e-5)
    with pytest.raises(UndefinedError, match="two of each image"):
        cka_views(grams(first, targets, 16))


@pytest.mark.parametrize("several", [False, True])
def test_class_cka_is_that_of_the_label_matrix(several: bool) -> None:
    layers, targets = features()
    hot = torch.nn.functional.one_hot(targets)
    labels = (hot + hot.roll(3, 0)).clamp_max(1) if several else hot
    found = cka_class(grams(layers, labels if several else targets, 160))
    assert list(found) == list(NAMES[::-1])
    for name, x in zip(NAMES, layers, strict=True):
        assert found[name].value == pytest.approx(linear_cka(x, labels.float()), abs=1e-5)
    assert found["embedding"].value > found["stem"].value + 0.1


def test_class_separation_spelt_out() -> None:
    layers, targets = features(40)
    found = class_r2(grams(layers, targets, 16))
    assert list(found) == list(NAMES[::-1])
    for name, x in zip(NAMES, layers, strict=True):
        assert found[name].value == pytest.approx(separation(x, targets, 16), abs=1e-5)
    assert found["embedding"].value > found["stem"].value + 0.05


def separation(x: Tensor, targets: Tensor, block: int) -> float:
    """Pair by pair; a pair weighs 1 / (images of the one's class x of the other's)."""
    sums = {"within": [0.0, 0.0], "all": [0.0, 0.0]}
    for start in range(0, len(x), block):
        rows, classes = x[start : start + block].double(), targets[start : start + block]
        rows = rows - rows.mean(0)
        for i in range(len(rows)):
            for j in range(i):
                distance = 1 - float(torch.cosine_similarity(rows[i], rows[j], dim=0))
                weight = 1 / float((targets == classes[i]).sum() * (targets == classes[j]).sum())
                for kind in ("within", "all") if classes[i] == classes[j] else ("all",):
                    sums[kind][0] += weight * distance
                    sums[kind][1] += weight
    within, everything = (total / weights for total, weights in sums.values())
    return 1 - within / everything


def test_class_separation_of_noise_is_about_0_and_of_apart_classes_about_1() -> None:
    random = torch.Generator().manual_seed(0)
    targets = torch.randint(4, (640,), generator=random)
    noise = torch.randn(640, 20, generator=random)
    apart = 50 * torch.nn.functional.one_hot(targets, 20) + noise
    found = class_r2(grams([noise, apart], targets, 64, ("noise", "apart")))
    assert abs(found["noise"].value) < 0.02
    assert found["noise"].low is not None
    assert found["noise"].low < 0 < found["noise"].high  # type: ignore[operator]
    assert found["apart"].value > 0.95


@pytest.mark.parametrize("metric", [cka_layers, cka_class, class_r2])
def test_products_that_were_not_centred_give_the_same(metric: Metric) -> None:
    layers, targets = features()
    offset = torch.linspace(-3, 3, 20)
    raw = torch.stack([((part := x + offset) @ part.T).unflatten(1, (10, 16)) for x in layers], 1)
    own = torch.cat([raw[16 * k : 16 * k + 16, :, k] for k in range(10)])
    found = metric(Grams(own, NAMES, targets))
    for name, score in metric(grams(layers, targets, 16)).items():
        assert found[name].value == pytest.approx(score.value, abs=1e-5)


@pytest.mark.parametrize("metric", [cka_layers, cka_class, class_r2])
def test_the_order_of_blocks_and_within_them_is_nothing(metric: Metric) -> None:
    layers, targets = features()
    random = torch.Generator().manual_seed(0)
    order = torch.cat([16 * k + torch.randperm(16, generator=random) for k in torch.randperm(10, generator=random)])
    moved = metric(grams([x[order] for x in layers], targets[order], 16))
    for name, score in metric(grams(layers, targets, 16)).items():
        assert moved[name].value == pytest.approx(score.value, abs=1e-6)


@pytest.mark.parametrize("metric", [*PAIRED, cka_layers, cka_class, class_r2], ids=lambda metric: metric.name)
def test_a_constant_layer_is_left_out_unless_it_is_the_last(metric: Metric) -> None:
    layers, targets = features()
    constant = torch.full_like(layers[0], 0.1)

    def run(layers: list[Tensor]) -> dict[str, Interval]:
        found = grams(layers, targets, 16)
        return metric(found, found) if metric.pair else metric(found)  # type: ignore[no-any-return]

    whole, found = run(layers), run([constant, *layers[1:]])
    assert found == {name: score for name, score in whole.items() if "stem" not in name}
    with pytest.raises(UndefinedError, match=r"the same for all images: embedding$"):
        run([*layers[:2], constant])


def test_targets_that_are_the_same_are_named() -> None:
    layers, _ = features()
    with pytest.raises(UndefinedError, match=r"the same for all images: targets$"):
        cka_class(grams(layers, torch.arange(10).repeat_interleave(16), 16))
    with pytest.raises(UndefinedError, match="no class has two images in a block"):
        class_r2(grams(layers, torch.arange(16).repeat(10), 16))


@pytest.mark.parametrize("metric", [cka, cka_class, class_r2, cka_layers], ids=lambda metric: metric.name)
def test_too_few_images(metric: Metric) -> None:
    few = grams([x[:3] for x in features()[0]], torch.tensor([0, 0, 1]), 16)
    with pytest.raises(UndefinedError, match="fewer than 4 images"):
        metric(*(few, few) if metric.pair else (few,))


def test_other_images_or_blocks_are_refused(sides: tuple[Grams, Grams]) -> None:
    layers, targets = features()
    with pytest.raises(HarnessError, match="got 160 images in blocks of 16 and 160 images in blocks of 8"):
        cka(sides[0], grams(layers, targets, 8))
    with pytest.raises(HarnessError, match="160 images in blocks of 16 and 150"):
        cka(sides[0], grams([x[:150] for x in layers], targets[:150], 16))


def test_a_layer_that_varies_in_one_block_only_has_no_interval() -> None:
    layers, targets = features()
    layers[0][16:] = 1.0
    found = cka(grams(layers, targets, 16), grams(layers, targets, 16))
    assert found["embedding~stem"].low is None
    assert found["embedding~middle"].low is not None


def test_datasets_without_classes_are_refused() -> None:
    card = DatasetCard(name="d", revision="1", classes=("x", "y"), splits={"train": 1, "test": 1})
    kinds = ("single-label", "multi-label", "continuous")
    cards = [card.model_copy(update={"kind": kind}) for kind in kinds]
    for metric, refused in ((cka, [0, 0, 0]), (cka_class, [0, 0, 1]), (class_r2, [0, 1, 1])):
        assert [metric.skip(each) is not None for each in cards] == refused


def test_scores_as_the_host_takes_them(sides: tuple[Grams, Grams]) -> None:
    found = scores(cka, *sides, variant="v")
    assert [score.variant for score in found[:2]] == ["v,embedding~embedding", "v,embedding~middle"]
    assert len(found) == 9
    assert found[0].n == 160
    assert value(class_r2, sides[0]) == pytest.approx(class_r2(sides[0])["embedding"].value, rel=1e-6)
