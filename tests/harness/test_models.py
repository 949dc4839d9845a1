"""Models: cards, preprocessing, geometry."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from harness.errors import HarnessError
from harness.models import PRESETS, Geometry, Model, ModelCard, Preprocess, preprocess_of


def test_the_imagenet_preset_is_the_usual_one() -> None:
    assert PRESETS["imagenet"].geometry == Geometry(256, 224, "bicubic", "short")
    assert Preprocess(size=224, crop=1.0).geometry.resize == 224
    assert Preprocess(size=96, crop=0.9).geometry.resize == 107


def test_models_that_differ_in_normalisation_share_pixels() -> None:
    assert PRESETS["imagenet"].geometry == PRESETS["imagenet-caffe"].geometry == PRESETS["imagenet-no-norm"].geometry
    assert PRESETS["clip"].geometry != PRESETS["imagenet"].geometry


def test_preprocess_from_a_name_fields_or_itself() -> None:
    own = Preprocess(size=64)
    assert preprocess_of(own) is own
    assert preprocess_of("clip") == PRESETS["clip"]
    assert preprocess_of({"size": 96}) == PRESETS["imagenet"].model_copy(update={"size": 96})
    assert preprocess_of({"base": "cifar", "crop": 0.5}).size == 32
    assert preprocess_of("{base: clip, size: 96}") == PRESETS["clip"].model_copy(update={"size": 96})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("imagnet", "no preprocess preset named 'imagnet'; did you mean 'imagenet'?"),
        ("{size: 96", "cannot read the preprocess '{size: 96': expected {size: 224"),
        ("{sise: 3}", "preprocess sise: Extra inputs"),
        ({"base": "clipp"}, "did you mean 'clip'?"),
        ({"sise": 3}, "preprocess sise: Extra inputs are not permitted; did you mean 'size'?"),
        ({"size": 1}, "preprocess size"),
        ({"crop": 0}, "preprocess crop"),
        ({"crop": 1.5}, "preprocess crop"),
        ({"mean": [1, 2]}, "preprocess mean"),
        ({"interpolation": "lanczos"}, "preprocess interpolation"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        preprocess_of(value)
    assert message in str(caught.value)


def test_a_preprocess_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Preprocess().size = 3  # type: ignore[misc]


def test_a_model_under_another_name_is_the_same_model() -> None:
    model = Model("a", ModelCard(name="a", method="X"), lambda: None, Preprocess(), {"seed": 1})  # type: ignore[arg-type, return-value]
    other = model.named("b")
    assert (other.name, other.card.name, other.card.method) == ("b", "b", "X")
    assert (other.identity, other.load, other.preprocess) == (model.identity, model.load, model.preprocess)
    assert model.name == model.card.name == "a"


def test_a_card_keeps_facts_it_does_not_know() -> None:
    assert ModelCard.model_validate({"name": "x", "queue": 65536}).model_dump()["queue"] == 65536
