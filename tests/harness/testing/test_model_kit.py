"""Each planted fault fails its own check, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from harness.encoder import EMBEDDING, Encoder, FeatureMap, ModuleEncoder
from harness.models import Model, ModelCard, Preprocess
from harness.testing import check_model

PREPROCESS = Preprocess(size=32, crop=1.0)
RAW = PREPROCESS.model_copy(update={"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)})
CARD = ModelCard(method="none", paradigm="none", architecture="two convolutions", licence="CC0-1.0")


def network(*first: nn.Module) -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2)]
    return nn.Sequential(*first, *layers)


def model(make: Callable[[], Encoder], preprocess: Preprocess = PREPROCESS, card: ModelCard = CARD) -> Model:
    def load() -> Encoder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return make()

    return Model("planted", card, load, preprocess, {"loader": "test"})


def of(module: Callable[[], nn.Module], preprocess: Preprocess = PREPROCESS) -> Model:
    return model(lambda: ModuleEncoder(module(), preprocess), preprocess)


def failed(model: Model) -> dict[str, str]:
    return {f.check: f.message for f in check_model(model) if f.status == "failed"}


def the_fault(model: Model, check: str) -> str:
    """The message of the one check that failed."""
    found = failed(model)
    assert list(found) == [check], found
    return found[check]


class Own(Encoder):
    """A base for planted encoders with one convolution."""

    preprocess = PREPROCESS

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def embed(self, images: Tensor) -> Tensor:
        return self.conv(images).mean((2, 3))


def test_sound_models_pass_every_check() -> None:
    for sound in (of(network), model(Own)):
        findings = check_model(sound)
        assert {f.status for f in findings} <= {"passed", "skipped"}, findings
    assert [f.check for f in check_model(of(network)) if f.status == "skipped"] == []


@pytest.mark.parametrize(
    "normalise",
    [
        lambda: v2.Normalize(PREPROCESS.mean, PREPROCESS.std),
        lambda: nn.Sequential(nn.Upsample(48), v2.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))),
        lambda: Scaled(),
    ],
    ids=["imagenet", "after resizing", "divided by 255 and flipped"],
)
def test_normalising_twice(normalise: Callable[[], nn.Module]) -> None:
    message = the_fault(of(lambda: network(normalise())), "normalised once")
    assert "normalised twice" in message
    assert "Remove the model's own normalisation" in message


class Scaled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        assert images.isfinite().all()
        return images.flip(1) / 255


def test_normalising_twice_before_patches_are_cut() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(3 * 64, 16)

        def forward(self, images: Tensor) -> Tensor:
            images = (images - 0.5) / 0.25
            return self.project(F.unfold(images, 8, stride=8).mT)

    assert "4 × the host's value -2" in the_fault(of(Patches), "normalised once")


def test_a_model_that_normalises_itself_once_is_sound() -> None:
    assert failed(of(lambda: network(v2.Normalize(PREPROCESS.mean, PREPROCESS.std)), RAW)) == {}


def test_a_learned_normalisation_of_the_input_is_sound() -> None:
    def learned() -> nn.Module:
        first = nn.BatchNorm2d(3)
        nn.init.constant_(first.running_mean, 0.3)
        return network(first)

    assert failed(of(learned)) == {}


def test_raw_pixels_are_only_a_warning() -> None:
    warned = [f for f in check_model(of(network, RAW)) if f.status == "warned"]
    assert [f.check for f in warned] == ["normalised once"]
    assert "is that meant?" in warned[0].message


def test_nan() -> None:
    class Nan(Own):
        def embed(self, images: Tensor) -> Tensor:
            return super().embed(images).log()

    assert "hold NaN" in the_fault(model(Nan), "finite")


class Functional(Own):
    def embed(self, images: Tensor) -> Tensor:
        return F.dropout(super().embed(images), 0.5)


class Stubborn(Own):
    """Ignores `eval`."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def train(self, mode: bool = True) -> Encoder:
        return super().train(True)

    def embed(self, images: Tensor) -> Tensor:
        return self.drop(super().embed(images))


@pytest.mark.parametrize(("planted", "hint"), [(Functional, "F.dropout"), (Stubborn, "drop is still in training mode")])
def test_dropout_left_on(planted: type[Encoder], hint: str) -> None:
    assert hint in the_fault(model(planted), "deterministic")


def test_batch_statistics() -> None:
    def batchnorm() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False))

    message = the_fault(of(batchnorm), "independent of the batch")
    assert "module.1 (BatchNorm2d) uses the batch's own statistics" in message


def test_neighbours_without_batch_norm() -> None:
    class Centred(Own):
        def embed(self, images: Tensor) -> Tensor:
            out = super().embed(images)
            return out - out.mean(0) if len(out) > 1 else out

    assert "statistics taken over the batch" in the_fault(model(Centred), "independent of the batch")


def test_position_in_the_batch() -> None:
    class Numbered(Own):
        def embed(self, images: Tensor) -> Tensor:
            return super().embed(images) + torch.arange(len(images))[:, None]

    assert "an image alone" in the_fault(model(Numbered), "independent of the batch")


def test_weights_drawn_anew_at_every_load() -> None:
    unseeded = Model("planted", CARD, lambda: ModuleEncoder(network(), PREPROCESS), PREPROCESS, {"loader": "test"})
    assert "seed their initialisation" in the_fault(unseeded, "same at every load")


def test_an_embedding_that_ignores_the_image() -> None:
    class Constant(Own):
        def embed(self, images: Tensor) -> Tensor:
            return torch.ones(len(images), 4)

    assert "does embed() use its input?" in the_fault(model(Constant), "images told apart")


def test_unpooled_and_half_precision_embeddings() -> None:
    class Unpooled(Own):
        def embed(self, images: Tensor) -> Tensor:
            return self.conv(images)

    class Half(Own):
        def embed(self, images: Tensor) -> Tensor:
            return super().embed(images).half()

    assert "pool in embed()" in the_fault(model(Unpooled), "shapes and dtypes")
    assert "torch.float16" in the_fault(model(Half), "shapes and dtypes")


def test_no_encoder_at_all() -> None:
    assert "wrap a plain module in harness.ModuleEncoder" in the_fault(model(lambda: nn.Identity()), "loads")


def test_preprocessing_that_differs_or_is_bypassed() -> None:
    def bypassed() -> Encoder:
        encoder = Own()
        encoder.forward = lambda pixels, layers=(EMBEDDING,): {EMBEDDING: encoder.embed(pixels.float())}
        return encoder

    assert "differs from the model's" in the_fault(model(Own, RAW), "preprocessing declared")
    assert "forward() is replaced" in the_fault(model(bypassed), "preprocessing sealed")


def test_layers_that_do_not_exist() -> None:
    def missing() -> Encoder:
        return ModuleEncoder(network(), PREPROCESS, layers=["0", "stage9"], maps=lambda images: [])

    assert "no layer 'stage9'" in the_fault(model(missing), "layers exist")


def test_feature_maps_out_of_order() -> None:
    def coarse_first(images: Tensor) -> list[FeatureMap]:
        return [FeatureMap(F.avg_pool2d(images, s), s, str(s)) for s in (8, 4)]

    upside_down = model(lambda: ModuleEncoder(network(), PREPROCESS, maps=coarse_first))
    assert "from fine to coarse" in the_fault(upside_down, "feature maps")


def test_cards() -> None:
    empty = model(Own, card=ModelCard())
    assert "lacks method, architecture, paradigm, data" in the_fault(empty, "card complete")
    uri = empty.named("timm:anything")
    assert {f.check: f.status for f in check_model(uri)}["card complete"] == "warned"


def test_an_empty_identity() -> None:
    nameless = Model("planted", CARD, model(Own).load, PREPROCESS)
    assert "share a key" in the_fault(nameless, "identity stated")
