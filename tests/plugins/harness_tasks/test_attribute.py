"""Class activation maps against captum, and the task as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from captum.attr import LayerGradCam
from finetune_world import SIDE, SIZES, Images, images, truth, world
from torch import Tensor, nn

from harness.encoder import Encoder, ModuleEncoder
from harness.errors import UndefinedError
from harness.models import Model, Preprocess
from harness.passes import arithmetic
from harness.plugins import Host
from harness.tasks import TaskData
from harness_models import timm_models, torchvision_models
from harness_tasks.attribute import Attribute
from harness_tasks.attribution.classifier import Classifier
from harness_tasks.attribution.gradcam import cam, gradcam
from harness_tasks.finetune import Finetune
from harness_tasks.linear import Linear


def classifier(encoder: Encoder, classes: int = 5) -> Classifier:
    size, generator = encoder.preprocess.size, torch.Generator().manual_seed(1)
    with torch.no_grad():
        width = encoder(torch.zeros(1, 3, size, size, dtype=torch.uint8))["embedding"].shape[1]
    weight, bias = torch.randn(classes, width, generator=generator), torch.randn(classes, generator=generator)
    return Classifier(encoder, weight, bias, False)


def pixels(encoder: Encoder, n: int = 3) -> Tensor:
    size, generator = encoder.preprocess.size, torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)


class Logits(nn.Module):
    """From pixels to logits, for captum."""

    def __init__(self, of: Classifier) -> None:
        super().__init__()
        self.encoder, self.of = of.encoder, of

    def forward(self, normalised: Tensor) -> Tensor:
        return self.of.logits(self.encoder.embed(normalised))


MODELS: dict[str, Callable[[], Model]] = {
    "resnet18": lambda: torchvision_models.model("resnet18", pretrained=False, preprocess={"size": 64}),
    "vit_tiny": lambda: timm_models.model("vit_tiny_patch16_224", pretrained=False, preprocess={"size": 64}),
}
SUBMODULES = {"resnet18": "layer4", "vit_tiny": "blocks.11.norm1"}


def as_captum(of: Classifier, submodule: nn.Module, shown: Tensor, classes: Tensor) -> Tensor:
    """(N, h, w), of a layer whose output is (N, C, h, w)."""
    for part in of.encoder.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False  # which would change the output that captum holds
    found = LayerGradCam(Logits(of), submodule).attribute(of.encoder.normalise(shown), classes, relu_attributions=True)
    assert isinstance(found, Tensor)
    return found.detach()[:, 0]


def tiny() -> Encoder:
    from harness.lookup import find_model

    return find_model(Host(), "tiny-supervised").load()


@pytest.mark.parametrize("name", ["tiny", "resnet18"])
def test_gradcam_is_captums_and_for_averaging_encoders_cam(name: str) -> None:
    encoder = tiny() if name == "tiny" else MODELS[name]().load()
    submodule = encoder.get_submodule("module." + ("stage3" if name == "tiny" else "layer4"))
    of, shown = classifier(encoder), pixels(encoder)
    classes = torch.tensor([0, 4, 2])
    found = gradcam(of, shown, classes)
    expected = as_captum(of, submodule, shown, classes)
    assert found.shape == expected.shape
    assert found.max() > 1e-4
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * float(expected.max()))
    torch.testing.assert_close(cam(of, shown, classes), found, rtol=1e-6, atol=1e-6 * float(found.max()))
    assert (gradcam(of, shown, classes.flip(0))[0] - found[0]).abs().max() > 1e-3 * found.max()


class Laid(nn.Module):
    """Tokens in and out, but seen on the way as a map, for captum."""

    def __init__(self, norm: nn.Module, side: int) -> None:
        super().__init__()
        self.norm, self.map, self.side = norm, nn.Identity(), side

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.norm(tokens)
        patches = tokens[:, 1:].transpose(1, 2).unflatten(2, (self.side, self.side))
        return torch.cat([tokens[:, :1], self.map(patches).flatten(2).transpose(1, 2)], 1)


def test_gradcam_of_a_transformer_is_captums_on_the_patches() -> None:
    encoder = MODELS["vit_tiny"]().load()
    of, shown, classes = classifier(encoder), pixels(encoder, 2), torch.tensor([1, 3])
    found = gradcam(of, shown, classes)
    assert found.shape == (2, 4, 4)
    assert found.max() > 0
    laid = Laid(encoder.get_submodule("module.blocks.11.norm1"), 4)
    encoder.set_submodule("module.blocks.11.norm1", laid)
    expected = as_captum(of, laid.map, shown, classes)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6 * float(expected.max()))


def test_maps_of_frozen_weights_and_under_no_grad_are_the_same() -> None:
    encoder = tiny()
    of, shown, classes = classifier(encoder), pixels(encoder), torch.tensor([0, 4, 2])
    found = gradcam(of, shown, classes)
    encoder.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(gradcam(of, shown, classes), found)


def test_cam_is_refused_where_the_embedding_is_not_the_maps_mean() -> None:
    encoder = MODELS["vit_tiny"]().load()
    with pytest.raises(UndefinedError, match="use gradcam"):
        cam(classifier(encoder), pixels(encoder), torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_cam_of_a_maximum_is_refused_whatever_the_scale_of_features(scale: float) -> None:
    class Peak(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(3, 8, 3, 2, 1)
            for parameter in self.body.parameters():
                parameter.data *= scale

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x).amax((2, 3))

    encoder = ModuleEncoder(Peak(), Preprocess(size=16, crop=1.0)).eval()
    with pytest.raises(UndefinedError, match="use gradcam"):
        cam(classifier(encoder), pixels(encoder), torch.tensor([0, 1, 2]))


def test_a_map_that_the_gradient_does_not_reach() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(self.conv(x).detach().mean((2, 3)))

    encoder = ModuleEncoder(Detached(), Preprocess(size=16))
    with pytest.raises(UndefinedError, match="gradient does not reach layer 'conv'"):
        gradcam(classifier(encoder), pixels(encoder), torch.tensor([0, 1, 2]))


def with_embeddings(data: TaskData) -> TaskData:
    """The world of fine-tuning with the stored embeddings that the linear head asks for."""
    assert data.encoder is not None
    folds = {}
    for name, fold in data.folds.items():
        with torch.no_grad():
            embedded = data.encoder(images(name, data.multilabel))["embedding"]
        folds[name] = replace(fold, features={("embedding", "clean"): embedded})
    return replace(data, folds=folds)


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_linear_head_is_the_linear_probe(multilabel: bool) -> None:
    data = with_embeddings(world(multilabel=multilabel))
    assert data.encoder is not None
    scores = Linear().run(data).scores
    found = Attribute().run(data)
    probabilities = scores.sigmoid() if multilabel else scores.softmax(1)
    assert found.deletion is not None
    assert found.insertion is not None
    assert found.deletion.shape == found.insertion.shape == (SIZES["test"], 17)
    torch.testing.assert_close(found.deletion[:, 0], probabilities.amax(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.insertion[:, -1], probabilities.amax(1), atol=1e-5, rtol=1e-4)
    assert torch.equal(found.images, images("test", multilabel))
    assert found.maps.shape == (SIZES["test"], 6, 6)
    assert (found.maps >= 0).all()
    found.check(SIZES["test"], 3)


def test_cam_and_gradcam_agree_on_a_probed_encoder() -> None:
    data = with_embeddings(world(dropout=0.0))
    maps = [Attribute(method=method).run(data).maps for method in ("gradcam", "cam")]
    torch.testing.assert_close(*maps, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("multilabel", [False, True])
def test_the_fine_tuned_head_is_the_task_finetune_at_one_point(multilabel: bool) -> None:
    one: dict[str, Any] = {"steps": 20, "batch": 16, "augment": "none"}
    scores = Finetune(**one, lrs=0.05, wds=1e-3).run(world(multilabel=multilabel)).scores
    probabilities = scores.sigmoid() if multilabel else scores.softmax(1)
    data = world(multilabel=multilabel)
    found = Attribute("finetune", **one, lr=0.05, wd=1e-3).run(data)
    assert found.deletion is not None
    torch.testing.assert_close(found.deletion[:, 0], probabilities.amax(1), atol=1e-5, rtol=1e-4)
    assert data.encoder is not None
    assert not data.encoder.training


@pytest.mark.parametrize("head", ["linear", "finetune"])
def test_a_map_finds_what_tells_the_class(head: Literal["linear", "finetune"]) -> None:
    """Images of noise with a coloured quarter, whose colour is the class."""

    def spotted(fold: str) -> Tensor:
        base = images(fold) // 8 + 100
        rows = torch.arange(len(base))
        corner = SIDE // 2
        base[rows, truth(fold), :corner, :corner] = 255
        return base

    data = world(dropout=0.0)
    data = replace(data, folds={n: replace(f, source=Images(spotted(n))) for n, f in data.folds.items()})
    assert data.encoder is not None
    with torch.no_grad():
        folds = {
            n: replace(f, features={("embedding", "clean"): data.encoder(spotted(n))["embedding"]})
            for n, f in data.folds.items()
        }
    found = Attribute(head, steps=60, batch=16, lr=0.05, wd=0.0, augment="none").run(replace(data, folds=folds))
    corner = found.maps[:, :3, :3].sum((1, 2)) / found.maps.sum((1, 2)).clamp_min(1e-12)
    assert corner.median() > 0.6  # a class may be told by the absence of the others' colour
    assert found.deletion is not None
    assert found.insertion is not None
    assert found.deletion.mean() < found.insertion.mean()


def test_half_precision_gives_nearly_the_same() -> None:
    data = with_embeddings(world(dropout=0.0))
    full = Attribute().run(data).maps
    with arithmetic("bf16", "cpu"):
        half = Attribute().run(data).maps
    assert half.dtype == torch.float32
    assert (half - full).abs().max() < 0.02 * full.max()


def test_an_encoder_without_maps_is_skipped_with_a_reason() -> None:
    flat = ModuleEncoder(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 6)), Preprocess(size=SIDE, crop=1.0))
    with pytest.raises(UndefinedError, match=r"no attribution: .*no spatial"):
        Attribute("finetune").run(replace(world(), encoder=flat))


def test_needs_follow_the_head() -> None:
    probe, tuned = Attribute(sample=9, view="whole").needs, Attribute("finetune").needs
    assert probe.encoder
    assert tuned.encoder
    assert probe.features == (("embedding", "whole"),)
    assert tuned.features == ()
    assert (probe.sample, tuned.sample) == (9, 64)


def test_continuous_targets_are_refused() -> None:
    from harness.testing import samples

    card = samples.card(classes=3)
    assert Attribute().skip(card) is None
    assert "continuous" in str(Attribute().skip(card.model_copy(update={"kind": "continuous"})))


def test_it_conforms(conforms: Callable[[Any], None]) -> None:
    conforms(Attribute())
