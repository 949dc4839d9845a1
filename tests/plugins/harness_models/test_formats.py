from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.errors import HarnessError
from harness_models.formats import FORMATS, TRANSFORMS, Format, format_of


def test_moco_keeps_the_query_encoder() -> None:
    content = {
        "epoch": 200,
        "state_dict": {
            "module.encoder_q.conv1.weight": 1,
            "module.encoder_q.fc.0.weight": 2,
            "module.encoder_k.conv1.weight": 3,
            "module.queue": 4,
        },
    }
    weights = FORMATS["moco"].weights(content)
    assert weights["conv1.weight"] == 1
    left = {key for key in weights if not key.startswith(FORMATS["moco"].drop)}
    assert left == {"conv1.weight"}


@pytest.mark.parametrize("name", ["torchvision", "timm"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_libraries_files_come_bare_or_wrapped(name: str, wrapper: str | None) -> None:
    state = {"module.conv1.weight": 1}
    assert FORMATS[name].weights({wrapper: state} if wrapper else state) == {"conv1.weight": 1}


def test_plain_changes_nothing() -> None:
    state = {"module.conv1.weight": 1, "state_dict": {}}
    assert FORMATS["plain"].weights(state) == state


def test_a_format_from_fields_renames_by_regular_expression() -> None:
    layout = format_of({"strip": ["net."], "rename": {r"^(\d)\.": r"layer\1."}})
    assert layout.weights({"net.3.0.weight": 1}) == {"layer3.0.weight": 1}


def test_two_keys_must_not_become_one() -> None:
    with pytest.raises(HarnessError, match=r"two keys become 'a', the second is 'module\.a'"):
        Format(strip=("module.",)).weights({"a": 1, "module.a": 2})


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(HarnessError, match="no checkpoint format named 'mocov2'; did you mean 'moco'"):
        format_of("mocov2")
    with pytest.raises(HarnessError, match=r"format unwrapp: .*did you mean 'unwrap'"):
        format_of({"unwrapp": ["state_dict"]})


def test_joined_parts_are_flattened_and_transformed() -> None:
    layout = Format(join=("params", "state"), rename={"/w$": ".weight"}, transforms={r"conv\.weight": "hwio-to-oihw"})
    kernel = torch.rand(3, 5, 2, 4)
    found = layout.weights({"params": {"conv": {"w": kernel}}, "state": {"bn": {"ema": {"mean": 1}}}, "step": 3})
    assert found["bn/ema/mean"] == 1
    assert found.keys() == {"conv.weight", "bn/ema/mean"}
    assert torch.equal(found["conv.weight"], kernel.permute(3, 2, 0, 1))


@pytest.mark.parametrize("value", [None, 3, torch.ones(2)])
def test_a_transform_that_does_not_fit_names_the_key(value: object) -> None:
    with pytest.raises(HarnessError, match="transform hwio-to-oihw does not fit 'w'"):
        Format(transforms={"w": "hwio-to-oihw"}).weights({"w": value})


def test_bad_fields_are_told() -> None:
    with pytest.raises(HarnessError, match=r"format transforms: .*no transform 'flaten'; did you mean 'flatten'"):
        format_of({"transforms": {"w": "flaten"}})
    with pytest.raises(HarnessError, match=r"format rename: .*'\(' is no regular expression"):
        format_of({"rename": {"(": ""}})


def test_the_documentation_names_every_format_and_transform() -> None:
    text = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    assert not [
        name for name in (*FORMATS, *TRANSFORMS, *Format.model_fields) if f"`{name}`" not in text and name != "summary"
    ]


@pytest.mark.parametrize("name", ["plain", "moco", "beit", "byol"])
def test_keys_that_are_no_names_are_refused(name: str) -> None:
    inner = {"a": {1: torch.ones(1)}}
    content = {"online_params": inner} if name == "byol" else {"a": torch.ones(1), 1: torch.ones(1)}
    with pytest.raises(HarnessError, match="holds keys that are no names: not a checkpoint of weights"):
        FORMATS[name].weights(content)


def test_dictionaries_without_end_are_refused() -> None:
    """One that holds itself, and many that hold each other twice."""
    holds_itself: dict[str, object] = {}
    holds_itself["a"] = holds_itself
    shared: dict[str, object] = {"leaf": 1}
    for _ in range(100):
        shared = {"a": shared, "b": shared}
    for content in (holds_itself, shared):
        with pytest.raises(HarnessError, match=r"holds more than 20,000 dictionaries: not a checkpoint"):
            Format(join=("w",)).weights({"w": content})
