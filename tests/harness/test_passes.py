"""Passes: every row lands where its index says, in the declared precision, and what is no number is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import passes
from harness.encoder import Encoder, ModuleEncoder
from harness.errors import HarnessError
from harness.models import Preprocess
from harness.passes import Forward, arithmetic, default_batch_size, state_digest, stored_dtype
from harness.pixels import Batch
from harness.sweeps import Pooled, sweep
from harness.taps import Tap

PLAIN = Preprocess(size=16, crop=1.0)
N = 23
PIXELS = torch.randint(256, (N, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Raw(Encoder):
    """Embeds the first pixel of each image, (N, 3), through `change`; out of memory above `most` images."""

    preprocess = PLAIN

    def __init__(self, change: Callable[[Tensor], Tensor] = lambda x: x, most: int = 1000) -> None:
        super().__init__()
        self.change, self.most = change, most
        self.sizes: list[int] = []

    def activations(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return {layer: self.change(images[:, :, 0, 0]) if layer == "embedding" else images for layer in layers}


def net(*extra: nn.Module) -> ModuleEncoder:
    torch.manual_seed(0)
    return ModuleEncoder(
        nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), *extra, nn.AdaptiveAvgPool2d(1)), PLAIN
    )


def batches(size: int, order: Sequence[int] = range(N)) -> Iterator[Batch]:
    rows = np.asarray(order)
    return ((rows[i : i + size], PIXELS[rows[i : i + size]]) for i in range(0, len(rows), size))


def swept(
    encoder: Encoder, size: int = 8, precision: str = "fp32", layers: Sequence[str] = ("embedding",),
    order: Sequence[int] = range(N), forward_size: int = 8,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    told: list[int] = []

    def create(shape: tuple[int, ...]) -> NDArray[Any]:
        return np.full(shape, -7, stored_dtype(precision))

    forward = Forward(encoder, "cpu", precision, forward_size)
    ids = [f"id{i}" for i in range(N)]
    sinks = [Pooled(Tap(layer), np.arange(N), 0, create) for layer in layers]
    sweep(forward, batches(size, order), sinks, ids, lambda done, speed: told.append(done))
    assert told[-1] == N == forward.images
    assert told == sorted(told)
    return {sink.tap.layer: sink.array for sink in sinks if sink.array is not None}


def test_rows_land_by_index_whatever_the_batches() -> None:
    layers = ("0", "2", "embedding")
    reference = swept(net(), N, layers=layers, forward_size=N)
    assert {layer: a.shape for layer, a in reference.items()} == {"0": (N, 8), "2": (N, 8), "embedding": (N, 8)}
    shuffled = np.random.default_rng(0).permutation(N)
    for size, forward_size, order in ((1, 8, range(N)), (5, 3, range(N)), (8, 100, shuffled), (7, 2, shuffled)):
        found = swept(net(), size, layers=layers, order=order, forward_size=forward_size)
        for layer in layers:
            np.testing.assert_allclose(found[layer], reference[layer], atol=1e-6)


def test_layers_are_pooled() -> None:
    encoder = net()
    with torch.inference_mode():
        direct = encoder.eval()(PIXELS, ("0",))["0"].mean((2, 3))
    np.testing.assert_allclose(swept(encoder, layers=("0",))["0"], direct, atol=1e-6)


def test_the_encoder_is_in_evaluation_mode() -> None:
    encoder = net(nn.Dropout(0.9)).train()
    np.testing.assert_array_equal(swept(encoder)["embedding"], swept(encoder)["embedding"])
    assert not encoder.training


def test_the_batch_shrinks_when_memory_runs_out() -> None:
    encoder = Raw(most=3)
    forward = Forward(encoder, "cpu", "fp32", 16)
    found = forward.embed(PIXELS)["embedding"]
    with torch.inference_mode():
        assert torch.equal(found, encoder.normalise(PIXELS)[:, :, 0, 0])
    assert (forward.batch_size, forward.images) == (2, N)
    assert encoder.sizes[:4] == [16, 8, 4, 2]
    assert set(encoder.sizes[3:]) == {2, 1}
    encoder.sizes.clear()
    forward.embed(PIXELS[:6])
    assert encoder.sizes == [2, 2, 2]  # what was learnt is kept


def test_out_of_memory_with_one_image_is_one_line() -> None:
    with pytest.raises(HarnessError, match="out of memory on cpu with a single image"):
        Forward(Raw(most=0), "cpu", "fp32", 8).embed(PIXELS)


def at(image: int, value: float) -> Callable[[Tensor], Tensor]:
    """Puts `value` into the row of one image of the whole set."""
    mark = Raw().normalise(PIXELS[image : image + 1])[:, :, 0, 0].round(decimals=3)

    def change(x: Tensor) -> Tensor:
        return torch.where((x.round(decimals=3) == mark).all(1, keepdim=True), value, x)

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_named_by_image(value: float) -> None:
    with pytest.raises(HarnessError, match="layer 'embedding' gave NaN or infinite values for image id13 in fp32"):
        swept(Raw(at(13, value)), 5)


def test_an_overflow_of_half_precision_is_named_by_image() -> None:
    assert np.isfinite(swept(Raw(at(6, 1e5)))["embedding"]).all()
    with pytest.raises(HarnessError, match="for image id6 in fp16"):
        swept(Raw(at(6, 1e5)), precision="fp16")


@pytest.mark.parametrize(
    ("change", "shape"),
    [(lambda x: x[:, 0], r"\(8,\)"), (lambda x: x[:1], r"\(1, 3\)"), (lambda x: x[:, :, None], r"\(8, 3, 1\)")],
)
def test_a_wrong_shape_is_named(change: Callable[[Tensor], Tensor], shape: str) -> None:
    with pytest.raises(HarnessError, match=rf"layer 'embedding' gave shape {shape} for 8 images, not \(N, D\)"):
        swept(Raw(change))


@pytest.mark.parametrize(("precision", "kept"), [("fp32", np.float32), ("tf32", np.float32), ("bf16", np.float32),
                                                 ("fp16", np.float16)])  # fmt: skip
def test_precision(precision: str, kept: Any) -> None:
    found, exact = swept(net(), precision=precision)["embedding"], swept(net())["embedding"]
    assert found.dtype == kept
    np.testing.assert_allclose(found, exact, atol=0.02)
    if precision != "tf32":  # which few CPUs have
        assert np.array_equal(found.astype(np.float32), exact) == (precision == "fp32")


def test_half_precision_is_computed_in_half() -> None:
    seen = []

    class Seen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.dtype)
            return x

    swept(net(Seen()), precision="bf16")
    assert set(seen) == {torch.bfloat16}


def switches() -> list[Any]:
    """How PyTorch treats float32: the switches of every age; None where they disagree, which it refuses to say."""

    def old(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except RuntimeError:
            return None

    return [
        *(operator.fp32_precision for operator in passes._OPERATORS), old(torch.get_float32_matmul_precision),
        old(lambda: torch.backends.cuda.matmul.allow_tf32), old(lambda: torch.backends.cudnn.allow_tf32),
    ]  # fmt: skip


def new_style() -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"


def new_style_convolutions() -> None:
    torch.backends.cudnn.conv.fp32_precision = "ieee"


SETTINGS: dict[str, Callable[[], object]] = {
    "as it comes": lambda: None,
    "highest": lambda: torch.set_float32_matmul_precision("highest"),
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "tf32 matmul": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "no tf32 convolution": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
    "new style": new_style,
    "new style convolutions": new_style_convolutions,
}


@pytest.fixture
def untouched() -> Iterator[None]:
    before = [operator.fp32_precision for operator in passes._OPERATORS]
    yield
    passes._set_precisions(before)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_the_callers_precision_is_set_aside_and_restored(setting: str, precision: str) -> None:
    SETTINGS[setting]()
    before = switches()
    wanted = "tf32" if precision == "tf32" else "ieee"
    with pytest.raises(ZeroDivisionError), arithmetic(precision, "cpu"):  # noqa: PT012
        assert [operator.fp32_precision for operator in passes._OPERATORS] == [wanted] * 6
        assert switches()[-2:] == [precision == "tf32"] * 2
        raise ZeroDivisionError
    after = switches()
    assert after[:6] == before[:6]
    assert all(old in (None, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(("side", "size"), [(16, 512), (32, 512), (224, 128), (512, 32), (4096, 16)])
def test_the_starting_batch_size(side: int, size: int) -> None:
    assert default_batch_size(side, "cuda:0", 4) == size
    assert isinstance(default_batch_size(side, "cuda:0", 4), int)


@pytest.mark.parametrize(
    ("side", "threads", "size"), [(32, 1, 32), (128, 1, 16), (128, 8, 128), (224, 2, 16), (518, 1, 8)]
)
def test_batches_on_a_cpu_stay_in_its_cache(side: int, threads: int, size: int) -> None:
    assert default_batch_size(side, "cpu", threads) == size


def test_the_digest_of_weights_is_of_their_content() -> None:
    state = net().state_dict()
    reference = state_digest(state)
    assert state_digest(net().state_dict()) == reference
    assert state_digest(dict(reversed(state.items()))) == reference
    assert state_digest({k: v.clone().to(memory_format=torch.preserve_format) for k, v in state.items()}) == reference
    changed = {k: v.clone() for k, v in state.items()}
    changed["module.0.weight"][0, 0, 0, 0] += 1e-6
    others = [
        changed,
        {k.replace("module", "body"): v for k, v in state.items()},
        {k: v.half() if v.is_floating_point() else v for k, v in state.items()},
        {k: v.flatten() for k, v in state.items()},
        {k: v for k, v in state.items() if k != "module.0.bias"},
    ]
    assert len({reference, *map(state_digest, others)}) == 6


def test_the_digest_takes_every_sort_of_tensor() -> None:
    odd = {"empty": torch.zeros(0, 3), "scalar": torch.tensor(3), "flags": torch.tensor([True]),
           "half": torch.ones(2, dtype=torch.bfloat16), "transposed": torch.arange(6).view(2, 3).T}  # fmt: skip
    assert len(state_digest(odd)) == 64
    assert state_digest(odd) == state_digest({k: v.clone().contiguous() for k, v in odd.items()})


def test_half_precision_sees_weights_that_change_under_it() -> None:
    layer, x = torch.nn.Linear(4, 2), torch.ones(3, 4)
    with arithmetic("bf16", "cpu"):
        before = layer(x)
        with torch.no_grad():
            layer.weight.mul_(3)
        assert not torch.equal(layer(x), before)
